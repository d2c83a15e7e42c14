"""WARP of the k-th of a user's choices, by score."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import FMRanker

N_USERS, N_ITEMS = 30, 20
QUICK = {"n_factors": 4, "max_iter": 5, "early_stopping": False, "random_state": 0, "tol": 0.0}


@pytest.fixture
def data():
    both = sp.eye_array(N_USERS + N_ITEMS, format="csr")
    chosen = sp.csr_array(np.random.default_rng(0).random((N_USERS, N_ITEMS)) < 0.3).astype(np.float32)
    return both[:N_USERS], both[N_USERS:], chosen


def fit(data, **params):
    return FMRanker(**(QUICK | {"loss": "warp-kos"} | params)).fit(*data)


@pytest.mark.filterwarnings("ignore:Training ended at max_iter")
def test_of_one_choice_the_first_is_that_of_warp(data):
    one, warp = fit(data, n_positives=1, kth_positive=1), fit(data, loss="warp")
    np.testing.assert_array_equal(one.V_, warp.V_)
    assert (fit(data).V_ != warp.V_).any()
    np.testing.assert_array_equal(fit(data).V_, fit(data, n_positives=10, kth_positive=5).V_)


@pytest.mark.filterwarnings("ignore:Training ended at max_iter")
def test_a_higher_k_learns_what_stands_lower(data):
    """The last of many choices is one that the model does not know yet, the first one that it does."""
    X_user, X_item, chosen = data
    of_first, of_last = (fit(data, n_positives=16, kth_positive=k, max_iter=30) for k in (1, 16))
    lowest = []
    for model in (of_first, of_last):
        scores = model.user_vector(X_user) @ model.item_vector(X_item).T
        scores -= scores.mean(axis=1, keepdims=True)
        lowest.append(np.mean([scores[u, chosen[[u]].indices].min() for u in np.flatnonzero(np.diff(chosen.indptr))]))
    assert lowest[1] > lowest[0]


@pytest.mark.filterwarnings("ignore:Training ended at max_iter")
def test_the_default_k_is_no_more_than_n(data):
    np.testing.assert_array_equal(fit(data, n_positives=3).V_, fit(data, n_positives=3, kth_positive=3).V_)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_positives": 65}, "n_positives of FMRanker must be an integer of at least 1 and at most 64"),
        ({"kth_positive": 0}, "kth_positive of FMRanker must be an integer of at least 1"),
        ({"n_positives": 4, "kth_positive": 5}, "kth_positive must be at most n_positives; got 5 of 4"),
        ({"kth_positive": 11}, "kth_positive must be at most n_positives; got 11 of 10"),
        ({"loss": "warp", "n_positives": 4}, "n_positives is not read with loss='warp'"),
        ({"loss": "squared", "kth_positive": 4}, "kth_positive is not read with loss='squared'"),
    ],
)
def test_numbers_out_of_range_are_errors(data, params, message):
    with pytest.raises(ValueError, match=message):
        fit(data, **params)
