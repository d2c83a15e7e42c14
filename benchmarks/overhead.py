"""What a fit costs beside its kernels: time and memory, on the ratings of MovieLens 1M and on made-up clicks.

    python benchmarks/overhead.py                     # real ratings where FASTFM_EXT_DATA names a folder with ml-1m/
    python benchmarks/overhead.py --quick             # a tenth of the rows

Time: seconds of `fit` with 10 epochs, divided by the seconds in which the kernels train and score. Memory: the peak
of all arrays during `fit`, with the input matrix (CSR, 32-bit numbers), divided by this matrix and the parameters.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp

from fastfm_ext import FMClassifier, FMRegressor
from fastfm_ext._native import core
from real_data import load
from tables import markdown_table, median_and_range, three_digits
from workloads import Workload

ROWS = {"rat2": 1_000_209, "ctr1": 300_000}
KERNELS = ("sgd_epoch", "predict")
EPOCHS = 10


@contextmanager
def seconds_in_kernels() -> Iterator[list[float]]:
    """Give a list to which each call of a kernel adds its seconds."""
    seconds: list[float] = []

    def timed(kernel: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            started = time.perf_counter()
            try:
                return kernel(*arguments)
            finally:
                seconds.append(time.perf_counter() - started)

        return call

    kernels = {name: getattr(core, name) for name in KERNELS}
    for name, kernel in kernels.items():
        setattr(core, name, timed(kernel))
    try:
        yield seconds
    finally:
        for name, kernel in kernels.items():
            setattr(core, name, kernel)


def as_user_gives_it(workload: Workload) -> tuple[sp.csr_array, np.ndarray]:
    """Return the workload as SciPy's matrix with values, and targets in double precision."""
    X = workload.X
    values = np.ones(X.nnz, dtype=np.float32)
    matrix = sp.csr_array((values, X.indices, X.indptr.astype(np.int32)), shape=(X.n_rows, X.n_features))
    return matrix, workload.y.astype(np.float64)


def ratio_of_times(model: Any, X: sp.csr_array, y: np.ndarray) -> float:
    """Return the seconds of a fit divided by those of its kernels."""
    with seconds_in_kernels() as seconds:
        started = time.perf_counter()
        model.fit(X, y)
        total = time.perf_counter() - started
    return total / sum(seconds)


def ratio_of_memory(model: Any, X: sp.csr_array, y: np.ndarray) -> float:
    """Return the peak of a fit with its input divided by input and parameters."""
    given = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    tracemalloc.start()
    model.fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    parameters = sum(array.nbytes for params in model._scorers for array in params.arrays)
    return (given + peak) / (given + parameters)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    rows = []
    for name, n_rows in ROWS.items():
        workload, source = load(name, n_rows // 10 if arguments.quick else n_rows)
        X, y = as_user_gives_it(workload)
        estimator = FMRegressor if workload.loss == "squared" else FMClassifier
        for held_out in (False, True):
            model = estimator(16, max_iter=EPOCHS, n_iter_no_change=EPOCHS, early_stopping=held_out, random_state=0)
            model.fit(X[:10_000], y[:10_000])
            times = [ratio_of_times(model, X, y) for _ in range(arguments.rounds)]
            memory = three_digits(ratio_of_memory(model, X, y))
            rows.append([f"{name} ({source})", "a tenth" if held_out else "none", median_and_range(times), memory])
    print(markdown_table(["rows", "held out", "fit / kernels, seconds", "peak / (CSR + parameters), bytes"], rows))


if __name__ == "__main__":
    main()
