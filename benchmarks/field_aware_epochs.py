"""Epochs of field-aware factorization machines: the kernel in turn with modern-fm, and two threads with one.

python benchmarks/field_aware_epochs.py [--k 4 8] [--workloads frappe ctr1] [--rounds 5]

AdaGrad; modern-fm, in float32 and with one job, is left out where it is not installed. Its epoch is half of what a fit
of three takes longer than a fit of one, for a fit begins with its input and first parameters.
"""

from __future__ import annotations

import argparse
import sys
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import scipy.sparse as sp

from fastfm_ext import _engine
from fastfm_ext._engine.csr import block_orders
from fastfm_ext._engine.models import FFM
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from limit.measure import fields_of
from real_data import load
from workloads import WORKLOADS, Workload

N_ROWS = {"frappe": 202_005, "ctr1": 100_000, "avazu": 100_000}


def epochs_of(workload: Workload, k: int, n_threads: int) -> Any:
    """Return a function that trains one more epoch."""
    X, rng = workload.X, np.random.default_rng(0)
    options = Options(workload.loss, "adagrad", 0.05, 0.05, 1e-5, 1e-5, init_stdev=0.05)
    params = Parameters.initialise(X.n_features, k, options, -1.0, rng, model=FFM, fields=fields_of(workload))
    hot = _engine.hot_features(X, params.record) if n_threads > 1 else _engine.NO_FEATURES
    rows, order = _engine.rename_hot_features(X, hot), np.concatenate(list(block_orders(X, rng)))
    return lambda: _engine.train_epoch(rows, workload.y, None, order, params, options, n_threads, hot)


def modern_fm(workload: Workload, k: int) -> float | None:
    """Return the seconds of one of its epochs, or None without it."""
    try:
        from modern_fm import FFMClassifier
    except ImportError:
        return None
    values = np.ones(len(workload.X.indices))
    shape = (workload.X.n_rows, workload.X.n_features)
    X = sp.csr_matrix((values, workload.X.indices, workload.X.indptr), shape=shape)
    fields = fields_of(workload).of_feature
    seconds = {}
    for epochs in (1, 3):
        model = FFMClassifier(k, max_iter=epochs, dtype="float32", n_jobs=1, random_state=0)
        started = perf_counter()
        model.fit(X, workload.y, field_ids=np.asarray(fields, dtype=np.int64))
        seconds[epochs] = perf_counter() - started
    return (seconds[3] - seconds[1]) / 2


def timed(run: Any) -> float:
    started = perf_counter()
    run()
    return perf_counter() - started


def main() -> None:
    """Print a line for each workload and number of factors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", nargs="+", choices=[name for name in WORKLOADS if name in N_ROWS])
    parser.add_argument("--k", nargs="+", type=int, default=[4, 8])
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    for name in asked.workloads or ("frappe", "ctr1"):
        workload, source = load(name, N_ROWS[name])
        for k in asked.k:
            one, two = (epochs_of(workload, k, n_threads) for n_threads in (1, 2))
            one(), two()
            rounds = [(timed(one), timed(two)) for _ in range(asked.rounds)]
            gains = [alone / both for alone, both in rounds]
            ours = median(alone for alone, _ in rounds)
            text = f"{name} ({source}), k {k}: {1e9 * ours / workload.X.n_rows:.0f} ns a row; "
            text += f"two threads {median(gains):.2f} ({min(gains):.2f} to {max(gains):.2f}) times as fast"
            theirs = modern_fm(workload, k)
            if theirs is not None:
                again = median([ours, *(timed(one) for _ in range(asked.rounds))])
                text += (
                    f"; modern-fm {1e9 * theirs / workload.X.n_rows:.0f} ns a row, {theirs / again:.1f} times as long"
                )
            print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
