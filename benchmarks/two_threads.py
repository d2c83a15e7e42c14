"""Several threads against one: wall time of a training epoch, for each workload and solver.

    python benchmarks/two_threads.py                       # a minute
    python benchmarks/two_threads.py --append runs.json    # the same, kept; again at other minutes
    python benchmarks/two_threads.py --report runs.json    # the table of all runs that were kept
    python benchmarks/two_threads.py --one-core            # where threads have one core between them
    python benchmarks/two_threads.py --model ffm --factors 4 --workloads frappe ctr1 --solvers adagrad

Rows come in random order. One thread, several that train one model, and several that each train a
model of their own on a share of the rows take turns. The last is what the machine gives to threads that have nothing to
do with each other: two hyperthreads of a core give far less than two cores. A run's figure is the median over its
rounds of wall time of one thread / wall time of several.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastfm_ext import _engine
from fastfm_ext._engine.models import FFM, FM, FWFM, NO_FIELDS
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.orders import block_orders
from fastfm_ext._engine.parameters import Parameters
from limit.measure import fields_of
from real_data import load
from tables import markdown_table, median_and_range
from workloads import Workload

N_ROWS = {"rat2": 1_000_209, "frappe": 202_005, "rat5": 2**20, "avazu": 2**19, "ctr1": 2**19}
RATES = {"sgd": 0.01, "adagrad": 0.05, "ftrl": 0.05}
MODELS = {"fm": FM, "ffm": FFM, "fwfm": FWFM}


@dataclass(frozen=True)
class Run:
    """One workload and solver in one run: medians over its rounds, as times as fast as one thread.

    Attributes
    ----------
    together : float
        Threads that train one model.
    apart : float
        Threads that each train a model of their own on a share of the rows.
    """

    workload: str
    solver: str
    threads: int
    together: float
    apart: float
    model: str = "fm"
    factors: int = 16


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print, or print what was measured before."""
    asked = _parser().parse_args(arguments)
    if asked.report:
        print(report([Run(**one) for one in json.loads(asked.report.read_text())]))
        return
    if asked.one_core:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    runs = list(measure(asked))
    print(report(runs))
    if asked.append:
        before = json.loads(asked.append.read_text()) if asked.append.exists() else []
        asked.append.write_text(json.dumps(before + [asdict(run) for run in runs], indent=1))


def measure(asked: argparse.Namespace) -> Iterator[Run]:
    """Time one thread and several in turn on each workload by each solver."""
    for name in asked.workloads:
        workload, _ = load(name, int(N_ROWS[name] * asked.share_of_rows))
        for solver in asked.solvers:
            times = np.array(list(_rounds(workload, solver, asked)))
            together, apart = np.median(times[:, :1] / times[:, 1:], axis=0).tolist()
            yield Run(name, solver, asked.threads, together, apart, asked.model, asked.factors)


def _rounds(workload: Workload, solver: str, asked: argparse.Namespace) -> Iterator[list[float]]:
    """Yield the seconds of one thread, of several together and of several apart; after a round to warm up."""
    model, rate, threads = MODELS[asked.model], RATES[solver], asked.threads
    options = Options(workload.loss, solver, rate, rate, 1e-4, 1e-4, 0.05, learning_rate_R=rate, model=model)
    order = np.concatenate(list(block_orders(workload.X, np.random.default_rng(0))))
    fields = NO_FIELDS if model is FM else fields_of(workload)

    def epoch_by(n_threads: int, visits: NDArray[np.int64]) -> Callable[[], object]:
        X, y, rng = workload.X, workload.y, np.random.default_rng(0)
        start = X.n_features, asked.factors, options, float(y.mean()), rng
        params = Parameters.initialise(*start, model=model, fields=fields)
        hot = _engine.hot_features(X, params.record, n_threads)
        return partial(_engine.train_epoch, X, y, None, visits, params, options, n_threads, hot)

    with ThreadPoolExecutor(threads) as pool:
        shares = [epoch_by(1, visits) for visits in np.array_split(order, threads)]
        contenders = epoch_by(1, order), epoch_by(threads, order), lambda: list(pool.map(lambda run: run(), shares))
        for turn in range(1 + asked.rounds):
            seconds = [_seconds(run) for run in contenders]
            if turn:
                yield seconds


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def report(runs: Sequence[Run]) -> str:
    """Return a table of the medians of each workload and solver over runs, and their ranges."""

    def kind(run: Run) -> tuple[str, int, str, str, int]:
        return run.model, run.factors, run.workload, run.solver, run.threads

    places = list(dict.fromkeys(map(kind, runs)))
    rows = []
    for place, group in groupby(sorted(runs, key=lambda run: places.index(kind(run))), key=kind):
        of_place = list(group)
        figures = [[run.together for run in of_place], [run.apart for run in of_place]]
        rows.append([*map(str, place), str(len(of_place)), *map(median_and_range, figures)])
    headings = ["model", "k", "workload", "solver", "threads", "runs", "together, times as fast as one", "apart"]
    return markdown_table(headings, rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", nargs="+", choices=N_ROWS, default=list(N_ROWS), metavar="NAME")
    parser.add_argument("--solvers", nargs="+", choices=RATES, default=list(RATES), metavar="NAME")
    parser.add_argument("--model", choices=MODELS, default="fm", help="(default: fm)")
    parser.add_argument("--factors", type=int, default=16, metavar="K", help="(default: 16)")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="(default: 2)")
    parser.add_argument("--rounds", type=int, default=11, help="rounds after the one to warm up (default: 11)")
    parser.add_argument("--share-of-rows", type=float, default=1.0, metavar="SHARE", help="(default: 1)")
    parser.add_argument("--one-core", action="store_true", help="let all threads run on one core")
    parser.add_argument("--append", type=Path, metavar="FILE", help="a JSON file of runs to add this one to")
    parser.add_argument("--report", type=Path, metavar="FILE", help="a JSON file of runs to print, and nothing else")
    return parser


if __name__ == "__main__":
    main()
