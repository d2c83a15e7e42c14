"""Rows in blocks: the same model and the same scores as of the rows written out."""

import numpy as np
import pytest
import scipy.sparse as sp

import bayesian_cases
from bayesian_cases import N_FILMS, N_USERS
from fastfm_ext import BayesianFMClassifier, BayesianFMRegressor, BlockMatrix
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext.bayesian.rows import narrowed, part_of, scores_of

ratings = bayesian_cases.ratings


def in_blocks(X, seed=0):
    """Ratings as blocks: users with two numbers each, films with sets of words, and a number of the row itself."""
    rng = np.random.default_rng(seed)
    pairs = X.indices.reshape(-1, 2)
    of_users = np.random.default_rng(5)
    users = sp.hstack([sp.eye_array(N_USERS), of_users.normal(size=(N_USERS, 2))], format="csr")
    words = sp.csr_array(of_users.integers(0, 2, size=(N_FILMS, 8)).astype(float))
    films = sp.hstack([sp.eye_array(N_FILMS), words], format="csr")
    row = rng.normal(size=(X.shape[0], 1))
    return BlockMatrix([(pairs[:, 0], users), (pairs[:, 1] - N_USERS, films), row])


def test_scores_of_blocks_are_those_of_the_rows_written_out(ratings):
    X = in_blocks(ratings[0])
    rng, n_features = np.random.default_rng(0), X.shape[1]
    params = Parameters.of(
        3,
        w0=np.array([[0.7]], np.float32),
        w=rng.normal(size=(n_features, 1)).astype(np.float32),
        V=rng.normal(size=(n_features, 3)).astype(np.float32),
    )
    dense = X.tocsr().toarray().astype(float)
    V = params.V.astype(float)
    expected = params.w0 + dense @ params.w + 0.5 * ((dense @ V) ** 2 - dense**2 @ V**2).sum(axis=1)
    np.testing.assert_allclose(scores_of(X.to_blocks(), params), expected, atol=1e-4)
    np.testing.assert_allclose(scores_of(part_of(X.to_blocks(), slice(5, 50)), params), expected[5:50], atol=1e-4)


def test_a_matrix_in_blocks_is_learned_as_its_rows_are(ratings):
    X, y, X_test, _ = ratings
    X, X_test = in_blocks(X), in_blocks(X_test)
    settings = {"n_factors": 2, "max_sweeps": 150, "random_state": 0, "tol": 0.0}
    model = BayesianFMRegressor(**settings).fit(X, y)
    written_out = BayesianFMRegressor(fields=X.fields, **settings).fit(X.tocsr(), y)
    apart = model.predict(X_test) - written_out.predict(X_test.tocsr())
    assert np.sqrt(np.mean(apart**2)) < 0.1
    np.testing.assert_allclose(model.predict(X_test), model.predict(X_test.tocsr()), atol=1e-4)
    mean, std = model.predict(X_test, return_std=True)
    assert mean.shape == std.shape == (600,)
    with pytest.raises(ValueError, match="X has 70 features, but BayesianFMRegressor is expecting 81"):
        model.predict(ratings[0])


def test_rows_of_weight_0_are_left_out_of_blocks(ratings):
    X, y, X_test, _ = ratings
    X, X_test = in_blocks(X), in_blocks(X_test)
    weight = np.r_[np.ones(400), np.zeros(800)]
    settings = {"n_factors": 2, "max_sweeps": 30, "random_state": 0}
    first = BayesianFMClassifier(**settings).fit(X, y > 3, sample_weight=weight)
    second = BayesianFMClassifier(**settings).fit(X[:400], (y > 3)[:400], sample_weight=np.ones(400))
    np.testing.assert_array_equal(first.predict_proba(X_test), second.predict_proba(X_test))


def test_warm_start_knows_blocks_again(ratings):
    X, y, _, _ = ratings
    model = BayesianFMRegressor(n_factors=2, max_sweeps=20, warm_start=True).fit(in_blocks(X), y)
    assert model.fit(in_blocks(X), y).n_sweeps_ == 40
    with pytest.raises(ValueError, match="rows are not those of the last fit"):
        model.fit(in_blocks(X, seed=1), y)


def test_narrowed_rows_have_only_the_features_that_occur():
    X = Csr(np.array([0, 1, 3], np.int32), np.array([7, 2, 7], np.int32), None, 10)
    narrow, columns = narrowed(X)
    assert columns.tolist() == [2, 7]
    assert narrow.indices.tolist() == [1, 0, 1]
    assert narrow.n_features == 2
    assert narrowed(Csr(X.indptr, X.indices, None, 8))[1] is not None
    whole = Csr(np.array([0, 2], np.int32), np.array([0, 1], np.int32), None, 3)
    assert narrowed(whole) == (whole, None)
