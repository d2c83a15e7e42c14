"""The kernel of the cosine softmax against the NumPy reference: same parameters, same visits, same draws."""

import itertools
from functools import cache

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext._engine import ranking as _ranking_engine
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._engine.ranking import Choices, ChoiceVisits, Negatives, Tiling
from fastfm_ext._reference import fm
from fastfm_ext._reference.cosine import CosineRanker
from fastfm_ext._reference.ranking import Alias
from fastfm_ext._validation.matrices import canonical_csr
from kernel_cases import K_PATHS, assert_same_parameters, loss_tolerance

N_USERS, N_ITEMS, N_FEATURES = 20, 50, 40
TEMPERATURE = 0.4


def as_csr(X):
    return canonical_csr(sp.csr_array(X.astype(np.float32)))


def random_rows(rng, n_rows, columns, style):
    """Return rows with features among these columns: one "id" each, several "ones", "values", or "nothing"."""
    X = np.zeros((n_rows, N_FEATURES))
    if style == "nothing":
        return X
    for r in range(n_rows):
        chosen = rng.choice(columns, size=1 if style == "ids" else rng.integers(1, 4), replace=False)
        X[r, chosen] = rng.normal(size=len(chosen)).astype(np.float32) if style == "values" else 1.0
    return X


@cache
def trained_reference(k, style, n, most, tile_visits, epochs, histories_with, *, table, fit_linear):
    """Train the reference, once for all instruction sets; return it, what the kernel gets, and the loss.

    What the kernel gets are the choices, the parameters to begin with, which are not to be changed, the options, and
    the visits and draws of each epoch.
    """
    rng = np.random.default_rng(0)
    history = None if histories_with is None else N_FEATURES
    n_features = N_FEATURES + (0 if history is None else N_ITEMS)
    X_user = random_rows(
        rng, N_USERS, np.arange(22), histories_with or style
    )  # features 20 and 21 are those of items, too
    X_item = random_rows(rng, N_ITEMS, np.arange(20, N_FEATURES), style)
    choices = (rng.random((N_USERS, N_ITEMS)) < 0.2) * rng.choice([0.5, 1.0, 2.0], size=(N_USERS, N_ITEMS))
    options = Options(
        loss="softmax",
        solver="adagrad",
        learning_rate_w=0.05,
        learning_rate_V=0.08,
        l2_w=0.01,
        l2_V=0.02,
        init_stdev=0.8,
        initial_acc_w=0.5,
        initial_acc_V=0.7,
        fit_linear=fit_linear,
    )
    X_user, X_item = (np.hstack([X, np.zeros((len(X), n_features - N_FEATURES))]) for X in (X_user, X_item))
    params = Parameters.initialise(n_features, k, options, 0.0, rng)
    params.w[...] = rng.normal(size=n_features)
    data = Choices.of(as_csr(X_user), as_csr(X_item), as_csr(choices), history)
    negatives = Negatives.in_proportion(n, 1.0 + np.arange(N_ITEMS) % 4) if table else Negatives(n)
    alias = Alias(negatives.keep, negatives.alias, negatives.log_q) if table else None
    sizes = [
        fm.ReferenceSizes(o.learning_rate, o.l2, initial_acc=acc)
        for o, acc in ((options.w, options.initial_acc_w), (options.V, options.initial_acc_V))
    ]
    w, V = params.w.astype(float), params.V.astype(float)
    reference = CosineRanker(w, V, TEMPERATURE, n, *sizes, fit_linear, alias, history)
    drawn = []
    for epoch in range(epochs):
        visits = ChoiceVisits.at_random(np.arange(data.interactions.nnz), data.users_of_interactions, most, rng)
        seeded = Negatives(n, negatives.keep, negatives.alias, negatives.log_q, seed=99 + epoch)
        drawn.append((visits, seeded))
        begins = np.arange(len(visits.order) + 1) if visits.begins is None else visits.begins
        pieces = [visits.order[a:b] for a, b in itertools.pairwise(begins)]
        visited = [(data.users_of_interactions[p[0]], data.interactions.indices[p].tolist()) for p in pieces]
        reference_loss = reference.epoch(X_user, X_item, choices, visited, seeded.seed, tile_visits)
    return reference, (data, params, options, drawn), reference_loss


