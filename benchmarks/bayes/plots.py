"""Pictures of the curves that ``benchmarks.bayes.quality`` has kept: RMSE, or log loss, against CPU seconds.

python -m benchmarks.bayes.plots ml-1m --held-out test --picture docs/figures/bayes-time-to-quality.png
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fastfm_ext._common.extras import require

from .curves import MYFM, Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = {"rmse": "RMSE, predictions clipped to 1 to 5", "log_loss": "log loss"}
COLORS = ("#1b5e9c", "#e08214", "#5aae61", "#9970ab", "#c51b7d", "#35978f")
MYFM_COLORS = ("#111111", "#777777", "#b0b0b0")
# The first sweeps lie far above all that is of interest.
MOST_ABOVE_BEST = 0.06


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=["ml-1m", "ml-100k", "frappe"])
    parser.add_argument("--held-out", choices=["validation", "test"], default="validation")
    parser.add_argument("--curves", type=Path, default=Path("build/bayes"), help="folder of the curves")
    parser.add_argument("--picture", type=Path, required=True)
    asked = parser.parse_args(arguments)
    curves = [
        curve for curve in Curve.read_all(asked.curves) if curve.data == asked.data and curve.held_out == asked.held_out
    ]
    if not curves:
        raise SystemExit(f"{asked.curves} has no curves of {asked.data}, {asked.held_out} rows: run quality first")
    figure = require("matplotlib.figure", "plot").Figure(figsize=(8.4, 4.8), layout="constrained", dpi=130)
    draw(figure.subplots(), curves)
    figure.savefig(asked.picture)
    print("written:", asked.picture)


def draw(ax: Axes, curves: Sequence[Curve]) -> None:
    """Draw one line for each curve, from the first average to the last."""
    name = "rmse" if "rmse" in curves[0].points[0] else "log_loss"
    best = min(point[name] for curve in curves for point in curve.points)
    colors = {True: iter(MYFM_COLORS), False: iter(COLORS)}
    for curve in sorted(curves, key=lambda curve: curve.points[-1][name], reverse=True):
        is_peer = curve.library == MYFM
        points = [point for point in curve.points if point[name] <= (1 + MOST_ABOVE_BEST) * best]
        seconds, errors = ([point[key] for point in points] for key in ("seconds", name))
        style = "--" if is_peer else "-"
        last = curve.points[-1]
        label = f"{curve.title}: {last[name]:.4f} after {last['sweeps']:.0f} sweeps"
        ax.plot(seconds, errors, style, color=next(colors[is_peer]), label=label)
    ax.set_xscale("log")
    ticker = require("matplotlib.ticker", "plot")
    ax.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(ticker.NullFormatter())
    ax.set_xlabel("CPU seconds of sweeps, one thread")
    ax.set_ylabel(NAMES[name])
    ax.grid(axis="y", color="#dddddd", linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8)


if __name__ == "__main__":
    main()
