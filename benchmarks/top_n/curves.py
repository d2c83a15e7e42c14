"""Quality against CPU seconds of training: measured on validation choices, kept as JSON, drawn as a picture.

    python -m benchmarks.top_n.curves measure gowalla         needs minutes; `--only` names contenders
    python -m benchmarks.top_n.curves draw gowalla --picture docs/figures/ranking-time-to-quality.png

Step sizes of a cosine softmax fall over its epochs, so each of its points is a training of its own; so is each of least
squares. Other models are measured on their way.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, os.fspath(Path(__file__).resolve().parent.parent))
from fastfm_ext import FMRanker
from fastfm_ext._common.extras import require
from peers.environments import default_home
from top_n.contenders import CONTENDERS, Contender
from top_n.fits import OURS, fit_ours, fit_peer
from top_n.protocols import PROTOCOLS, Protocol, validation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EPOCHS = {
    "cosine softmax": (3, 8, 15, 30),
    "least squares": (1, 2, 4, 8),
    "implicit, ALS": (1, 2, 4, 8),
    "implicit, BPR": (8, 15, 30, 60, 100),
}
OTHER_EPOCHS = (1, 3, 8, 15, 25)
OUR_COLORS = ("#c0392b", "#7b241c", "#e59866", "#e67e22", "#af601a", "#f1948a", "#d98880")
OTHER_COLORS = ("#1b5e9c", "#5aa0d8", "#2e8b57", "#8e44ad", "#4d4d4d")

Point = tuple[float, float]  # CPU seconds, the first measure


def points(protocol: Protocol, contender: Contender, home: Path) -> Iterator[Point]:
    """Yield a point after each of some numbers of epochs."""
    epochs = next((n for name, n in EPOCHS.items() if contender.title.startswith(name)), OTHER_EPOCHS)
    if contender.library != OURS:
        settings = contender.settings | {"epochs": list(epochs)}
        for _, outcome in fit_peer(protocol, contender.library, settings, 0, home):
            yield outcome.seconds, outcome.values[0]
    elif epochs is OTHER_EPOCHS:
        yield from _on_the_way(protocol, contender.settings, epochs)
    else:
        for n in epochs:
            outcome = fit_ours(protocol, contender.settings | {"max_iter": n, "n_iter_no_change": n}, 0, 1)
            yield outcome.seconds, outcome.values[0]


def _on_the_way(protocol: Protocol, settings: dict[str, Any], epochs: tuple[int, ...]) -> Iterator[Point]:
    model, seconds = FMRanker(**settings, random_state=0), 0.0
    for epoch in range(1, max(epochs) + 1):
        started = time.process_time()
        model.partial_fit(*protocol.sides)
        seconds += time.process_time() - started
        if epoch in epochs:
            vectors = model.user_vector(protocol.X_user), model.item_vector(protocol.ranked)
            yield seconds, protocol.measure(*vectors)[0]


def draw(ax: Axes, curves: dict[str, list[Point]], ours: set[str]) -> None:
    """Draw a line for each contender, the best in the end first."""
    colors = {True: iter(OUR_COLORS), False: iter(OTHER_COLORS)}
    for title, curve in sorted(curves.items(), key=lambda one: -max(value for _, value in one[1])):
        is_ours = title in ours
        style = {"linewidth": 2.2 if is_ours else 1.4, "linestyle": "-" if is_ours else "--"}
        label = f"{title}: {max(value for _, value in curve):.3f}"
        ax.plot(
            *zip(*curve, strict=True), marker="o", markersize=3.5, color=next(colors[is_ours]), label=label, **style
        )
    ax.set_xscale("log")
    ticker = require("matplotlib.ticker", "plot")
    ax.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(ticker.NullFormatter())
    ax.set_ylim(bottom=0)
    ax.set_xlabel("CPU seconds of training, one thread")
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


def main() -> None:
    """Measure, or draw what has been measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["measure", "draw"])
    parser.add_argument("protocol", choices=CONTENDERS)
    parser.add_argument("--only", nargs="+", default=[""], help="parts of the titles of contenders")
    parser.add_argument("--curves", type=Path, default=Path("build/top_n"), help="folder of the curves")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--home", type=Path, default=default_home(), help="folder of the libraries' environments")
    asked = parser.parse_args()
    file = asked.curves / f"{asked.protocol}.json"
    curves: dict[str, list[Point]] = json.loads(file.read_text()) if file.exists() else {}
    everybody = CONTENDERS[asked.protocol]
    if asked.what == "measure":
        protocol = validation(PROTOCOLS[asked.protocol](Path(os.environ["FASTFM_EXT_DATA"]), 0))
        asked.curves.mkdir(parents=True, exist_ok=True)
        for contender in everybody:
            if "default" in contender.title or not any(part in contender.title for part in asked.only):
                continue
            curves[contender.title] = list(points(protocol, contender, asked.home))
            print(contender.title, [(round(s, 1), round(value, 4)) for s, value in curves[contender.title]], flush=True)
            file.write_text(json.dumps(curves, indent=1))
        return
    figure = require("matplotlib.figure", "plot").Figure(figsize=(9.6, 4.8), layout="constrained", dpi=130)
    ax = figure.subplots()
    draw(ax, curves, {one.title for one in everybody if one.library == OURS})
    metric = validation(PROTOCOLS[asked.protocol](Path(os.environ["FASTFM_EXT_DATA"]), 0)).metrics[0]
    ax.set_ylabel(f"{metric}, held-out training choices")
    ax.set_title(f"{asked.protocol}: quality against time of training", fontsize=11)
    figure.savefig(asked.picture or file.with_suffix(".png"))


if __name__ == "__main__":
    main()
