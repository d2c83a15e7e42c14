"""Seconds a sweep: ours against myFM's, several threads against one, and each instruction set against the fastest.

    python -m benchmarks.bayes.sweeps                       some ten minutes
    python -m benchmarks.bayes.sweeps --jobs ids-16 --rounds 3

All sides sweep in turn in one run, myFM in a process that waits for its turn. CPU time of the sweeping thread, which
for several threads is replaced by the clock on the wall; of ratios the median over the rounds. The data is read from
the folder that FASTFM_EXT_DATA names; myFM gets an environment of its own, as the peers of ``benchmarks.peers`` do.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from fastfm_ext import _engine
from in_turn import time_in_turn
from tables import markdown_table, median_and_range, three_digits

from .chains import ChainOptions, HeldOutChain
from .frappe import frappe
from .movielens import movielens_1m
from .myfm_peer import Job, MyFm
from .rows import Rows

OUR_SWEEPS = 3  # to one of myFM, which takes much longer


class Task(NamedTuple):
    """Rows to sweep over, and the chain."""

    title: str
    read: Callable[[], Rows]
    options: ChainOptions


def _ml_1m(features: str, n_factors: int, form: str = "fm") -> Task:
    title = f"MovieLens 1M, {features}, k = {n_factors}" + (f', form="{form}"' if features != "ids" else "")
    return Task(title, lambda: movielens_1m(features, "test"), ChainOptions(n_factors, form))


TASKS = {
    "ids-16": _ml_1m("ids", 16),
    "ids-32": _ml_1m("ids", 32),
    "ids-64": _ml_1m("ids", 64),
    "implicit-16-fm": _ml_1m("side+implicit", 16),
    "implicit-16-centered": _ml_1m("side+implicit", 16, "centered"),
    "frappe-32": Task("Frappe, probit, k = 32", lambda: frappe("test"), ChainOptions(32)),
}


@threadpool_limits.wrap(limits=1, user_api="blas")
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", nargs="+", choices=TASKS, default=list(TASKS), help="what to sweep over")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--parts", nargs="+", choices=["myfm", "threads", "isa"], default=["myfm", "threads", "isa"])
    asked = parser.parse_args(arguments)
    tables: dict[str, list[list[str]]] = {part: [] for part in asked.parts}
    parts = {"myfm": against_myfm, "threads": against_two_threads, "isa": against_other_isas}
    for name in asked.jobs:
        task = TASKS[name]
        rows = task.read()
        for part in asked.parts:
            tables[part].append([task.title, *parts[part](rows, task.options, asked.rounds)])
            print(*tables[part][-1], sep=" | ", flush=True)
    headings = {
        "myfm": ["sweep", "ours, ms", "myFM, ms", "myFM / ours"],
        "threads": ["sweep", "1 thread, ms", "2 threads, ms", "1 thread / 2 threads", "same bits"],
        "isa": [
            "sweep",
            *(f"{isa}, ms" for isa in _engine.supported_isas()),
            *(f"{isa}, times as long" for isa in _engine.supported_isas()[1:]),
        ],
    }
    for part, cells in tables.items():
        print(f"\n{markdown_table(headings[part], cells)}")


def against_myfm(rows: Rows, options: ChainOptions, n_rounds: int) -> list[str]:
    """Return the milliseconds of both, and their ratio."""
    chain, ours, theirs = HeldOutChain(rows, options), [], []
    with MyFm(Job(rows, options.n_factors, n_rounds + 1)) as peer:
        for _ in range(n_rounds + 1):
            theirs.append(peer.sweep()["seconds"])
            ours.append(median(chain.sweep() for _ in range(OUR_SWEEPS)))
    return _compared(ours[1:], theirs[1:])


def _compared(ours: Sequence[float], theirs: Sequence[float]) -> list[str]:
    ratios = [slow / fast for slow, fast in zip(theirs, ours, strict=True)]
    return [three_digits(1e3 * median(ours)), three_digits(1e3 * median(theirs)), median_and_range(ratios)]


def against_two_threads(rows: Rows, options: ChainOptions, n_rounds: int) -> list[str]:
    """Return the milliseconds by the clock with one thread and two, their ratio, and whether the chains are one."""
    chains = [HeldOutChain(rows, replace(options, n_threads=n_threads)) for n_threads in (1, 2)]
    times = time_in_turn({number: chain.chain.sweep for number, chain in enumerate(chains)}, n_rounds)
    one, two = (chain.chain.parameters() for chain in chains)
    is_same = one.w0 == two.w0 and np.array_equal(one.w, two.w) and np.array_equal(one.V, two.V)
    of_two, of_one, ratio = _compared(times[1].wall, times[0].wall)
    return [of_one, of_two, ratio, "yes" if is_same else "no"]


def against_other_isas(rows: Rows, options: ChainOptions, n_rounds: int) -> list[str]:
    """Return the milliseconds with each instruction set, and how many times as long those after the fastest take."""
    fastest, *others = _engine.supported_isas()
    chain = HeldOutChain(rows, options)

    def sweep_with(isa: str) -> None:
        _engine.use_isa(isa)
        chain.chain.sweep()

    in_use = _engine.isa_in_use()
    try:
        times = time_in_turn({isa: lambda isa=isa: sweep_with(isa) for isa in (fastest, *others)}, n_rounds)
    finally:
        _engine.use_isa(in_use)
    seconds = [three_digits(1e3 * median(of.cpu)) for of in times.values()]
    return seconds + [_compared(times[fastest].cpu, times[isa].cpu)[2] for isa in others]


if __name__ == "__main__":
    main()
