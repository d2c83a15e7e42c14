"""The results as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from tables import markdown_table, median_and_range, three_digits

from .measure import Result

EXPLANATION = """\
**Touch limit**: the time to walk the same rows in the same order and to load, add to and store the same bytes of the
parameters and of the optimizer's state (to predict: to load them), with nothing computed; the best of four prefetch
distances, to the first or the second cache. **Reached** is that time / the kernel's time: 1.00 would mean that the
arithmetic is free. CPU time of one thread, median of the rounds (lowest to highest); kernel and touch ran in turn.
Order *blocks* visits the rows as the estimators shuffle them, *file* from first to last.
"""


def markdown(results: Sequence[Result], notes: Sequence[str], machine: str) -> str:
    """Return the whole report."""
    parts = ["# The kernels against the touch limit", machine, EXPLANATION.rstrip(), _sources(results)]
    parts += notes
    for k in sorted({result.k for result in results}):
        of_k = [result for result in results if result.k == k]
        for task, title in (("epoch", "One training epoch"), ("predict", "Prediction")):
            parts += [f"## {title}, {k} factors", _against_touch([one for one in of_k if one.task == task])]
        if any(one.speedups for one in of_k):
            parts += [f"## Several threads, {k} factors", _threads([one for one in of_k if one.speedups])]
    return "\n\n".join(parts) + "\n"


def _sources(results: Sequence[Result]) -> str:
    lines = {one.workload: f"- {one.workload}: {one.n_rows:,} rows, {one.source}" for one in results}
    return "\n".join(lines.values())


def _against_touch(results: Sequence[Result]) -> str:
    headings = ["workload", "solver", "order", "ISA", "kernel ns/row", "touch ns/row", "M rows/s", "reached / touch"]
    rows = [
        [
            one.workload,
            one.solver,
            one.order,
            one.isa,
            three_digits(median(one.kernel_ns)),
            three_digits(median(one.touch_ns)),
            three_digits(one.million_rows_per_second),
            median_and_range(one.reached),
        ]
        for one in results
    ]
    return markdown_table(headings, rows)


def _threads(results: Sequence[Result]) -> str:
    rows = [
        [one.workload, one.solver, one.task, one.order, one.isa, str(threads), median_and_range(gains)]
        for one in results
        for threads, gains in one.speedups.items()
    ]
    headings = ["workload", "solver", "task", "order", "ISA", "threads", "times as fast as one (wall)"]
    return markdown_table(headings, rows)
