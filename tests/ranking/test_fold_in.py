"""Folding in: vectors of new users from what they chose."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError

import ranking_cases
from fastfm_ext import FMRanker
from ranking_cases import make
from registries import RANKING_LOSSES

fitted = ranking_cases.fitted

events = ranking_cases.events  # pytest finds fixtures among the names of the test's module


@pytest.mark.parametrize("loss", RANKING_LOSSES)
def test_a_new_user_gets_items_like_those_of_the_history(events, loss):
    X_user, X_item, chosen = events
    model = make(loss=loss, max_iter=30, n_negatives=8).fit(X_user, X_item, chosen)
    vectors = model.item_vector(X_item)
    scores = vectors @ model.fold_in([1, 4, 7, 10], vectors)
    group = np.arange(30) % 3 == 1
    unseen = ~np.isin(np.arange(30), [1, 4, 7, 10])
    assert scores[group & unseen].mean() > scores[~group].mean() + 0.1


def test_several_users_are_folded_in_as_each_alone(fitted, events):
    vectors = fitted.item_vector(events[1])
    weights = np.zeros((3, 30))
    weights[0, [1, 4]] = 1
    weights[1, [2, 5, 8]] = [1, 2, 0.5]
    weights[2, 9] = 1
    together = fitted.fold_in(sp.csr_array(weights), vectors)
    assert together.shape == (3, 6)
    assert together.dtype == np.float32
    np.testing.assert_array_equal(together[:, 0], 1.0)
    np.testing.assert_array_equal(together[0], fitted.fold_in([4, 1, 1], vectors))
    assert not np.array_equal(together[1], fitted.fold_in([2, 5, 8], vectors)), "weights count"
    np.testing.assert_array_equal(together[2], fitted.fold_in([9], vectors))


@pytest.mark.parametrize("loss", ["softmax", "bpr", "warp"])
def test_a_vector_does_not_depend_on_who_else_is_folded_in(events, loss):
    X_user, X_item, chosen = events
    model = make(loss=loss).fit(*events)
    vectors = model.item_vector(X_item)
    together = model.fold_in(chosen, vectors, X_user)
    turned = model.fold_in(chosen[::-1], vectors, X_user[::-1])
    np.testing.assert_array_equal(turned[::-1], together)
    np.testing.assert_array_equal(model.fold_in(chosen[[7]], vectors, X_user[[7]])[0], together[7])
    both = sp.csr_array(sp.vstack([chosen[[7]]] * 2))
    np.testing.assert_array_equal(model.fold_in(both, vectors, X_user[[7, 7]]), together[[7, 7]])


def test_known_features_are_where_folding_in_begins(fitted, events):
    X_user, X_item, _ = events
    vectors = fitted.item_vector(X_item)
    for seed in (0, 1):
        known = fitted.fold_in([4], vectors, X_user[[4]], random_state=seed)
        assert not np.array_equal(known, fitted.fold_in([4], vectors, random_state=seed))
    strong = make(loss="bpr", l2_V=1e4).fit(*events)  # L2 holds what is new at zero
    vectors = strong.item_vector(X_item)
    np.testing.assert_allclose(strong.fold_in([4], vectors, X_user[[4]]), strong.user_vector(X_user[[4]])[0], atol=0.02)


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ([], "history is empty; user_vector gives the vector of known features"),
        ([[1], [1, 2]], "history: "),
        (np.eye(30, dtype=int)[3], "history looks like a table of 0 and 1"),
        ([30], "history holds item 30, and item_vectors has the items 0 to 29"),
        ([-1, 3], "history holds item -1"),
        ([0.5], "history must be a list of row numbers"),
        ([[1, 2]], r"history must be a list of row numbers.*shape \(1, 2\)"),
        (["a"], "history must be a list of row numbers"),
        (list(range(30)), "history: user 0 chose every item"),
        (sp.csr_array(np.eye(2, 30)[[0, 0]] + [[0], [1]]), "history: user 1 chose every item"),
        (sp.csr_array(np.ones((1, 29))), r"history must have a column for each of the 30 item_vectors; got.*\(1, 29\)"),
    ],
    ids=str,
)
def test_a_history_that_cannot_be_folded_in(fitted, events, history, message):
    with pytest.raises(ValueError, match=message):
        fitted.fold_in(history, fitted.item_vector(events[1]))


def test_vectors_of_another_width_and_other_users_are_refused(fitted, events):
    vectors = fitted.item_vector(events[1])
    with pytest.raises(ValueError, match=r"item_vectors must have shape \(n_items, 6\).*got \(30, 5\)"):
        fitted.fold_in([1], vectors[:, 1:])
    with pytest.raises(ValueError, match="X_user has 2 rows, and history is of 1 users"):
        fitted.fold_in([1], vectors, events[0][:2])
    with pytest.raises(ValueError, match="item_vectors has a value that is NaN or infinite"):
        fitted.fold_in([1], np.full_like(vectors, np.nan))
    with pytest.raises(ValueError, match="item_vectors: could not convert"):
        fitted.fold_in([1], np.full((30, 6), "a"))
    with pytest.raises(NotFittedError):
        FMRanker().fold_in([1], vectors)


def test_users_without_a_history_get_the_vectors_of_their_known_features(fitted, events):
    X_user, X_item, chosen = events
    vectors = fitted.item_vector(X_item)
    history = sp.csr_array(chosen[:4].toarray() * [[1], [0], [1], [0]])
    found = fitted.fold_in(history, vectors, X_user[:4])
    np.testing.assert_array_equal(found[[1, 3]], fitted.user_vector(X_user[[1, 3]]))
    np.testing.assert_array_equal(found[[0, 2]], fitted.fold_in(chosen[[0, 2]], vectors, X_user[[0, 2]]))
    np.testing.assert_array_equal(fitted.fold_in(history[[1]], vectors), [[1, 0, 0, 0, 0, 0]])
    assert fitted.fold_in(history[:0], vectors).shape == (0, 6)


@pytest.mark.parametrize("seed", [-1, 2**64, "a", 0.5])
def test_a_seed_of_folding_in_that_will_not_do(fitted, events, seed):
    with pytest.raises(ValueError, match="random_state must be None or an integer from 0"):
        fitted.fold_in([1], fitted.item_vector(events[1]), random_state=seed)


def test_folding_in_without_a_seed_and_with_a_changed_loss(events):
    model = make(max_iter=1).fit(*events)
    vectors = model.item_vector(events[1])
    assert np.isfinite(model.fold_in([1], vectors, random_state=None)).all()
    with pytest.raises(ValueError, match="loss of FMRanker must be one of"):
        model.set_params(loss="x").fold_in([1], vectors)
