"""Growth of time and memory with rows, features, factors and nonzeros a row, each alone; and what a machine holds.

    python benchmarks/growth.py                       # all but the last table, a few minutes
    python benchmarks/growth.py features factors      # some tables
    python benchmarks/growth.py largest               # parameters that fill most of 24 GB

Each size is fitted in a process of its own: two epochs of FMRegressor, one thread, no early stopping, on made-up rows
of ones whose features are drawn with probabilities like 1/rank within each field. An epoch is the faster of the two;
memory is the largest that the process has had, beside NumPy's and SciPy's own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from fastfm_ext import FMRegressor
from tables import markdown_table, three_digits


class Size(NamedTuple):
    """A fit: n_rows of nnz ones each among n_features, and n_factors."""

    n_rows: int = 100_000
    n_features: int = 1_000_000
    n_factors: int = 16
    nnz: int = 10
    solver: str = "adagrad"


TABLES: dict[str, list[Size]] = {
    "rows": [Size(n_rows=n) for n in (100_000, 1_000_000, 10_000_000)],
    "features": [
        Size(n_rows=300_000, nnz=20, n_features=n) for n in (10_000, 100_000, 1_000_000, 10_000_000, 50_000_000)
    ],
    "factors": [Size(n_features=5_000, n_factors=k) for k in (4, 8, 16, 32, 48, 64, 96, 128, 192, 256)],
    "nonzeros": [Size(n_rows=2_000_000 // nnz, nnz=nnz) for nnz in (2, 5, 10, 20, 50, 100, 200)],
    "largest": [Size(n_features=100_000_000), Size(n_features=200_000_000, solver="sgd")],
}


def rows_of(size: Size) -> sp.csr_array:
    """Return rows with one feature of each of `nnz` fields."""
    rng = np.random.default_rng(0)
    per_field = size.n_features // size.nnz
    indices = np.empty((size.n_rows, size.nnz), dtype=np.int32)
    for field in range(size.nnz):
        rank = per_field ** rng.random(size.n_rows, dtype=np.float32)  # its logarithm is uniform
        indices[:, field] = field * per_field + rank.astype(np.int32).clip(max=per_field) - 1
    ends = np.arange(0, indices.size + 1, size.nnz, dtype=np.int32)
    ones = np.ones(indices.size, dtype=np.float32)
    return sp.csr_array((ones, indices.ravel(), ends), shape=(size.n_rows, size.n_features))


def peak_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(size: Size) -> dict[str, float]:
    """Fit; return seconds of the fit and of an epoch, and bytes of the rows and beside them."""
    before = peak_bytes()
    X = rows_of(size)
    y = np.random.default_rng(1).normal(size=size.n_rows)
    of_rows = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes + y.nbytes
    model = FMRegressor(size.n_factors, solver=size.solver, max_iter=2, early_stopping=False, random_state=0)
    warnings.simplefilter("ignore")  # two epochs are too few
    started = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - started
    epoch = min(model.history_["seconds"])
    return {"fit": seconds, "epoch": epoch, "rows": of_rows, "beside": peak_bytes() - before - of_rows}


def row_of(size: Size) -> list[str]:
    """Measure a size in a process of its own; return the cells of its row."""
    command = [sys.executable, __file__, "--size", json.dumps(size)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    per_value = 1e12 * found["epoch"] / (size.n_rows * size.nnz * max(1, size.n_factors))
    once = 1000 * (found["fit"] - 2 * found["epoch"])
    sizes = [f"{n:,}" for n in (size.n_rows, size.n_features, size.n_factors, size.nnz)]
    memory = [three_digits(found[what] / 2**30) for what in ("rows", "beside")]
    times = [three_digits(found["fit"]), f"{1000 * found['epoch']:,.0f}", f"{per_value:,.0f}", f"{once:,.0f}"]
    return [size.solver, *sizes, *times, *memory]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", help=f"some of {', '.join(TABLES)}")
    parser.add_argument("--size", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.size is not None:
        print(json.dumps(measure(Size(*arguments.size))))
        return
    headings = ["solver", "rows", "features", "k", "nnz", "fit, s", "epoch, ms", "ps a value and factor"]
    headings += ["once, ms", "rows, GB", "beside, GB"]
    for name in arguments.tables or [name for name in TABLES if name != "largest"]:
        print(f"\n{markdown_table(headings, [row_of(size) for size in TABLES[name]])}", flush=True)


if __name__ == "__main__":
    main()
