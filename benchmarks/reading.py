"""How fast is libsvm text read, against scikit-learn's reader? Both in turn, in one process, on one thread.

    python benchmarks/reading.py                # 500 MB for each kind of values; about four minutes a kind
    python benchmarks/reading.py --quick        # 20 MB, one round: under half a minute
    python benchmarks/reading.py --kinds ones

The text is made up with a fixed seed in a temporary folder: 20 values a row, ids below a million.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from scipy import sparse
from sklearn.datasets import load_svmlight_file

from fastfm_ext.text_formats import iter_libsvm, read_libsvm, write_libsvm
from in_turn import time_in_turn
from tables import markdown_table, median_and_range, three_digits

N_FEATURES, VALUES_A_ROW, ROWS_A_BLOCK = 1_000_000, 20, 20_000
KINDS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "ones": lambda rng, n: np.ones(n),
    "decimals": lambda rng, n: np.round(rng.random(n), 4),
    "float32": lambda rng, n: rng.standard_normal(n),
}


def write_text(path: Path, kind: str, size: int, seed: int = 0) -> None:
    """Write rows until the file has ``size`` characters."""
    rng = np.random.default_rng(seed)
    indptr = np.arange(0, ROWS_A_BLOCK * VALUES_A_ROW + 1, VALUES_A_ROW)
    # One id from each of 20 stretches: ascending, and spread over all features.
    stretch = N_FEATURES // VALUES_A_ROW
    with path.open("wb") as file:
        while file.tell() < size:
            indices = rng.integers(0, stretch, (ROWS_A_BLOCK, VALUES_A_ROW)) + stretch * np.arange(VALUES_A_ROW)
            values = KINDS[kind](rng, indices.size).astype(np.float32)
            X = sparse.csr_array((values, indices.ravel(), indptr), shape=(ROWS_A_BLOCK, N_FEATURES))
            write_libsvm(file, X, rng.integers(0, 2, ROWS_A_BLOCK))


def read_in_batches(path: Path) -> int:
    """Read the file in batches and keep none of them."""
    return sum(X.nnz for X, _ in iter_libsvm(path, n_features=N_FEATURES, zero_based=True))


def measure(path: Path, kind: str, rounds: int) -> list[list[str]]:
    """Return the rows of the table for one kind of values."""
    options = {"n_features": N_FEATURES, "zero_based": True}
    X, y = read_libsvm(path, **options)
    n_values, megabytes = X.nnz, path.stat().st_size / 1e6
    del X, y
    times = time_in_turn(
        {
            "read_libsvm": lambda: read_libsvm(path, **options),
            "iter_libsvm": lambda: read_in_batches(path),
            "load_svmlight_file": lambda: load_svmlight_file(str(path), dtype=np.float32, **options),
        },
        rounds,
    )
    theirs = times["load_svmlight_file"].cpu
    return [
        [
            kind,
            name,
            three_digits(megabytes / median(own.cpu)),
            three_digits(1e9 * median(own.cpu) / n_values),
            median_and_range([their / mine for their, mine in zip(theirs, own.cpu, strict=True)]),
        ]
        for name, own in times.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little text and one round")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--megabytes", type=int, help="size of the text (default: 500; 20 with --quick)")
    parser.add_argument("--rounds", type=int, help="(default: 3; 1 with --quick)")
    arguments = parser.parse_args()
    megabytes = arguments.megabytes or (20 if arguments.quick else 500)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in arguments.kinds:
            path = Path(folder) / f"{kind}.libsvm"
            write_text(path, kind, megabytes * 10**6)
            rows += measure(path, kind, arguments.rounds or (1 if arguments.quick else 3))
            path.unlink()
    print(f"{megabytes} MB of text, {VALUES_A_ROW} values a row, one thread, CPU time; medians\n")
    print(markdown_table(["values", "reader", "MB/s", "ns/value", "times as fast as scikit-learn"], rows))


if __name__ == "__main__":
    main()