def train_both(
    k, style="values", *, n=12, most=3, tile_visits=5, table=False, fit_linear=True, epochs=3, histories_with=None
):
    trained = trained_reference(
        k, style, n, most, tile_visits, epochs, histories_with, table=table, fit_linear=fit_linear
    )
    reference, (data, params, options, drawn), reference_loss = trained
    params, tiling = params.copy(), Tiling(TEMPERATURE, tile_visits)
    for visits, seeded in drawn:
        kernel_loss = _ranking_engine.train_tiles(data, visits, seeded, params, options, tiling)
    assert_same_parameters(params, reference, "adagrad", ("w", "V"))
    assert kernel_loss == pytest.approx(reference_loss, rel=loss_tolerance("adagrad"))
    return params


@pytest.mark.parametrize("style", ["ids", "ones", "values"])
# The cosine of a single factor is 1 or -1, up to what rounding makes of it.
@pytest.mark.parametrize("k", [k for k in K_PATHS if k != 1])
def test_training_follows_the_reference(isa, k, style):
    params = train_both(k, style)
    assert not params.tables["V"][:, 0, k:].any()


@pytest.mark.parametrize("n", [1, 40, N_ITEMS, 500])
def test_any_number_of_draws_follows_the_reference(isa, n):
    train_both(8, n=n)


@pytest.mark.parametrize(("most", "tile_visits"), [(1, 1), (1, 64), (100, 8), (100, 33)])
def test_visits_and_tiles_of_any_size_follow_the_reference(isa, most, tile_visits):
    train_both(16, most=most, tile_visits=tile_visits)


def test_unequal_draws_follow_the_reference(isa):
    train_both(8, table=True)


@pytest.mark.parametrize("style", ["ids", "values"])
@pytest.mark.parametrize("histories_with", ["nothing", "ones", "values"])
def test_users_as_what_they_chose_follow_the_reference(isa, style, histories_with):
    params = train_both(8, style, histories_with=histories_with)
    assert params.V[N_FEATURES:].any(axis=1).all()


@pytest.mark.parametrize(("visited", "moved"), [([1], [0, 2]), ([0, 2], [1]), ([0, 1, 2], [])])
def test_a_history_is_what_the_user_chose_without_the_choices_of_the_visit(isa, visited, moved):
    n_items = 5
    X = np.zeros((n_items + 1, 2 * n_items))
    X[1:, :n_items] = np.eye(n_items)
    chosen = as_csr(np.array([[1.0, 1.0, 1.0, 0.0, 0.0]]))
    data = Choices.of(as_csr(X[:1]), as_csr(X[1:]), chosen, history=n_items)
    options = options_of_ids()
    params = Parameters.initialise(2 * n_items, 4, options, 0.0, np.random.default_rng(0))
    before = params.V[n_items:].copy()
    visits = ChoiceVisits(np.array(visited), np.array([0, len(visited)]))
    _ranking_engine.train_tiles(data, visits, Negatives(n_items), params, options, Tiling(TEMPERATURE, 1))
    assert np.flatnonzero((params.V[n_items:] != before).any(axis=1)).tolist() == moved


def test_linear_weights_that_are_switched_off_do_not_move(isa):
    train_both(4, fit_linear=False)


def ids_only(n_users, n_items, interactions):
    both = np.eye(n_users + n_items)
    return Choices.of(as_csr(both[:n_users]), as_csr(both[n_users:]), as_csr(interactions))


def options_of_ids():
    return Options(
        loss="softmax", solver="adagrad", learning_rate_w=0.1, learning_rate_V=0.1, l2_w=0.0, l2_V=0.0, init_stdev=0.3
    )


