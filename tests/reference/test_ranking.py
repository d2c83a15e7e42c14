"""The NumPy reference of ranking against the definition: the model's scores, and differences for derivatives."""

import numpy as np
import pytest

from differences import central_difference
from fastfm_ext._reference import fm, ranking
from fastfm_ext._reference.fm import ReferenceSizes
from fastfm_ext._reference.ranking import Alias, Ranker, SplitMix64, draw_other
from registries import SAMPLED_LOSSES


def random_pair(rng, n=9, k=3):
    """Return a user's row, an item's row without its features, and w and V."""
    x_user = np.r_[rng.normal(size=4), np.zeros(n - 4)]
    x_item = np.r_[np.zeros(4), rng.normal(size=n - 4) * (rng.random(n - 4) < 0.7)]
    return x_user, x_item, rng.normal(size=n), rng.normal(size=(n, k))


@pytest.mark.parametrize("seed", range(5))
def test_a_score_is_the_machines_score_without_what_the_user_scores_alone(seed):
    x_user, x_item, w, V = random_pair(np.random.default_rng(seed))
    both, alone = (fm.score_naive(x, 0.5, w, V) for x in (x_user + x_item, x_user))
    assert ranking.score(x_user, x_item, w, V) == pytest.approx(both - alone)


def test_score_gradients_match_differences():
    x_user, x_item, w, V = random_pair(np.random.default_rng(0))
    dw, item_side, user_side = ranking.score_gradients(x_user, x_item, V)
    for i in range(len(w)):
        shift = np.eye(len(w))[i]
        slope = central_difference(lambda a, e=shift: ranking.score(x_user, x_item, w + a * e, V), 0.0)
        assert dw[i] == pytest.approx(slope, abs=1e-9)
        for f in range(V.shape[1]):
            E = np.zeros_like(V)
            E[i, f] = 1.0
            slope = central_difference(lambda a, e=E: ranking.score(x_user, x_item, w, V + a * e), 0.0)
            assert (item_side + user_side)[i, f] == pytest.approx(slope, abs=1e-9)


@pytest.mark.parametrize("loss", SAMPLED_LOSSES)
def test_the_derivatives_of_a_loss_match_differences(loss):
    loss = getattr(ranking, loss)
    rng = np.random.default_rng(1)
    p, s, a = rng.normal(size=3) * 2, rng.normal(size=5) * 2, np.array([1.0, 0.5, 2.0])
    _, g_p, g_s = loss(p, s, a)
    for c, unit in enumerate(np.eye(3)):
        slope = central_difference(lambda h, e=unit: loss(p + h * e, s, a)[0], 0.0)
        assert g_p[c] == pytest.approx(slope, abs=1e-9)
    for j, unit in enumerate(np.eye(5)):
        slope = central_difference(lambda h, e=unit: loss(p, s + h * e, a)[0], 0.0)
        assert g_s[j] == pytest.approx(slope, abs=1e-9)


def test_warp_weighs_a_violation_by_the_rank_that_it_suggests():
    value, slope = ranking.warp(p=0.3, s=0.1, n_tried=2, n_others=41)
    assert slope == pytest.approx(np.log(20))
    assert value == pytest.approx(np.log(20) * 0.8)
    assert slope == pytest.approx(central_difference(lambda s: ranking.warp(0.3, s, 2, 41)[0], 0.1))


@pytest.mark.parametrize("loss", SAMPLED_LOSSES)
def test_a_visit_moves_against_the_gradient_of_its_objective(loss):
    """With AdaGrad's sums so large that nothing else counts, a step is a constant times the gradient."""
    rng = np.random.default_rng(2)
    x_user, x_item, w, V = random_pair(rng)
    X_user, X_item = x_user[None], np.stack([x_item, *(random_pair(rng)[1] for _ in range(3))])
    choices = np.array([[2.0, 0.0, 0.0, 0.0]])
    sizes = [ReferenceSizes(learning_rate=1.0, l2=l2, initial_acc=1e12) for l2 in (0.3, 0.2)]
    random = SplitMix64.of(7, 0)
    drawn = [draw_other(random, 4, {0}) for _ in range(2)]

    def objective(w, V):
        p, s = (np.array([ranking.score(x_user, X_item[t], w, V) for t in items]) for items in ([0], drawn))
        value = getattr(ranking, loss)(p, s, np.array([2.0]))[0]
        for x, share in [(X_item[0], 2.0), *((X_item[t], 1.0) for t in drawn)]:
            value += share * (0.15 * np.sum(w[x != 0] ** 2) + 0.1 * np.sum(V[x != 0] ** 2))
        return value + 2.0 * 0.1 * np.sum(V[x_user != 0] ** 2)

    model = Ranker(w.copy(), V.copy(), loss, 2, *sizes)
    model.epoch(X_user, X_item, choices, [(0, [0])], seed=7)
    for i, unit in enumerate(np.eye(len(w))):
        slope = central_difference(lambda a, e=unit: objective(w + a * e, V), 0.0)
        assert (w - model.w)[i] * 1e6 == pytest.approx(slope, abs=1e-4)
        E = np.zeros_like(V)
        E[i, 1] = 1.0
        slope = central_difference(lambda a, e=E: objective(w, V + a * e), 0.0)
        assert (V - model.V)[i, 1] * 1e6 == pytest.approx(slope, abs=1e-4)


def test_splitmix64_gives_the_published_numbers():
    # The first outputs for the seed 1234567, as listed with the authors' C code.
    random = SplitMix64(1234567)
    assert [random.next() for _ in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_draws_are_even_over_the_items_that_were_not_chosen():
    random, chosen = SplitMix64(0), {1, 4}
    counts = np.bincount([draw_other(random, 6, chosen) for _ in range(8_000)], minlength=6)
    assert counts[[1, 4]].sum() == 0
    assert np.abs(counts[[0, 2, 3, 5]] - 2_000).max() < 200  # standard deviation 39


def test_draws_reach_the_only_item_left():
    assert draw_other(SplitMix64(0), 5_000, set(range(5_000)) - {17}) == 17


def test_an_alias_table_is_followed():
    table = Alias(np.array([0.5, 1.0]), np.array([1, 0], dtype=np.int32), np.zeros(2))
    random = SplitMix64(1)
    share = np.mean([draw_other(random, 2, set(), table) for _ in range(8_000)])
    assert share == pytest.approx(0.75, abs=0.02)
