"""The results as a picture: how much of the memory's speed each workload reaches, and what a second thread adds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING

from fastfm_ext._common.extras import require

from .measure import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SOLVERS = {
    "sgd": ("SGD", "#1b5e9c"),
    "adagrad": ("AdaGrad", "#e08214"),
    "ftrl": ("FTRL", "#5aae61"),
    "adam": ("Adam", "#8073ac"),
}
OTHER_COLOR = "#888888"

WORKLOADS = {
    "rat2": "ratings\n2 nonzeros a row",
    "rat5": "ratings, genres\n5 nonzeros a row",
    "frappe": "app usage\n10 nonzeros a row",
    "avazu": "clicks, 22 nonzeros\n1 M features",
    "ctr1": "clicks, 39 nonzeros\n1 M features",
    "ctr10": "clicks, 39 nonzeros\n10 M features",
}


def save_plots(results: Sequence[Result], folder: Path) -> list[Path]:
    """Draw one PNG for each number of factors, of the first ISA and the rows in random order; return the files."""
    files = []
    for k in sorted({one.k for one in results}):
        shown = [one for one in results if one.k == k and one.isa == results[0].isa]
        epochs = [one for one in shown if one.task == "epoch" and one.order == "blocks"]
        predictions = [one for one in shown if one.task == "predict"]
        files.append(folder / f"limit-k{k}.png")
        _save(epochs, predictions, k, files[-1])
    return files


def _save(epochs: Sequence[Result], predictions: Sequence[Result], k: int, file: Path) -> None:
    panels: list[Callable[[Axes], None]] = [
        lambda ax: _draw_reached(ax, epochs, "One training epoch"),
        lambda ax: _draw_reached(ax, predictions, "Prediction"),
    ]
    if any(2 in one.speedups for one in epochs):
        panels.append(lambda ax: _draw_two_threads(ax, epochs))
    n_bars = max(len(epochs), len(predictions))
    size = (4.6 * len(panels) + 1.4, 0.34 * n_bars + 2.3)
    figure = require("matplotlib.figure", "plot").Figure(figsize=size, layout="constrained", dpi=130)
    all_axes = figure.subplots(1, len(panels), sharey=False, squeeze=False)[0]
    for ax, draw in zip(all_axes, panels, strict=True):
        draw(ax)
    figure.suptitle(f"How much of the memory's speed the kernels reach: {k} factors, {epochs[0].isa}", fontsize=13)
    handles, labels = all_axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)
    figure.savefig(file)


def _draw_reached(ax: Axes, results: Sequence[Result], title: str) -> None:
    values = [100 * median(one.reached) for one in results]
    _draw_bars(ax, results, values, [f"{value:.0f} %" for value in values])
    right = max(103.0, 1.03 * max(values))
    for place, one in zip(_places(results), results, strict=True):
        ax.text(right, place, _rate(one), va="center", fontsize=8)
    ax.axvline(100, color="#333333", linewidth=1.2)
    ax.set_xlim(0, 1.3 * right)
    ax.set_xticks([0, 20, 40, 60, 80, 100])
    ax.set_title(f"{title}, one thread", fontsize=11)
    ax.set_xlabel("% of the rows a second at which memory alone\ncould deliver rows and parameters (line: 100 %)")


def _draw_two_threads(ax: Axes, results: Sequence[Result]) -> None:
    threaded = [one for one in results if 2 in one.speedups]
    values = [median(one.speedups[2]) for one in threaded]
    _draw_bars(ax, threaded, values, [f"{value:.2f}" for value in values])
    ax.axvline(1, color="#333333", linewidth=1.2)
    ax.set_xlim(0, max(2.1, 1.1 * max(values)))
    ax.set_title("Two threads, one training epoch", fontsize=11)
    ax.set_xlabel("times as fast as one thread, by the clock\n(line: no gain)")


def _draw_bars(ax: Axes, results: Sequence[Result], values: Sequence[float], labels: Sequence[str]) -> None:
    places = _places(results)
    for solver in dict.fromkeys(one.solver for one in results):
        name, color = SOLVERS.get(solver, (solver, OTHER_COLOR))
        chosen = [number for number, one in enumerate(results) if one.solver == solver]
        lengths = [values[number] for number in chosen]
        ax.barh([places[number] for number in chosen], lengths, height=0.86, color=color, label=name)
    # At the foot of the bar, where no other bar's end is near.
    foot = 0.015 * max(values)
    for place, label in zip(places, labels, strict=True):
        ax.text(foot, place, label, va="center", fontsize=8, color="white", fontweight="bold")
    by_workload: dict[str, list[float]] = {}
    for place, one in zip(places, results, strict=True):
        by_workload.setdefault(one.workload, []).append(place)
    names = [WORKLOADS.get(workload, workload) for workload in by_workload]
    ax.set_yticks([fmean(rows) for rows in by_workload.values()], names, fontsize=8)
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.spines[["top", "right", "left"]].set_visible(False)


def _places(results: Sequence[Result]) -> list[float]:
    """Return where each bar stands: one below the other, with a gap between workloads."""
    place, places = -1.0, []
    for before, one in zip([None, *results], results, strict=False):
        place += 1.0 if before is None or before.workload == one.workload else 1.6
        places.append(place)
    return places


def _rate(result: Result) -> str:
    rate = result.million_rows_per_second
    return f"{rate:.0f} M rows/s" if rate >= 10 else f"{rate:.1f} M rows/s"