@pytest.mark.parametrize("n_items", [40, 20_000])
def test_what_a_user_chose_never_stands_against_a_choice(isa, n_items):
    """The user visits one of three chosen items; the bias of the others has no gradient, however they are looked up."""
    interactions = np.zeros((1, n_items))
    interactions[0, : n_items - 2] = 1.0
    data = ids_only(1, n_items, interactions) if n_items == 40 else _sparse_ids(n_items, interactions)
    options = options_of_ids()
    params = Parameters.initialise(1 + n_items, 4, options, 0.0, np.random.default_rng(0))
    visits = ChoiceVisits(np.zeros(3, dtype=np.int64))
    tiling = Tiling(TEMPERATURE, 2)
    _ranking_engine.train_tiles(data, visits, Negatives(n_items - 10, seed=1), params, options, tiling)
    moved = np.flatnonzero(params.w[1:])
    assert set(moved) <= {0, n_items - 2, n_items - 1}
    assert 0 in moved


def _sparse_ids(n_items, interactions):
    both = sp.eye_array(1 + n_items, format="csr", dtype=np.float32)
    return Choices.of(canonical_csr(both[:1]), canonical_csr(both[1:]), as_csr(interactions))


def test_a_long_history_is_searched(isa):
    """A few drawn items are looked up among many chosen ones."""
    n_items = 2_000
    interactions = np.ones((1, n_items))
    interactions[0, -1] = 0.0
    data = _sparse_ids(n_items, interactions)
    options = options_of_ids()
    params = Parameters.initialise(1 + n_items, 4, options, 0.0, np.random.default_rng(0))
    _ranking_engine.train_tiles(
        data, ChoiceVisits(np.zeros(400, dtype=np.int64)), Negatives(20, seed=1), params, options, Tiling(0.4, 1)
    )
    assert set(np.flatnonzero(params.w[1:])) == {0, n_items - 1}


def test_a_score_that_is_not_finite_names_its_interaction_and_moves_nothing(isa):
    data = ids_only(3, 4, np.eye(3, 4))
    options = options_of_ids()
    params = Parameters.initialise(7, 4, options, 0.0, np.random.default_rng(0))
    params.w[3 + 1] = np.nan
    before = params.V.copy()
    with pytest.raises(_ranking_engine.NonFiniteScoreError) as caught:
        _ranking_engine.train_tiles(
            data, ChoiceVisits(np.array([1, 0, 2])), Negatives(1), params, options, Tiling(TEMPERATURE, 8)
        )
    assert caught.value.row == 1
    np.testing.assert_array_equal(params.V, before)


def test_users_without_factors_learn_a_direction(isa):
    data = ids_only(2, 3, np.eye(2, 3))
    options = options_of_ids()
    params = Parameters.initialise(5, 4, options, 0.0, np.random.default_rng(0))
    params.V[:2] = 0.0
    _ranking_engine.train_tiles(data, ChoiceVisits(np.arange(2)), Negatives(3), params, options, Tiling(0.4, 8))
    assert np.isfinite(params.V).all()
    assert params.V[:2].any()


def test_several_threads_learn_as_one():
    rng = np.random.default_rng(0)
    interactions = (rng.random((40, 30)) < 0.2).astype(float)
    data = ids_only(40, 30, interactions)
    losses = []
    for n_threads in (1, 3):
        options = options_of_ids()
        params = Parameters.initialise(70, 8, options, 0.0, np.random.default_rng(0))
        for seed in range(30):
            rng = np.random.default_rng(seed)
            visits = ChoiceVisits.at_random(np.arange(data.interactions.nnz), data.users_of_interactions, 4, rng)
            loss = _ranking_engine.train_tiles(
                data, visits, Negatives(30), params, options, Tiling(0.4, 8), n_threads=n_threads
            )
        losses.append(loss)
    assert losses[1] == pytest.approx(losses[0], rel=0.1)


def test_a_drawn_item_whose_score_is_nan_ends_the_step(isa):
    data = ids_only(3, 4, np.eye(3, 4))
    options = options_of_ids()
    params = Parameters.initialise(7, 4, options, 0.0, np.random.default_rng(0))
    params.w[3 + 3] = np.nan  # nobody chose it
    before = params.V.copy()
    with pytest.raises(_ranking_engine.NonFiniteScoreError):
        _ranking_engine.train_tiles(
            data, ChoiceVisits(np.arange(3)), Negatives(4), params, options, Tiling(TEMPERATURE, 8)
        )
    np.testing.assert_array_equal(params.V, before)
