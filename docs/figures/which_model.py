"""The decision picture of the page "Which model when".

python docs/figures/which_model.py
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

QUESTION, ANSWER, LINE = "#eef2f7", "#dcefe3", "#5b6b7d"
WIDTH, HEIGHT = 2.4, 0.52


class Branch(NamedTuple):
    """What leads from the kind of the target to a model, and the model where more is wanted."""

    target: str
    model: str
    wish: str
    other: str


BRANCHES = (
    Branch("a number", "FMRegressor", "with a std; ratings", "BayesianFMRegressor"),
    Branch("a class", "FMClassifier", "few rows; many ids", "BayesianFMClassifier"),
    Branch("either, in a stream", "fit_stream, partial_fit", "", ""),
    Branch("classes in an order", "BayesianFMOrdinalClassifier", "", ""),
    Branch("a list of items", "FMRecommender", "rows of your own; contexts", "FMRanker"),
)


def box(axes: Axes, x: float, y: float, text: str, color: str, width: float = WIDTH, *, code: bool = False) -> None:
    """Draw a box with a text, whose left edge is in the middle of its height at (x, y)."""
    axes.add_patch(plt.Rectangle((x, y - HEIGHT / 2), width, HEIGHT, facecolor=color, edgecolor=LINE, linewidth=0.8))
    font = {"family": "monospace", "size": 8.5} if code else {"size": 9.5}
    axes.text(x + width / 2, y, text, ha="center", va="center", **font)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw an arrow."""
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": LINE, "shrinkA": 0, "shrinkB": 0})


def draw(path: Path) -> None:
    """Draw a row for each kind of target, and save the picture."""
    figure, axes = plt.subplots(figsize=(9.6, 3.9), layout="constrained")
    tops = [float(len(BRANCHES) - 1 - row) for row in range(len(BRANCHES))]
    middle = sum(tops) / len(tops)
    box(axes, 0, middle, "What is predicted?", QUESTION, 1.7)
    for branch, y in zip(BRANCHES, tops, strict=True):
        axes.plot([1.7, 1.95, 1.95], [middle, middle, y], color=LINE, linewidth=1)
        arrow(axes, (1.95, y), (2.2, y))
        box(axes, 2.2, y, branch.target, QUESTION, 1.75)
        arrow(axes, (3.95, y), (4.3, y))
        box(axes, 4.3, y, branch.model, ANSWER, code=True)
        if branch.other:
            arrow(axes, (4.3 + WIDTH, y), (8.75, y))
            axes.text(7.7, y + 0.08, branch.wish, ha="center", va="bottom", size=8.5, color="0.25")
            box(axes, 8.75, y, branch.other, ANSWER, code=True)
    axes.set_xlim(-0.05, 8.8 + WIDTH)
    axes.set_ylim(-0.4, max(tops) + 0.4)
    axes.axis("off")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    draw(Path(__file__).with_name("which-model.png"))
