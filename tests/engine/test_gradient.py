"""Epochs of the engine's gradient descent: hot features, and the scores that rows have before their steps."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import _engine
from fastfm_ext._engine import csr as _csr
from fastfm_ext._engine.gradient import HotFeatures, frequent_features
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.losses import LOGISTIC
from fastfm_ext._validation.matrices import canonical_csr
from kernel_cases import N_FEATURES, make_options
from registries import SOLVERS


def test_rare_features_are_not_hot():
    rng = np.random.default_rng(15)
    indices = rng.integers(0, 50_000, 40_000).astype(np.int32)
    csr = _csr.Csr(np.arange(40_001, dtype=np.int64), indices, None, 50_000)
    assert len(frequent_features(csr, 136)) == 0


def test_copies_are_those_of_the_rows():
    X, y, params, options = rows_and_parameters("sgd", 50)
    hot = HotFeatures.of(X, np.array([2, 0], dtype=np.int32))
    expected = np.where(X.indices == 2, N_FEATURES, np.where(X.indices == 0, N_FEATURES + 1, X.indices))
    np.testing.assert_array_equal(hot.indices, expected)
    with pytest.raises(ValueError, match=f"{X.nnz - 1} renamed nonzeros, of {X.nnz}"):
        _engine.train_epoch(X, y, None, None, params, options, 2, hot._replace(indices=hot.indices[1:]))


def rows_and_parameters(solver, n_rows, k=5):
    rng = np.random.default_rng(3)
    X = canonical_csr(sp.csr_array((rng.random((n_rows, N_FEATURES)) < 0.3).astype(np.float32)))
    options = make_options(loss="logistic", solver=solver)
    params = Parameters.initialise(N_FEATURES, k, options, 0.3, rng)
    return X, rng.integers(0, 2, n_rows).astype(np.float32), params, options


@pytest.mark.parametrize("order", [None, np.array([4, 0, 3, 1])], ids=["as they lie", "in an order"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_scores_are_those_before_each_rows_step(solver, order):
    X, y, params, options = rows_and_parameters(solver, 5)
    visits = range(5) if order is None else order.tolist()
    scores, expected = np.full(5, np.nan, dtype=np.float32), np.full(5, np.nan, dtype=np.float32)
    step_by_step = params.copy()
    for row in visits:
        expected[row] = _engine.predict(X, step_by_step)[row]
        _engine.train_epoch(X, y, None, np.array([row]), step_by_step, options)
    _engine.train_epoch(X, y, None, order, params, options, scores=scores)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("solver", SOLVERS)
def test_scores_are_those_of_the_loss_on_the_way(solver, n_threads):
    X, y, params, options = rows_and_parameters(solver, 3000)
    scores, weight = np.full(3000, np.nan, dtype=np.float32), np.linspace(0, 2, 3000, dtype=np.float32)
    without = params.copy()
    loss = _engine.train_epoch(X, y, weight, None, params, options, n_threads, scores=scores)
    assert np.isnan(scores[0])  # of weight 0
    values = LOGISTIC.values(y[1:], scores[1:], 1.0)
    assert loss == pytest.approx(values @ weight[1:].astype(float), rel=1e-5)
    assert _engine.train_epoch(X, y, weight, None, without, options, n_threads) == loss


@pytest.mark.parametrize("name", ["y", "sample_weight", "scores"])
@pytest.mark.parametrize("n_rows", [0, 4, 6])
def test_arrays_of_another_number_of_rows_are_refused(name, n_rows):
    X, y, params, options = rows_and_parameters("sgd", 5)
    arrays = {"y": y, "sample_weight": None, "scores": None, name: np.zeros(n_rows, dtype=np.float32)}
    before = [table.copy() for table in params.arrays]
    with pytest.raises(ValueError, match=f"{name} of {n_rows} rows, of 5"):
        _engine.train_epoch(X, arrays["y"], arrays["sample_weight"], None, params, options, scores=arrays["scores"])
    for now, then in zip(params.arrays, before, strict=True):
        np.testing.assert_array_equal(now, then)
