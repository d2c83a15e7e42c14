"""Axes of all plots: how they are made, their colors, and how they look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastfm_ext._common.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The first two also differ in lightness, for grey print and color blindness.
PLAIN_COLOR = "#888888"
COLORS = ("#1b5e9c", "#e08214", "#5aae61", "#9970ab", "#c51b7d", "#35978f", "#111111")
POSITIVE_COLOR, NEGATIVE_COLOR = "#c0392b", "#1b5e9c"


def new_axes(width: float = 7.0, height: float = 4.2) -> Axes:
    """Return the axes of a new figure that is made without pyplot: no window opens, and the backend stays as it is."""
    figure = require("matplotlib.figure", "plot").Figure(figsize=(width, height), layout="constrained")
    axes: Axes = figure.add_subplot()
    return axes


def tidy(ax: Axes, grid: str | None = "both") -> None:
    """Leave away the frame, and put a pale grid behind what is drawn: "x", "y", "both" or None."""
    if grid is not None:
        ax.grid(visible=True, axis=grid, color="#dddddd", linewidth=0.6)  # type: ignore[arg-type]
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def shortened(text: str, most: int = 40) -> str:
    """Return a label of at most so many characters, in which a dollar is no sign of a formula."""
    return (text if len(text) <= most else text[: most - 1] + "…").replace("$", r"\$")


def in_legend(name: str) -> str:
    """Return a name for a legend, which leaves out what begins with an underscore."""
    return (" " if name.startswith("_") else "") + shortened(name)
