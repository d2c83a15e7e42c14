"""The results as pictures: rows a second, and quality against seconds of training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from fastfm_ext._common.extras import require

from .report import ORDER, OURS, QUALITIES, entries_of, target_of, throughput_of
from .runner import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OUR_COLOR = "#c0392b"
OTHER_COLORS = ("#1b5e9c", "#5aa0d8", "#2e8b57", "#8e44ad", "#e08214", "#7f6b3f", "#4d4d4d", "#17a2a2", "#b8860b")


def color_of(peer: str) -> str:
    """Return the peer's color, the same in every picture."""
    return OUR_COLOR if peer == OURS else OTHER_COLORS[(ORDER.index(peer) - 1) % len(OTHER_COLORS)]


def save_plots(results: Results, folder: Path, stem: str) -> list[Path]:
    """Write the pictures for which there are numbers; return the files."""
    files = []
    timed = [name for name in results.titles if throughput_of(results, name)]
    if timed:
        for value, title in (("epoch", "One training epoch"), ("predict", "Prediction")):
            files.append(folder / f"{stem}-{value}.png")
            _save_speed(results, timed, value, title, files[-1])
    raced = [name for name in results.titles if results.curves.get(name)]
    if raced:
        files.append(folder / f"{stem}-time-to-quality.png")
        _save_curves(results, raced, files[-1])
    return files


def _save_speed(results: Results, problems: Sequence[str], value: str, title: str, file: Path) -> None:
    n_bars = max(len(throughput_of(results, name)) for name in problems)
    size = (5.6 * len(problems), 0.36 * n_bars + 1.9)
    figure = _figure(size)
    for ax, name in zip(figure.subplots(1, len(problems), squeeze=False)[0], problems, strict=True):
        _draw_speed(ax, results, name, f"{value}_rows_per_second")
    figure.suptitle(f"{title}: rows a second, 16 factors (log scale, longer is faster)", fontsize=13)
    figure.savefig(file)


def _draw_speed(ax: Axes, results: Results, problem: str, value: str) -> None:
    speeds = {key: median(values[value]) for key, values in throughput_of(results, problem).items()}
    ordered = sorted(speeds, key=lambda key: speeds[key])
    labels = [f"{peer}, 2 threads" if threads == 2 else peer for peer, threads in ordered]
    bars = ax.barh(labels, [speeds[key] for key in ordered], color=[color_of(peer) for peer, _ in ordered])
    ax.bar_label(bars, [_rows(speeds[key]) for key in ordered], padding=3, fontsize=9)
    ax.set_xscale("log")
    ax.set_xlim(min(speeds.values()) / 3, max(speeds.values()) * 6)
    ax.set_title(results.titles[problem].replace(", ", "\n", 1), fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xlabel("rows a second")


def _rows(value: float) -> str:
    return f"{value / 1e6:.3g} M" if value >= 1e5 else f"{value / 1e3:.3g} k"


def _save_curves(results: Results, problems: Sequence[str], file: Path) -> None:
    figure = _figure((6.6 * len(problems), 5.2))
    all_axes = figure.subplots(1, len(problems), squeeze=False)[0]
    for ax, name in zip(all_axes, problems, strict=True):
        _draw_curves(ax, results, name)
    handles: dict[str, Any] = {}
    for ax in all_axes:
        handles |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle("Validation error against seconds of training, one thread (left and low is better)", fontsize=13)
    figure.savefig(file)


def _draw_curves(ax: Axes, results: Results, problem: str) -> None:
    curves = entries_of(results, problem)
    for peer, rounds in curves.items():
        curve = sorted(rounds, key=lambda one: one[-1][0])[len(rounds) // 2]
        seconds, values = zip(*curve, strict=True)
        width = 2.6 if peer == OURS else 1.5
        ax.plot(seconds, values, marker="o", markersize=3.5, linewidth=width, color=color_of(peer), label=peer)
    ax.set_xscale("log")
    _show_what_matters(ax, [rounds[0] for rounds in curves.values()])
    target = target_of(results, problem)
    if target is not None:
        ax.axhline(target, color="#555555", linestyle="--", linewidth=1)
        ax.annotate(
            f"modern-fm's best: {target:.4f}",
            (0.4, target),
            xycoords=("axes fraction", "data"),
            xytext=(0, -4),
            textcoords="offset points",
            va="top",
            fontsize=9,
            color="#555555",
        )
    ax.set_title(results.titles[problem].replace(", ", "\n", 1), fontsize=10)
    ax.set_xlabel("seconds of training (log scale)")
    ax.set_ylabel(f"validation {QUALITIES[results.losses[problem]]}")
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)


def _show_what_matters(ax: Axes, curves: Sequence[Sequence[Sequence[float]]]) -> None:
    """Cut off the first epochs of slow starters, which would press all else into a line."""
    bests = [min(value for _, value in curve) for curve in curves]
    low, high = min(bests), max(bests)
    span = high - low or low
    ax.set_ylim(low - 0.12 * span, max(high + 0.35 * span, 1.12 * low))


def _figure(size: tuple[float, float]) -> Any:
    return require("matplotlib.figure", "plot").Figure(figsize=size, layout="constrained", dpi=130)
