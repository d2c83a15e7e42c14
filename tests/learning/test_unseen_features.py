"""Features that no row trains have no parameters, so that they move no prediction, until rows train them."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import FMClassifier, FMRanker, FMRegressor
from registries import SOLVERS
from training_cases import ESTIMATORS, target_of

N_ROWS, N_USERS, N_ITEMS = 600, 12, 16
SEEN_USERS, SEEN_ITEMS = 8, 12


def one_hot(users, items):
    rows = np.arange(len(users))
    ones = np.ones(len(users), dtype=np.float32)
    shape = (len(users), N_USERS + N_ITEMS)
    return sp.csr_array(
        sp.coo_array((np.tile(ones, 2), (np.tile(rows, 2), np.r_[users, N_USERS + items])), shape=shape)
    )


def pairs(rng, n_users, n_items, n=N_ROWS):
    users, items = rng.integers(0, n_users, n), rng.integers(0, n_items, n)
    scores = np.random.default_rng(7).normal(size=(N_USERS, 2)) @ np.random.default_rng(8).normal(size=(2, N_ITEMS))
    return one_hot(users, items), scores[users, items]


UNSEEN = np.r_[SEEN_USERS:N_USERS, N_USERS + SEEN_ITEMS : N_USERS + N_ITEMS]
SEEN = np.setdiff1d(np.arange(N_USERS + N_ITEMS), UNSEEN)


@pytest.fixture(scope="module")
def rows():
    return pairs(np.random.default_rng(0), SEEN_USERS, SEEN_ITEMS)


def train(model, X, y, how):
    if how == "partial_fit":
        return model.partial_fit(X, y).partial_fit(X, y)
    if how == "fit_stream":
        return model.fit_stream(
            [(X[first : first + 100], y[first : first + 100]) for first in range(0, N_ROWS, 100)], 2
        )
    return model.set_params(early_stopping=how == "early stopping").fit(X, y)


@pytest.mark.parametrize("how", ["fit", "early stopping", "partial_fit", "fit_stream"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_unseen_features_have_no_parameters(rows, estimator, solver, how):
    X, y = rows[0], target_of(estimator, rows[1])
    model = train(estimator(4, solver=solver, l1_V=0.0, max_iter=3, random_state=0), X, y, how)
    assert not model.w_[UNSEEN].any()
    assert not model.V_[UNSEEN].any()
    assert model.V_[SEEN].any(axis=1).all()
    some = X[:20].tolil()
    some[:, UNSEEN] = 1e6
    scores, expected = model._raw_predictions(sp.csr_array(some)), model._raw_predictions(X[:20])
    # In which order a field-weighted model adds up pairs of fields depends on how many a row has, so to rounding: a
    # parameter of 1e-11 would already show.
    tolerance = 1e-6 if estimator.__name__.startswith("FwFM") else 0.0
    np.testing.assert_allclose(scores, expected, rtol=tolerance, atol=tolerance)


def test_the_first_factors_of_seen_features_do_not_depend_on_unseen_ones(rows):
    X, y = rows
    still = {"learning_rate": 1e-20, "max_iter": 1, "random_state": 0}
    whole = FMRegressor(4, **still).fit(
        sp.vstack([X, one_hot(np.arange(12), np.arange(12) + 4)]), np.r_[y, np.ones(12)]
    )
    model = FMRegressor(4, **still).fit(X, y)
    scale = whole._options().init_stdev / model._options().init_stdev
    np.testing.assert_allclose(model.V_[SEEN] * scale, whole.V_[SEEN], rtol=1e-5)


def test_features_of_held_out_rows_alone_are_unseen(rows):
    X, y = rows
    model = FMRegressor(4, early_stopping=True, refit=False, random_state=0)
    everyone = sp.csr_array(sp.hstack([X, sp.eye_array(N_ROWS, dtype=np.float32)]))
    model.fit(everyone, y)
    own = model.V_[N_USERS + N_ITEMS :].any(axis=1)
    assert own.sum() == N_ROWS - round(N_ROWS * model.validation_fraction)
    np.testing.assert_array_equal(model.w_[N_USERS + N_ITEMS :] != 0, own)


def test_a_column_of_zeros_cannot_explode_later(rows):
    X, y = rows[0].toarray(), rows[1]
    table = np.column_stack([X, np.zeros(N_ROWS), np.full(N_ROWS, 21.5)])
    model = FMRegressor(4, random_state=0).fit(table, y)
    before = model.predict(table)
    table[:, -2:] = 1e8
    np.testing.assert_array_equal(model.predict(table), before)


@pytest.mark.parametrize("how", ["partial_fit", "warm start", "fit_stream"])
@pytest.mark.parametrize("solver", ["adagrad", "sgd", "adam"])
def test_pairs_of_two_new_features_are_learned_when_they_come(rows, solver, how):
    """From two vectors of 0, which no gradient leaves, they would not be."""
    rng = np.random.default_rng(0)
    users, items = rng.integers(SEEN_USERS, N_USERS, N_ROWS), rng.integers(SEEN_ITEMS, N_ITEMS, N_ROWS)
    X, y = one_hot(users, items), np.where((users + items) % 2, 1.0, -1.0)  # no feature alone tells anything
    model = FMRegressor(4, solver=solver, learning_rate=0.05, l2_V=0.0, warm_start=True, random_state=0)
    model.fit(*rows)
    if how == "partial_fit":
        for _ in range(60):
            model.partial_fit(X, y)
    elif how == "fit_stream":
        model.fit_stream([(X, y)] * 10, 6)
    else:
        model.fit(X, y)
    assert model.V_[UNSEEN].any(axis=1).all()
    assert model.score(X, y) > 0.8


def test_a_stream_draws_first_factors_when_a_feature_comes(rows):
    X, y = pairs(np.random.default_rng(1), N_USERS, N_ITEMS)
    batches = [(rows[0][:300], rows[1][:300]), (X[:300], y[:300])]
    model = FMRegressor(4, random_state=0).fit_stream(batches, 2, buffer_rows=300)
    assert model.V_.any(axis=1).all()
    again = FMRegressor(4, random_state=0)
    again.fit_stream([(sp.vstack([rows[0][:300], X[:300]]), np.r_[rows[1][:300], y[:300]])], 2, buffer_rows=300)
    np.testing.assert_array_equal(again.V_, model.V_)


def test_a_growing_model_does_not_guess_about_what_is_new(rows):
    X, y = rows
    model = FMClassifier(4, random_state=0).fit(X, y > 0)
    before = model.predict_proba(X[:20])
    model.grow(40)
    wide = sp.csr_array(sp.hstack([X[:20], np.ones((20, 40 - X.shape[1]), dtype=np.float32)]))
    np.testing.assert_array_equal(model.predict_proba(wide), before)


@pytest.mark.parametrize("loss", ["softmax", "bpr", "warp"])
def test_a_ranker_knows_nothing_of_users_and_items_that_training_lacks(loss):
    rng = np.random.default_rng(0)
    features = np.eye(20, dtype=np.float32)
    chosen = (rng.random((8, 9)) < 0.4).astype(float)
    chosen[:6] += np.eye(9)[:6]
    chosen[6:] = 0.0  # two users who chose nothing
    model = FMRanker(4, loss=loss, max_iter=3, random_state=0).fit(features[:8], features[10:19], chosen)
    unseen = [6, 7, 8, 9, 19]
    assert not model.V_[unseen].any()
    assert not model.w_[unseen].any()
    assert model.V_[np.setdiff1d(np.arange(20), unseen)].any(axis=1).all()
    np.testing.assert_array_equal(model.user_vector(features[6:7]), [[1, 0, 0, 0, 0]])
    chosen[6] = 1.0
    chosen[6, 0] = 0.0
    model.partial_fit(features[:8], features[10:19], chosen)
    assert model.V_[6].all()
    assert not model.V_[[7, 8, 9, 19]].any()
