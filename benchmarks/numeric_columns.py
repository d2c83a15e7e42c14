"""Numeric columns and targets far from zero: R2 of the raw table, and after a StandardScaler in front.

    python benchmarks/numeric_columns.py             # some 30 seconds
    python benchmarks/numeric_columns.py --seeds 10

Rows are made up: y = a + b c + noise, where a and b are standard normal numbers in the unit that the table names, and c
is one as it is; 3,000 rows to train on, 1,000 to test. Of a perfect model R2 is 0.995. For targets, an offset is added
to y, and the columns are users and items in one-hot form. Medians over the seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastfm_ext import FMRegressor
from tables import markdown_table

UNITS = {
    "year of birth": (1975, 19),
    "latitude": (52.45, 0.087),
    "kelvin": (288, 8),
    "easting in m": (395_000, 2_900),
    "seconds since 1970, over a year": (1.715e9, 9e6),
    "the same, over an hour": (1.715e9, 1e3),
    "near zero": (0, 1),
}
OFFSETS = (0.0, 1e6, 1e8, 1e9)
SOLVERS = ("adagrad", "sgd", "ftrl", "adam")
N_TRAINED, N_ROWS = 3_000, 4_000
N_USERS, N_ITEMS = 12, 15


def score(model: Any, X: Any, y: Any) -> float:
    """Return R2 on the last rows of a model trained on the first, in double precision; -inf after a divergence."""
    try:
        model.fit(X[:N_TRAINED], y[:N_TRAINED])
    except ArithmeticError:
        return -np.inf
    predicted = np.asarray(model.predict(X[N_TRAINED:]), dtype=np.float64)
    rest = y[N_TRAINED:]
    return float(1 - np.sum((predicted - rest) ** 2) / np.sum((rest - rest.mean()) ** 2))


def columns(seeds: range) -> Iterator[list[str]]:
    """Yield the rows of the table of columns."""
    for name, (center, spread) in UNITS.items():
        for solver in SOLVERS:
            raw, scaled = [], []
            for seed in seeds:
                rng = np.random.default_rng(seed)
                z = rng.normal(size=(N_ROWS, 3))
                X = np.column_stack([center + spread * z[:, :2], z[:, 2]])
                y = z[:, 0] + z[:, 1] * z[:, 2] + 0.1 * rng.normal(size=N_ROWS)
                raw.append(score(FMRegressor(4, solver=solver, random_state=seed), X, y))
                scaler = make_pipeline(StandardScaler(), FMRegressor(4, solver=solver, random_state=seed))
                scaled.append(score(scaler, X, y))
            yield [name, solver, f"{np.median(raw):.3f}", f"{np.median(scaled):.3f}"]


def targets(seeds: range) -> Iterator[list[str]]:
    """Yield the rows of the table of targets."""
    for solver in SOLVERS:
        medians = []
        for offset in OFFSETS:
            found = []
            for seed in seeds:
                rng = np.random.default_rng(seed)
                u, i = rng.integers(0, N_USERS, N_ROWS), rng.integers(0, N_ITEMS, N_ROWS)
                places = np.column_stack([u, N_USERS + i]).ravel(), np.arange(0, 2 * N_ROWS + 1, 2)
                X = sp.csr_array((np.ones(2 * N_ROWS), *places), shape=(N_ROWS, N_USERS + N_ITEMS))
                y = rng.normal(size=N_USERS)[u] + rng.normal(size=N_ITEMS)[i] + 0.1 * rng.normal(size=N_ROWS)
                found.append(score(FMRegressor(4, solver=solver, random_state=seed), X, y + offset))
            medians.append(f"{np.median(found):.3f}")
        yield [solver, *medians]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    print(markdown_table(["column", "solver", "raw", "StandardScaler"], list(columns(seeds))))
    print()
    print(markdown_table(["solver", *(f"offset {offset:g}" for offset in OFFSETS)], list(targets(seeds))))


if __name__ == "__main__":
    main()
