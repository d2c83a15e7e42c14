"""Refit on all rows after early stopping: test quality and CPU time without it and with it.

    python benchmarks/refit.py                    every data set, default settings but for early_stopping=True
    python benchmarks/refit.py ml-100k gowalla    some of them
    python benchmarks/refit.py --seeds 5          splits and seeds that a mean is over

"same steps" is a refit of fewer epochs, so that it makes as many steps as the first pass did. A version of the package
without the hyperparameter prints the columns of the refit all the same: they are then made by a second `fit` of
`best_epoch_` epochs. `data_sets.py` says what the peer is.

The data is read from the folder that the environment variable FASTFM_EXT_DATA names.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import data_sets
from data_sets import Task
from tables import markdown_table

DATA_SETS: dict[str, Callable[[Path, int], Task]] = {
    "ml-100k": data_sets.ml_100k,
    "ml-1m": data_sets.ml_1m,
    "frappe": data_sets.frappe,
    "adult": data_sets.adult,
    "criteo-10k": data_sets.criteo,
    "avazu-8k": data_sets.avazu,
    "rated-films": data_sets.rated_films,
    "gowalla": data_sets.gowalla,
}


def fitted(task: Task, **settings: Any) -> tuple[Any, float]:
    """Return a model that was trained with these settings, and the seconds of CPU time that it took."""
    known = task.estimator().get_params()
    model = task.estimator(**{name: value for name, value in settings.items() if name in known})
    started = time.process_time()
    model.fit(*task.data)
    return model, time.process_time() - started


def compare(task: Task, seed: int) -> dict[str, float]:
    """Return the measure without a refit, with one, and with one of as many steps; and seconds and epochs."""
    first, seconds = fitted(task, early_stopping=True, refit=False, random_state=seed)
    best_epoch = first.best_epoch_
    if hasattr(first, "refit"):
        second, seconds_with = fitted(task, early_stopping=True, random_state=seed)
    else:
        second, more = fitted(task, early_stopping=False, max_iter=best_epoch, random_state=seed)
        seconds_with = seconds + more
    fewer = max(1, round(best_epoch * (1 - first.validation_fraction)))
    same_steps, _ = fitted(task, early_stopping=False, max_iter=fewer, random_state=seed)
    return {
        "without": task.measure(first),
        "with": task.measure(second),
        "same steps": task.measure(same_steps),
        "seconds without": seconds,
        "seconds with": seconds_with,
        "best epoch": best_epoch,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="DATA_SET", help=f"of {', '.join(DATA_SETS)}")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    data = os.environ.get("FASTFM_EXT_DATA")
    if not data:
        raise SystemExit("set FASTFM_EXT_DATA to the folder that holds the data sets")
    rows = []
    for name in options.names or DATA_SETS:
        results, peers = [], []
        for seed in range(options.seeds):
            task = DATA_SETS[name](Path(data), seed)
            results.append(compare(task, seed))
            peers.append(task.peer())
            print(name, seed, {key: round(value, 4) for key, value in results[-1].items()}, flush=True)
        mean = pd.DataFrame(results).mean()
        change = f"{mean['with'] / mean['without']:.3f}"
        qualities = [f"{value:.4f}" for value in (mean["without"], mean["with"], mean["same steps"], np.mean(peers))]
        cost = f"{mean['seconds with'] / mean['seconds without']:.2f}"
        rows.append([f"{name}, {task.unit}", *qualities, change, f"{mean['best epoch']:.1f}", cost])
    headings = ["data set", "without", "refit", "same steps", "peer", "refit / without", "best epoch", "time, times"]
    print(markdown_table(headings, rows))


if __name__ == "__main__":
    main()
