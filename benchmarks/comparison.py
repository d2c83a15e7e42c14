"""Two ways to do one job, timed in turn, and the table of their ratios.

A machine's speed drifts: other programs come and go, and the clock rate follows. Two times taken minutes apart differ
for reasons of their own; two times taken within the same second share them, and their ratio holds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

# CPU time leaves out the moments in which other programs have the core. By the wall clock a busy machine interrupts the
# slower side more often than the other, and the ratio rises. Windows counts CPU time in steps too coarse for this.
TIMER = time.perf_counter if sys.platform == "win32" else time.process_time
TIME_MEASURED = "wall time" if TIMER is time.perf_counter else "CPU time"

HEADINGS = ("workload", "k", "task", "kernel ns/row", "NumPy ns/row", "ratio", "lowest to highest")
ALIGNMENT = (":--", "--:", ":--", "--:", "--:", "--:", ":--")


@dataclass(frozen=True)
class Side:
    """One of the two ways: a call, and the number of rows that it works through."""

    run: Callable[[], object]
    n_rows: int


@dataclass(frozen=True)
class Comparison:
    """Times of both sides in ns a row, one entry for each round."""

    workload: str
    k: int
    task: str
    kernel_ns: tuple[float, ...]
    numpy_ns: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """How many times longer NumPy took, in every round."""
        return [slow / fast for slow, fast in zip(self.numpy_ns, self.kernel_ns, strict=True)]

    def cells(self) -> tuple[str, ...]:
        """Return the values of a row of the table, as `HEADINGS` names them."""
        return (
            self.workload,
            str(self.k),
            self.task,
            _three_digits(median(self.kernel_ns)),
            _three_digits(median(self.numpy_ns)),
            _three_digits(median(self.ratios)),
            f"{_three_digits(min(self.ratios))} to {_three_digits(max(self.ratios))}",
        )


# What the fixture `compare` gives to a test: called with workload, k, task, kernel and NumPy.
Compare = Callable[[str, int, str, Side, Side], None]


def time_in_turn(benchmark: Any, kernel: Side, numpy: Side, rounds: int) -> tuple[list[float], list[float]]:
    """Run NumPy, kernel, NumPy, kernel, ... after one round to warm up; return both sides' times in ns a row.

    Parameters
    ----------
    benchmark : pytest_benchmark.fixture.BenchmarkFixture
        Times the kernel with `TIMER`, for its own table and files. It calls the setup before each round and doesn't
        count its time, which is where NumPy has its turn.
    kernel, numpy : Side
    rounds : int

    Returns
    -------
    kernel_ns, numpy_ns : list of float
        One entry for each round; both empty under ``--benchmark-disable``.
    """
    numpy_seconds: list[float] = []

    def numpy_turn() -> None:
        start = TIMER()
        numpy.run()
        numpy_seconds.append(TIMER() - start)

    benchmark.pedantic(kernel.run, setup=numpy_turn, rounds=rounds, warmup_rounds=1)
    if benchmark.stats is None:
        return [], []
    kernel_ns = [1e9 * seconds / kernel.n_rows for seconds in benchmark.stats.stats.data]
    numpy_ns = [1e9 * seconds / numpy.n_rows for seconds in numpy_seconds[-rounds:]]
    return kernel_ns, numpy_ns


def markdown_table(comparisons: Sequence[Comparison]) -> list[str]:
    """Return the lines of a Markdown table by workload and task, padded so that it reads well as plain text too."""
    workloads = [comparison.workload for comparison in comparisons]
    tasks = [comparison.task for comparison in comparisons]
    ordered = sorted(comparisons, key=lambda one: (workloads.index(one.workload), tasks.index(one.task)))
    rows = [HEADINGS, *(comparison.cells() for comparison in ordered)]
    # Two at least: a rule of one character, as below "k", would not be Markdown.
    widths = [max(2, *(len(row[column]) for row in rows)) for column in range(len(HEADINGS))]
    rule = [mark.replace("--", "-" * (width - 1)) for mark, width in zip(ALIGNMENT, widths, strict=True)]
    lines = [_padded(row, widths) for row in rows]
    return [lines[0], f"| {' | '.join(rule)} |", *lines[1:]]


def _padded(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = [
        cell.rjust(width) if mark.endswith(":") else cell.ljust(width)
        for cell, width, mark in zip(cells, widths, ALIGNMENT, strict=True)
    ]
    return f"| {' | '.join(aligned)} |"


def _three_digits(value: float) -> str:
    """Return the value to three significant digits, or to a whole number from 100 on."""
    decimals = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:,.{decimals}f}"
