"""Exact search: all sets of items together, scores as the model's, and threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import index_cases
from fastfm_ext import FMClassifier, FMRegressor
from fastfm_ext.retrieval import ItemIndex
from fastfm_ext.retrieval.exact import ExactSearch

index = index_cases.index


def ids_of(matrix):
    return [np.flatnonzero(row).tolist() for row in matrix]


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.1, 0.7]), st.sampled_from([0.05, 0.5, 1.0]))
@settings(max_examples=40, deadline=None)
def test_all_sets_together_leave_the_best_of_what_remains(seed, seen_share, chosen_share):
    rng = np.random.default_rng(seed)
    users, items = rng.integers(-2, 3, (5, 3)), rng.integers(-2, 3, (60, 3))
    seen, chosen = rng.random((5, 60)) < seen_share, rng.random((5, 60)) < chosen_share
    in_stock = rng.random(60) < chosen_share
    scores = np.where(~seen & chosen & in_stock, users @ items.T, -np.inf)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :7]
    expected_scores = np.take_along_axis(scores, expected, axis=1)
    index = ItemIndex().fit(items)
    matrices = {"exclude": sparse.csr_array(seen), "only_by_user": sparse.coo_array(chosen), "only": in_stock}
    collections = {"exclude": ids_of(seen), "only_by_user": ids_of(chosen), "only": set(np.flatnonzero(in_stock))}
    for sets in (matrices, collections):
        ids, found = index.search(users, 7, **sets)
        np.testing.assert_array_equal(ids, np.where(expected_scores > -np.inf, expected, -1))
        np.testing.assert_array_equal(found, expected_scores)


@pytest.mark.parametrize("estimator", [FMRegressor, FMClassifier])
def test_score_and_user_bias_are_the_models_prediction_for_every_pair(estimator):
    rng = np.random.default_rng(1)
    n_users, n_items, n_features = 12, 30, 50  # users and items have several features each
    is_user = np.arange(n_features) < 20
    X_user, X_item = (
        sparse.csr_array(rng.normal(size=(n, n_features)) * (rng.random((n, n_features)) < 0.2) * own)
        for n, own in ((n_users, is_user), (n_items, ~is_user))
    )
    pairs = X_user[np.repeat(np.arange(n_users), n_items)] + X_item[np.tile(np.arange(n_items), n_users)]
    y = rng.normal(size=n_users * n_items) > 0
    model = estimator(n_factors=5, max_iter=5, random_state=0).fit(pairs, y.astype(float))
    predicted = model.predict(pairs) if estimator is FMRegressor else model.decision_function(pairs)
    predicted = predicted.reshape(n_users, n_items)
    ids, scores = ItemIndex().fit(model.item_vector(X_item)).search(model.user_vector(X_user), n=n_items)
    ranked = model.user_bias(X_user)[:, None] + scores
    np.testing.assert_allclose(ranked, np.take_along_axis(predicted, ids, axis=1), rtol=2e-4, atol=2e-5)
    assert (np.diff(scores, axis=1) <= 0).all()


def test_the_number_of_threads_changes_nothing():
    rng = np.random.default_rng(2)
    items, users = rng.normal(size=(4000, 20)), rng.normal(size=(300, 20))
    one, two = (ItemIndex(n_jobs=n).fit(items).search(users, n=9) for n in (1, 2))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])


def test_a_search_beside_a_change_never_mixes_ids(monkeypatch):
    index = ItemIndex().fit(np.diag([3.0, 2.0, 1.0]), ids=["a", "b", "c"])
    find = ExactSearch.top_n

    def change_then_find(*arguments):
        index.remove(["a", "b"])
        return find(*arguments)

    monkeypatch.setattr(ExactSearch, "top_n", change_then_find)
    assert index.search(np.ones(3), n=3)[0].tolist() == ["a", "b", "c"]
    assert index.ids.tolist() == ["c"]
