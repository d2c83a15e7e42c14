"""Small tables: test error of the default settings, and of training until the training loss is flat.

    python benchmarks/small_tables.py                  every table
    python benchmarks/small_tables.py wine digits      some of them
    python benchmarks/small_tables.py --seeds 3        splits and seeds that a mean is over

"until flat" is ``early_stopping=False``: what the default was below 10,000 rows before it chose the number of epochs by
cross-validation. "a tenth" is ``early_stopping=True``. "worst" is the largest ratio of the default's error and the
peer's over the splits. `data_sets.py` says what the peer is.

Some tables are parts of data in the folder that the environment variable FASTFM_EXT_DATA names.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import data_sets
from refit import fitted
from tables import markdown_table

TABLES: dict[str, Any] = {
    "diabetes": data_sets.diabetes,
    "diabetes, 100 rows": partial(data_sets.diabetes, n_train=100),
    "california, 1,000 rows": partial(data_sets.california, n_train=1_000),
    "california, 8,000 rows": partial(data_sets.california, n_train=8_000),
    "bike sharing, 1,000 rows": partial(data_sets.bike_sharing, n_train=1_000),
    "ml-100k, 300 rows": partial(data_sets.ml_100k, n_train=300),
    "ml-100k, 1,000 rows": partial(data_sets.ml_100k, n_train=1_000),
    "ml-100k, 9,000 rows": partial(data_sets.ml_100k, n_train=9_000),
    "breast cancer": data_sets.breast_cancer,
    "wine": data_sets.wine,
    "digits": data_sets.digits,
    "bank": data_sets.bank,
    "bank, 200 rows": partial(data_sets.bank, n_train=200),
    "adult, 300 rows": partial(data_sets.adult, n_train=300),
    "adult, 3,000 rows": partial(data_sets.adult, n_train=3_000),
    "frappe, 1,000 rows": partial(data_sets.frappe, n_train=1_000),
    "frappe, 9,000 rows": partial(data_sets.frappe, n_train=9_000),
    "criteo, 8,000 rows": data_sets.criteo,
    "avazu, 6,000 rows": data_sets.avazu,
}
INTERACTIONS: dict[str, Any] = {
    "rated films, 2,000": partial(data_sets.rated_films, n_train=2_000),
    "rated films, 9,000": partial(data_sets.rated_films, n_train=9_000),
}


def row(name: str, load: Any, data: Path, seeds: range) -> list[str]:
    """Return the line of a table: means over the seeds."""
    results = []
    for seed in seeds:
        task = load(data, seed)
        until_flat, seconds_flat = fitted(task, early_stopping=False, random_state=seed)
        tenth, _ = fitted(task, early_stopping=True, random_state=seed)
        default, seconds = fitted(task, random_state=seed)
        values = [task.measure(model) for model in (until_flat, tenth, default)]
        results.append([*values, task.peer(), default.best_epoch_, seconds_flat, seconds])
    flat, tenth, default, peer, epochs, seconds_flat, seconds = np.mean(results, axis=0)
    ratios = np.array(results)[:, 2] / np.array(results)[:, 3]
    worst = ratios.min() if task.unit.startswith("Recall") else ratios.max()
    qualities = [f"{value:.4g}" for value in (flat, tenth, default, peer)]
    times = [f"{1e3 * value:,.0f}" for value in (seconds_flat, seconds)]
    return [f"{name}, {task.unit}", *qualities, f"{default / peer:.2f}", f"{worst:.2f}", f"{epochs:.0f}", *times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="TABLE", help="beginnings of names")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    data = Path(os.environ.get("FASTFM_EXT_DATA", "."))
    rows = []
    for name, load in (TABLES | INTERACTIONS).items():
        if not options.names or name.startswith(tuple(options.names)):
            rows.append(row(name, load, data, range(options.seeds)))
            print(*rows[-1], flush=True)
    headings = ["table", "until flat", "a tenth", "default", "peer", "default / peer", "worst", "epochs"]
    print(markdown_table([*headings, "ms until flat", "ms default"], rows))


if __name__ == "__main__":
    main()
