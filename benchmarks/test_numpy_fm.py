"""NumPy's side of the comparison computes what the engine and the reference compute."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import _engine
from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._reference import fm as _reference
from numpy_fm import NumpyFm, batches, loss_gradient, to_scipy

N_ROWS, N_FEATURES, K = 50, 12, 5

# Engine and rival round to float32 in every operation, in different orders, over some hundred steps.
TOLERANCE: dict[str, Any] = {"rtol": 5e-5, "atol": 5e-5}

# Those of the engine's solvers that NumPy's side has.
LOSSES, SOLVERS = ("squared", "logistic"), ("sgd", "adagrad")  # those that the rival has
CASES = list(product(LOSSES, SOLVERS))


def make_options(loss: str, solver: str) -> Options:
    return Options(
        loss,
        solver,
        learning_rate_w=0.03,
        learning_rate_V=0.02,
        l2_w=0.01,
        l2_V=0.02,
        init_stdev=0.3,
        initial_acc_w=0.5,
        initial_acc_V=0.7,
    )


def make_rows(seed: int = 0) -> tuple[Csr, Float32]:
    """Return sparse rows, the first of them empty, and targets in {0, 1}."""
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(N_ROWS, N_FEATURES)) * (rng.random((N_ROWS, N_FEATURES)) < 0.4)
    dense[0] = 0
    rows = sp.csr_array(dense.astype(np.float32))
    X = Csr(rows.indptr.astype(np.int64), rows.indices.astype(np.int32), rows.data, N_FEATURES)
    return X, rng.integers(0, 2, N_ROWS).astype(np.float32)


def make_sides(options: Options) -> tuple[Parameters, NumpyFm]:
    params = Parameters.initialise(N_FEATURES, K, options, intercept=0.3, rng=np.random.default_rng(1))
    params.w[...] = np.random.default_rng(2).normal(size=N_FEATURES)
    return params, NumpyFm.like(params, options)


def make_reference(rival: NumpyFm) -> _reference.Fm:
    options = rival.options
    return _reference.Fm(
        rival.w0,
        rival.w.astype(float),
        rival.V.astype(float),
        options.loss,
        options.solver,
        _reference.ReferenceSizes(options.learning_rate_w, options.l2_w, initial_acc=options.initial_acc_w),
        _reference.ReferenceSizes(options.learning_rate_V, options.l2_V, initial_acc=options.initial_acc_V),
    )


def assert_same(rival: NumpyFm, other: Any) -> None:
    np.testing.assert_allclose(rival.w0, other.w0, **TOLERANCE)
    np.testing.assert_allclose(rival.w, other.w, **TOLERANCE)
    np.testing.assert_allclose(rival.V, other.V, **TOLERANCE)


@pytest.mark.parametrize("ones", [False, True], ids=["values", "ones"])
def test_prediction_is_the_engine_s_and_the_reference_s(ones: bool) -> None:
    X, _ = make_rows()
    if ones:
        X = Csr(X.indptr, X.indices, None, N_FEATURES)
    params, rival = make_sides(make_options("squared", "sgd"))
    p = rival.predict(to_scipy(X))
    expected = _reference.predict(
        to_scipy(X).toarray().astype(float), params.w0, params.w.astype(float), params.V.astype(float)
    )
    assert p.dtype == np.float32
    np.testing.assert_allclose(p, _engine.predict(X, params), **TOLERANCE)
    np.testing.assert_allclose(p, expected, **TOLERANCE)


@pytest.mark.parametrize(("loss", "solver"), CASES)
def test_epochs_by_rows_train_as_the_engine_and_the_reference_do(loss: str, solver: str) -> None:
    X, y = make_rows()
    options = make_options(loss, solver)
    params, rival = make_sides(options)
    reference = make_reference(rival)
    for _ in range(3):
        rival.epoch(to_scipy(X), y)
        _engine.train_epoch(X, y, None, None, params, options)
        reference.epoch(to_scipy(X).toarray().astype(float), y.astype(float))
    assert_same(rival, params)
    assert_same(rival, reference)


@pytest.mark.parametrize("loss", LOSSES)
def test_batches_of_one_row_train_as_the_engine_does(loss: str) -> None:
    X, y = make_rows()
    options = make_options(loss, "adagrad")
    params, rival = make_sides(options)
    for _ in range(3):
        rival.minibatch_epoch(to_scipy(X), y, batch_size=1)
        _engine.train_epoch(X, y, None, None, params, options)
    assert_same(rival, params)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_steps_on_the_mean_of_the_rows_gradients(loss: str) -> None:
    X, y = make_rows()
    _, rival = make_sides(make_options(loss, "adagrad"))
    expected = make_reference(rival)
    gradients = mean_gradients(to_scipy(X).toarray().astype(float), y, expected)
    rival.minibatch_epoch(to_scipy(X), y, batch_size=N_ROWS)
    for name, G in zip(("w0", "w", "V"), gradients, strict=True):
        sizes = getattr(expected, f"sizes_{name}")._replace(l2=0.0)  # the gradients have it
        stepped, _ = _reference.AdaGrad.step(getattr(expected, name), G, getattr(expected, f"state_{name}"), sizes, 1.0)
        setattr(expected, name, stepped)
    assert_same(rival, expected)


def mean_gradients(X: Any, y: Float32, fm: _reference.Fm) -> tuple[float, Any, Any]:
    """Return the means over the rows of the gradients in w0, w and V, each row with the L2 of its own features."""
    G_w0, G_w, G_V = 0.0, np.zeros_like(fm.w), np.zeros_like(fm.V)
    for x, target in zip(X, y, strict=True):
        g = loss_gradient(fm.loss, target, _reference.score(x, fm.w0, fm.w, fm.V))
        dw0, dw, dV = _reference.score_gradients(x, fm.V)
        present = x != 0
        G_w0 += g * dw0
        G_w += g * dw + fm.sizes_w.l2 * fm.w * present
        G_V += g * dV + fm.sizes_V.l2 * fm.V * present[:, None]
    return G_w0 / len(y), G_w / len(y), G_V / len(y)


def test_batches_hold_all_rows_with_the_columns_that_occur() -> None:
    X, y = make_rows()
    rebuilt = np.zeros((N_ROWS, N_FEATURES), dtype=np.float32)
    first = 0
    for batch in batches(to_scipy(X), y, batch_size=20):
        rows = slice(first, first + len(batch.y))
        rebuilt[rows, batch.features] = batch.X.toarray()
        np.testing.assert_array_equal(batch.y, y[rows])
        np.testing.assert_allclose(batch.presence, (batch.X.toarray() != 0).mean(axis=0), rtol=1e-6)
        first = rows.stop
    np.testing.assert_array_equal(rebuilt, to_scipy(X).toarray())
