"""Several threads against one: loss on rows held out, for each workload and solver.

    python benchmarks/thread_quality.py                                   # some minutes
    python benchmarks/thread_quality.py --workloads ctr1 --threads 2 4
    python benchmarks/thread_quality.py --workloads adult ml-100k --epochs 20 --seeds 10
    python benchmarks/thread_quality.py --workloads rat2 --at-epoch 1

A tenth of the rows is held out, and the solvers' default settings are trained for some epochs; the loss is that of the
best epoch ("@": of the mean over seeds), or of the one that is asked for. Ratings have the root mean square error;
clicks the log loss, and differences in per cent of that of one thread. These are means over seeds, with their standard
errors: runs of one seed begin with the same parameters and see the rows in the same order. Large tables (rat5, avazu,
ctr1) are trained by no more threads than there are CPUs, and results depend on timing. adult, bike and ml-100k are
those of data_sets.py.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

import data_sets
from fastfm_ext import _engine
from fastfm_ext._engine.csr import Csr, take_rows
from fastfm_ext._engine.models import FM
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.orders import block_orders
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.losses import LOGISTIC, SQUARED
from fastfm_ext._learning.solvers.registry import solver_named
from real_data import load
from tables import markdown_table
from two_threads import N_ROWS, RATES
from workloads import Workload

SMALL_TABLES = {"adult": data_sets.adult, "bike": data_sets.bike_sharing, "ml-100k": data_sets.ml_100k}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, and print a table of losses."""
    asked = _parser().parse_args(arguments)
    headings = ["workload", "solver", "loss of one thread", *(f"{n} threads" for n in asked.threads)]
    print(markdown_table(headings, list(compare(asked))))


def compare(asked: argparse.Namespace) -> Iterator[list[str]]:
    """Yield the cells of each workload and solver: one thread's loss, what several add to it, and in which epoch."""
    for name in asked.workloads:
        workload = _workload(name, asked.share_of_rows)
        for solver in asked.solvers:
            one, *several = (
                np.array([_losses(workload, solver, n, seed, asked) for seed in range(asked.seeds)])
                for n in (1, *asked.threads)
            )
            of_one = _chosen(one, asked.at_epoch)
            yield [name, solver, _cell(f"{of_one.mean():.5f}", one, asked.at_epoch)] + [
                _cell(_difference(_chosen(losses, asked.at_epoch), of_one, workload.loss), losses, asked.at_epoch)
                for losses in several
            ]


def _workload(name: str, share_of_rows: float) -> Workload:
    if name in N_ROWS:
        return load(name, int(N_ROWS[name] * share_of_rows))[0]
    X, y = SMALL_TABLES[name](Path(os.environ["FASTFM_EXT_DATA"]), seed=0).data
    rows, values = sp.csr_array(X).astype(np.float32), np.unique(y)
    are_clicks = len(values) == 2
    targets = np.asarray(y == values[1] if are_clicks else y, dtype=np.float32)
    csr = Csr(rows.indptr.astype(np.int64), rows.indices.astype(np.int32), rows.data, rows.shape[1])
    keep = np.random.default_rng(0).permutation(csr.n_rows)[: int(csr.n_rows * share_of_rows)]
    return Workload(name, take_rows(csr, keep), targets[keep], "logistic" if are_clicks else "squared")


def _chosen(losses: NDArray[np.float64], epoch: int | None) -> NDArray[np.float64]:
    """Return the loss of each seed (row) in its best epoch, or in this one."""
    return losses.min(axis=1) if epoch is None else losses[:, epoch - 1]


def _difference(losses: NDArray[np.float64], of_one: NDArray[np.float64], kind: str) -> str:
    """Return the mean over seeds of what several threads add to the loss, and its standard error."""
    added, unit = (losses - of_one, "") if kind == "squared" else (100 * (losses / of_one - 1), " %")
    digits = 5 if kind == "squared" else 2
    error = f" ± {added.std(ddof=1) / np.sqrt(len(added)):.{digits}f}" if len(added) > 1 else ""
    return f"{added.mean():+.{digits}f}{error}{unit}"


def _cell(text: str, losses: NDArray[np.float64], epoch: int | None) -> str:
    return f"{text} @{epoch or losses.mean(axis=0).argmin() + 1}"


def _losses(
    workload: Workload, solver: str, n_threads: int, seed: int, asked: argparse.Namespace
) -> NDArray[np.float64]:
    """Return the loss on the rows held out after each epoch, as users read it."""
    n_test = workload.X.n_rows // 10
    order = np.random.default_rng(0).permutation(workload.X.n_rows)
    test, train = take_rows(workload.X, order[:n_test]), take_rows(workload.X, order[n_test:])
    y, spread = workload.y, 1.0
    if workload.loss == "squared":
        spread = float(y.std())
        y = (y - y.mean()) / np.float32(spread)
    y_test, y_train = y[order[:n_test]], y[order[n_test:]]
    losses = []
    for params in _epochs(train, y_train, workload.loss, solver, n_threads, seed, asked):
        p = _engine.predict(test, params).astype(float)
        if workload.loss == "squared":
            losses.append(spread * np.sqrt(np.mean((p - y_test) ** 2)))
        else:
            losses.append(np.mean(np.logaddexp(0.0, p) - y_test * p))
    return np.array(losses)


def _epochs(
    X: Csr, y: NDArray[np.float32], loss: str, solver: str, n_threads: int, seed: int, asked: argparse.Namespace
) -> Iterator[Parameters]:
    defaults = solver_named(solver).defaults(SQUARED if loss == "squared" else LOGISTIC)
    rate = defaults.learning_rate
    options = Options(loss, solver, rate, rate, defaults.l2_w, defaults.l2_V, defaults.init_stdev)
    rng = np.random.default_rng(seed)
    mean = float(y.mean())
    start = mean if loss == "squared" else float(np.log(mean / (1.0 - mean)))
    params = Parameters.initialise(X.n_features, asked.factors, options, start, rng, model=FM)
    hot = _engine.hot_features(X, params.record, n_threads)
    for _ in range(asked.epochs):
        for part in block_orders(X, rng, n_threads):
            _engine.train_epoch(X, y, None, part, params, options, n_threads, hot)
        yield params


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    some = ["rat2", "frappe", "rat5", "ctr1"]
    parser.add_argument("--workloads", nargs="+", choices=[*N_ROWS, *SMALL_TABLES], default=some, metavar="NAME")
    parser.add_argument("--solvers", nargs="+", choices=RATES, default=list(RATES), metavar="NAME")
    parser.add_argument("--threads", nargs="+", type=int, default=[2, 4, 8], metavar="N", help="(default: 2 4 8)")
    parser.add_argument("--factors", type=int, default=16, metavar="K", help="(default: 16)")
    parser.add_argument("--epochs", type=int, default=6, help="(default: 6)")
    parser.add_argument("--at-epoch", type=int, metavar="N", help="compare this epoch (default: each seed's best)")
    parser.add_argument("--seeds", type=int, default=3, help="(default: 3)")
    parser.add_argument("--share-of-rows", type=float, default=1.0, metavar="SHARE", help="(default: 1)")
    return parser


if __name__ == "__main__":
    main()
