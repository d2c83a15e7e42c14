"""Field-aware models beside the factorization machine: test log loss and CPU seconds of each, on clicks and classes.

    python benchmarks/field_aware.py                 every data set
    python benchmarks/field_aware.py frappe adult    some of them
    python benchmarks/field_aware.py --seeds 5       splits and seeds that a mean is over
    python benchmarks/field_aware.py --search        with factors, step sizes and L2 that held-out rows choose

All settings are the defaults, or with `--search` the best of a few values of `n_factors`, `learning_rate` and `l2_V`:
those with the least loss of the rows that early stopping holds out, for each model, split and seed. The seconds are
those of the fit with the chosen ones.

The data is read from the folder that the environment variable FASTFM_EXT_DATA names.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterator
from inspect import signature
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import data_sets
import fastfm_ext
from data_sets import Task
from fastfm_ext._names import PUBLIC_NAMES
from tables import markdown_table

DATA_SETS: dict[str, Callable[[Path, int], Task]] = {
    "frappe": data_sets.frappe,
    "adult": data_sets.adult,
    "bank": data_sets.bank,
    "criteo-10k": data_sets.criteo,
    "avazu-8k": data_sets.avazu,
}
# Of the default number of factors, which is 16, and 4 for an FFM.
TIMES_AS_MANY_FACTORS = (1, 8)
LEARNING_RATES = (0.05, 0.2)
L2_OF_FACTORS = (0.005, 0.02, 0.08)
MODELS = ["FMClassifier"] + [
    public.name
    for public in PUBLIC_NAMES
    if public.module.startswith("fastfm_ext.field_aware") and public.name.endswith("Classifier")
]


class Fit(NamedTuple):
    """The held-out loss, the test loss, the seconds and the settings of a fit."""

    held_out: float
    test: float
    seconds: float
    settings: dict[str, float]


def fields_of(X: Any) -> Any:
    """Return the fields that an encoder has noted, or for rows of as many ones each the place in the row."""
    if hasattr(X, "fields"):
        return X.fields
    n_ones = X.nnz // X.shape[0]
    fields = np.zeros(X.shape[1], dtype=np.int64)
    fields[X.indices] = np.tile(np.arange(n_ones), X.shape[0])
    return fields


def candidates(name: str) -> Iterator[dict[str, float]]:
    """Yield the settings that a search tries."""
    n_factors = signature(getattr(fastfm_ext, name)).parameters["n_factors"].default
    for times, rate, l2_V in product(TIMES_AS_MANY_FACTORS, LEARNING_RATES, L2_OF_FACTORS):
        yield {"n_factors": times * n_factors, "learning_rate": rate, "l2_V": l2_V}


def fit(name: str, task: Task, seed: int, searches: bool) -> Fit:
    """Fit a model with the defaults, or with the settings that the held-out rows are for."""
    X, y = task.data
    shared = {"random_state": seed, "early_stopping": True}
    if name != "FMClassifier":
        shared["fields"] = fields_of(X)

    def held_out(settings: dict[str, float]) -> float:
        model = getattr(fastfm_ext, name)(refit=False, **shared, **settings).fit(X, y)
        return min(model.history_["val_loss"])

    tried = {held_out(settings): settings for settings in (candidates(name) if searches else [{}])}
    loss = min(tried)
    started = time.process_time()
    model = getattr(fastfm_ext, name)(**shared, **tried[loss]).fit(X, y)
    seconds = time.process_time() - started
    return Fit(loss, task.measure(model), seconds, tried[loss])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="DATA_SET", help=f"of {', '.join(DATA_SETS)}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--search", action="store_true")
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    options = parser.parse_args()
    data = os.environ.get("FASTFM_EXT_DATA")
    if not data:
        raise SystemExit("set FASTFM_EXT_DATA to the folder that holds the data sets")
    warnings.simplefilter("ignore", ConvergenceWarning)
    rows = []
    for data_set in options.names or DATA_SETS:
        for name in options.models:
            seeds, task = range(options.seeds), DATA_SETS[data_set]
            fits = [fit(name, task(Path(data), seed), seed, options.search) for seed in seeds]
            print(data_set, name, [fit._asdict() for fit in fits], flush=True)
            held_out, losses, seconds, _ = zip(*fits, strict=True)
            spread = f"{min(losses):.4f} to {max(losses):.4f}"
            means = f"{np.mean(held_out):.4f}", f"{np.mean(losses):.4f}"
            rows.append([data_set, name, *means, spread, f"{np.mean(seconds):.1f}"])
    print(
        markdown_table(["data set", "model", "held-out log loss", "test log loss", "least to largest", "CPU s"], rows)
    )


if __name__ == "__main__":
    main()
