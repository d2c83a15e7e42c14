"""A picture of Recall@20 with and without the items' own terms, of all items and of popular and rare ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastfm_ext._common.extras import require

from .pairs import COSINE_OF_FACTORS, FACTORS, WHOLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLES = {
    WHOLE: {"marker": "o", "color": "#c0392b", "label": "user_vector, item_vector: the model's own ranking"},
    FACTORS: {"marker": "s", "color": "#1b5e9c", "label": "sums of factors alone"},
    COSINE_OF_FACTORS: {"marker": "x", "color": "#666666", "label": "cosine of the sums"},
}
COLUMNS = {"all": "all held-out items", "popular": "popular items", "middle": "in between", "rare": "rare items"}


def save_picture(tasks: Mapping[str, Any], file: Path) -> None:
    """Draw a row of panels for each task and a line for each model, and save them."""
    heights = [len(models) for models in tasks.values()]
    size = (12.4, 0.36 * sum(heights) + 1.1 * len(tasks) + 0.5)
    figure = require("matplotlib.figure", "plot").Figure(figsize=size, layout="constrained", dpi=120)
    rows = figure.subfigures(len(tasks), 1, height_ratios=[n + 2 for n in heights], squeeze=False)[:, 0]
    for row, (title, models) in zip(rows, tasks.items(), strict=True):
        row.suptitle(title, fontsize=11, fontweight="bold")
        for ax, (group, heading) in zip(row.subplots(1, len(COLUMNS), sharey=True), COLUMNS.items(), strict=True):
            draw(ax, models, group)
            ax.set_title(f"Recall@20, {heading}", fontsize=9)
    handles, labels = rows[0].axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(file)


def draw(ax: Axes, models: Mapping[str, Any], group: str) -> None:
    """Draw a line for each model, from the least of its recalls to the largest, with a mark for each of them."""
    places = range(len(models))
    values = {pair: [pairs[pair][group][0] for pairs in models.values()] for pair in STYLES}
    every = list(zip(*values.values(), strict=True))
    ax.hlines(places, [min(some) for some in every], [max(some) for some in every], color="#cccccc", zorder=1)
    for pair, style in STYLES.items():
        ax.scatter(values[pair], places, s=42, zorder=2, **style)  # type: ignore[arg-type]
    ax.set_yticks(places, list(models), fontsize=9)
    ax.set_ylim(len(models) - 0.5, -0.5)
    ax.set_xlim(left=0)
    ax.grid(axis="x", alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
