"""The NumPy reference of the cosine softmax against its definition, and differences for derivatives."""

import numpy as np
import pytest

from differences import central_difference
from fastfm_ext._reference import cosine, ranking
from fastfm_ext._reference.cosine import CosineRanker
from fastfm_ext._reference.ranking import Alias, SplitMix64

N_ITEMS = 6


@pytest.fixture
def problem():
    """Rows of several features with values on both sides, one of which is on both."""
    rng = np.random.default_rng(0)
    X_user, X_item = rng.normal(size=(4, 9)), rng.normal(size=(N_ITEMS, 9))
    X_user[:, 5:] = 0.0
    X_item[:, :4] = 0.0
    choices = np.where(rng.random((4, N_ITEMS)) < 0.5, rng.choice([0.5, 2.0], size=(4, N_ITEMS)), 0.0)
    choices[:, 0], choices[:, 1] = 1.0, 0.0
    tile = [(u, np.flatnonzero(choices[u])[:2].tolist()) for u in (0, 2, 3, 2)]
    model = CosineRanker(rng.normal(size=9), rng.normal(size=(9, 3)), 0.5, N_ITEMS)
    return model, X_user, X_item, choices, tile


@pytest.fixture
def with_histories(problem):
    """The same, with users represented by what they chose, too: features 9 to 14 are the items of histories."""
    model, X_user, X_item, choices, tile = problem
    rng = np.random.default_rng(1)
    X_user, X_item = (np.hstack([X, np.zeros((len(X), N_ITEMS))]) for X in (X_user, X_item))
    w, V = (np.concatenate([table, rng.normal(size=(N_ITEMS, *table.shape[1:]))]) for table in (model.w, model.V))
    model = CosineRanker(w, V, model.temperature, N_ITEMS, history=9)
    return model, X_user, X_item, choices, tile


@pytest.mark.parametrize("case", ["problem", "with_histories"])
def test_the_derivatives_of_a_tile_match_differences(request, case):
    model, *data = request.getfixturevalue(case)
    drawn, log_n = np.array([1, 2, 4]), np.array([0.3, -0.2, 1.0])
    _, g_w, g_V = model.loss(*data, drawn, log_n)
    for table, gradient in ((model.w, g_w), (model.V, g_V)):
        for at in np.ndindex(table.shape):
            start = table[at]

            def loss_at(value, table=table, at=at):
                table[at] = value
                return model.loss(*data, drawn, log_n)[0]

            assert gradient[at] == pytest.approx(central_difference(loss_at, start), abs=1e-8)
            table[at] = start


def test_a_history_has_what_the_user_chose_but_for_the_choices_of_the_visit(with_histories):
    model, X_user, _, choices, _ = with_histories
    u = int(np.argmax((choices > 0).sum(axis=1)))
    chosen = np.flatnonzero(choices[u])
    rows = model.rows(X_user, choices, [(u, chosen[:1].tolist()), (u, chosen.tolist())])
    np.testing.assert_array_equal(rows[:, :9], X_user[[u, u], :9])
    expected = np.zeros(N_ITEMS)
    expected[chosen[1:]] = (len(chosen) - 1) ** -0.5
    np.testing.assert_allclose(rows[:, 9:], [expected, np.zeros(N_ITEMS)])


def test_with_all_items_the_loss_is_that_of_the_softmax_over_what_the_user_has_not_chosen(problem):
    model, X_user, X_item, choices, _ = problem
    value, *_ = model.loss(X_user, X_item, choices, [(0, [0])], *cosine.draw(N_ITEMS, N_ITEMS, None, SplitMix64(0)))
    S_u, S_t = X_user[0] @ model.V, X_item @ model.V
    cosines = S_t @ S_u / (np.linalg.norm(S_u) * np.linalg.norm(S_t, axis=1))
    scores = X_item @ model.w + cosines / model.temperature
    others = np.exp(scores[choices[0] == 0]).sum()
    assert value == pytest.approx(choices[0, 0] * (np.log(np.exp(scores[0]) + others) - scores[0]))


def test_drawn_items_estimate_the_sum_over_all_without_bias():
    values = np.arange(1.0, N_ITEMS + 1)
    q = values[::-1] / values.sum()
    keep, alias = _alias_of(q)
    table = Alias(keep, alias, np.log(N_ITEMS * q))
    sums = []
    for seed in range(4_000):
        items, log_n = cosine.draw(N_ITEMS, 3, table, SplitMix64(seed))
        sums.append(np.sum(values[items] * np.exp(log_n)))
    assert np.mean(sums) == pytest.approx(values.sum(), rel=0.03)


def _alias_of(q):
    """Return Walker's table of these probabilities as the engine makes it."""
    from fastfm_ext._engine.ranking import Negatives

    table = Negatives.in_proportion(1, q)
    return table.keep, table.alias


def test_the_loss_falls_over_epochs(problem):
    model, X_user, X_item, choices, tile = problem
    losses = [model.epoch(X_user, X_item, choices, tile, seed, 2) for seed in range(30)]
    assert losses[-1] < 0.7 * losses[0]


def test_the_length_of_a_row_does_not_matter(problem):
    model, X_user, X_item, choices, tile = problem
    every = np.arange(N_ITEMS), np.zeros(N_ITEMS)
    value = model.loss(X_user, X_item, choices, tile, *every)[0]
    model.V *= 3.0
    assert model.loss(X_user, X_item, choices, tile, *every)[0] == pytest.approx(value)
    assert ranking.score(X_user[0], X_item[0], model.w, model.V) != pytest.approx(value)
