"""Epochs and predictions of the kernels in turn with modern-fm's: factorization machines and field-aware ones.

    python benchmarks/against_modern_fm.py                                          # all, some minutes
    python benchmarks/against_modern_fm.py --models ffm --workloads frappe --factors 4 --rounds 7

AdaGrad, float32, one thread. An epoch of modern-fm is half of what a fit of three takes longer than a fit of one, for a
fit begins with its input and first parameters. modern-fm must be importable: `pip install modern-fm`, in an environment
of your own. A ratio is the median over rounds of modern-fm's time over ours.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from fastfm_ext import _engine
from fastfm_ext._engine.models import FFM, FM, FWFM, NO_FIELDS, Fields
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.orders import block_orders
from fastfm_ext._engine.parameters import Parameters
from limit.measure import fields_of
from real_data import load
from tables import markdown_table, median_and_range
from workloads import Workload


class Kind(NamedTuple):
    """A model of ours, those of modern-fm for squared and logistic loss, and what it is measured with."""

    spec: Any
    theirs: dict[str, str]
    factors: tuple[int, ...]
    workloads: tuple[str, ...]


FIELD_WORKLOADS = ("frappe", "ctr1")
KINDS = {
    "fm": Kind(FM, {"squared": "FMRegressor", "logistic": "FMClassifier"}, (16,), ("rat2", *FIELD_WORKLOADS)),
    "ffm": Kind(FFM, {"logistic": "FFMClassifier"}, (4, 8), FIELD_WORKLOADS),
    "fwfm": Kind(FWFM, {"logistic": "FwFMClassifier"}, (4, 8), FIELD_WORKLOADS),
}
N_ROWS = {"rat2": 1_000_209, "frappe": 202_005, "ctr1": 100_000}


def seconds_of(run: Callable[[], object]) -> float:
    started = perf_counter()
    run()
    return perf_counter() - started


class Ours:
    """Our kernels on a workload."""

    def __init__(self, workload: Workload, kind: Kind, k: int, fields: Fields) -> None:
        self.workload, rng = workload, np.random.default_rng(0)
        sizes = {"learning_rate_R": 0.05, "init_stdev": 0.05}
        self.options = Options(workload.loss, "adagrad", 0.05, 0.05, 1e-5, 1e-5, **sizes, model=kind.spec)
        n_features = workload.X.n_features
        self.params = Parameters.initialise(n_features, k, self.options, 0.0, rng, model=kind.spec, fields=fields)
        self.order = np.concatenate(list(block_orders(workload.X, rng)))
        self.epoch()

    def epoch(self) -> float:
        """Return the seconds of one more epoch."""
        X, y = self.workload.X, self.workload.y
        return seconds_of(lambda: _engine.train_epoch(X, y, None, self.order, self.params, self.options))

    def predict(self) -> float:
        """Return the seconds of the scores of all rows."""
        return seconds_of(lambda: _engine.predict(self.workload.X, self.params))


class Theirs:
    """modern-fm on a workload."""

    def __init__(self, workload: Workload, kind: Kind, k: int, fields: Fields) -> None:
        import modern_fm

        X = workload.X
        ones = np.ones(len(X.indices), dtype=np.float32)
        self.X = sp.csr_matrix((ones, X.indices, X.indptr), shape=(X.n_rows, X.n_features))
        self.y = workload.y
        self.fields = {} if fields is NO_FIELDS else {"field_ids": np.asarray(fields.of_feature, dtype=np.int64)}
        make = getattr(modern_fm, kind.theirs[workload.loss])
        self.model = partial(make, k, optimizer="adagrad", dtype="float32", n_jobs=1, random_state=0)
        self.fitted = self.model(max_iter=1).fit(self.X, self.y, **self.fields)

    def epoch(self) -> float:
        """Return half of what a fit of three epochs takes longer than a fit of one."""
        one, three = (seconds_of(lambda n=n: self.model(max_iter=n).fit(self.X, self.y, **self.fields)) for n in (1, 3))
        return (three - one) / 2

    def predict(self) -> float:
        """Return the seconds of the predictions of all rows."""
        is_classifier = hasattr(self.fitted, "predict_proba")
        return seconds_of(lambda: (self.fitted.predict_proba if is_classifier else self.fitted.predict)(self.X))


def measure(name: str, workload_name: str, k: int, rounds: int) -> list[str]:
    """Return a row of the table."""
    kind, (workload, source) = KINDS[name], load(workload_name, N_ROWS[workload_name])
    fields = NO_FIELDS if name == "fm" else fields_of(workload)
    ours, theirs = Ours(workload, kind, k, fields), Theirs(workload, kind, k, fields)
    cells = []
    for task in ("epoch", "predict"):
        times = [(getattr(ours, task)(), getattr(theirs, task)()) for _ in range(rounds)]
        cells.append(median_and_range([their_time / our_time for our_time, their_time in times]))
        cells.append(f"{1e9 * np.median([our_time for our_time, _ in times]) / workload.X.n_rows:.0f}")
    return [name, f"{workload_name} ({source})", str(k), *cells]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--workloads", nargs="+", default=list(N_ROWS), choices=N_ROWS)
    parser.add_argument("--factors", nargs="+", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    rows = []
    for name in asked.models:
        for workload in KINDS[name].workloads:
            if workload in asked.workloads:
                for k in asked.factors or KINDS[name].factors:
                    rows.append(measure(name, workload, k, asked.rounds))
                    print(*rows[-1], sep=", ", flush=True)
    print(markdown_table(["model", "rows", "k", "epoch", "ns a row", "predict", "ns a row"], rows))


if __name__ == "__main__":
    main()
