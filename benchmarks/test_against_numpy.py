"""Prediction and training: the kernel and NumPy in turn. No time is asserted; the table at the end is the result."""

from __future__ import annotations

from functools import lru_cache
from typing import cast

import numpy as np
import pytest

from comparison import TIMER, Compare, Side
from fastfm_ext import _engine
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from numpy_fm import NumpyFm, to_scipy
from workloads import WORKLOADS, Workload

# The kernel walks all rows. NumPy trains on fewer where the time of a row doesn't depend on how many there are.
N_ROWS = {"rat2": 2**18, "rat5": 2**17, "frappe": 2**17, "ctr1": 2**16}
N_ROWS_IN_BATCHES = 2**15
N_ROWS_ONE_BY_ONE = 2**10
BATCH_SIZE = 2**12
QUICK_SHARE = 4

pytestmark = pytest.mark.benchmark(timer=TIMER)

LEARNING_RATES = {"sgd": 0.01, "adagrad": 0.05}


@lru_cache(maxsize=1)
def make_workload(name: str, n_rows: int) -> Workload:
    return WORKLOADS[name](n_rows)


@pytest.fixture(params=N_ROWS)
def workload(request: pytest.FixtureRequest, quick: bool) -> Workload:
    name = cast(str, request.param)
    return make_workload(name, N_ROWS[name] // (QUICK_SHARE if quick else 1))


@pytest.fixture(params=[8, 16, 64], ids="k{}".format)
def k(request: pytest.FixtureRequest) -> int:
    return cast(int, request.param)


def start(workload: Workload, k: int, solver: str) -> tuple[Options, Parameters, NumpyFm]:
    """Return both sides with the same parameters."""
    rate = LEARNING_RATES[solver]
    options = Options(
        workload.loss, solver, learning_rate_w=rate, learning_rate_V=rate, l2_w=1e-4, l2_V=1e-4, init_stdev=0.05
    )
    intercept = float(workload.y.mean())
    params = Parameters.initialise(workload.X.n_features, k, options, intercept, np.random.default_rng(0))
    return options, params, NumpyFm.like(params, options)


def kernel_epoch(workload: Workload, params: Parameters, options: Options) -> Side:
    return Side(
        lambda: _engine.train_epoch(workload.X, workload.y, None, None, params, options), n_rows=workload.X.n_rows
    )


def assert_finite(params: Parameters, rival: NumpyFm) -> None:
    """Make sure that neither side was timed on NaN or infinity, which some operations handle at another speed."""
    assert params.is_finite()
    assert np.isfinite(rival.w0)
    assert np.isfinite(rival.w).all()
    assert np.isfinite(rival.V).all()


def test_predict(compare: Compare, workload: Workload, k: int) -> None:
    _, params, rival = start(workload, k, "sgd")
    X, n_rows = to_scipy(workload.X), workload.X.n_rows
    kernel = Side(lambda: _engine.predict(workload.X, params), n_rows)
    compare(workload.name, k, "predict", kernel, Side(lambda: rival.predict(X), n_rows))


@pytest.mark.parametrize(("solver", "task"), [("sgd", "SGD"), ("adagrad", "AdaGrad")], ids=["sgd", "adagrad"])
def test_epoch_row_by_row(compare: Compare, workload: Workload, k: int, solver: str, task: str) -> None:
    options, params, rival = start(workload, k, solver)
    few = workload.head(N_ROWS_ONE_BY_ONE)
    X = to_scipy(few.X)
    numpy = Side(lambda: rival.epoch(X, few.y), few.X.n_rows)
    compare(workload.name, k, f"{task} epoch, by rows", kernel_epoch(workload, params, options), numpy)
    assert_finite(params, rival)


def test_epoch_in_batches(compare: Compare, workload: Workload, k: int) -> None:
    options, params, rival = start(workload, k, "adagrad")
    few = workload.head(N_ROWS_IN_BATCHES)
    X = to_scipy(few.X)
    numpy = Side(lambda: rival.minibatch_epoch(X, few.y, BATCH_SIZE), few.X.n_rows)
    compare(workload.name, k, "AdaGrad epoch, by batches", kernel_epoch(workload, params, options), numpy)
    assert_finite(params, rival)
