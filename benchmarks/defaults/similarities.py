"""Cosines beside inner products, each by default settings, on training choices that are held out of each data set."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fastfm_ext import FMRanker
from tables import markdown_table
from top_n.protocols import PROTOCOLS, Protocol, validation

from . import rankings

K = 20


def of_choices(read: Callable[[Path], rankings.Choices]) -> Callable[[Path], Protocol]:
    """Return the protocol of a data set of choices."""

    def protocol(data: Path) -> Protocol:
        choices = read(data)
        return Protocol(*choices[:3], choices.test, K)

    return protocol


PARTS: dict[str, Callable[[Path], Protocol]] = {
    **{name: of_choices(read) for name, read in rankings.DATA_SETS.items() if name != "frappe"},
    "ml-100k, hidden films": lambda data: PROTOCOLS["cold-start"](data, 0),
    "frappe, by context": lambda data: PROTOCOLS["frappe"](data, 0),
    "lastfm, by context": lambda data: PROTOCOLS["lastfm"](data, 0),
    "ml-1m": lambda data: PROTOCOLS["ml-1m"](data, 0),
    "gowalla": lambda data: PROTOCOLS["gowalla"](data, 0),
}


def compare_similarities(data: Path, factors: int, seeds: list[int], names: list[str]) -> None:
    """Print both measures and CPU seconds of either similarity for each data set, means over the seeds."""
    lines = []
    for name in names or PARTS:
        whole = PARTS[name](data)
        line = [name]
        for similarity in ("cosine", "dot"):
            found = [_of_default(validation(whole, seed), factors, similarity, seed) for seed in seeds]
            first, second, seconds = np.mean(found, axis=0)
            line += [f"{first:.4f} / {second:.4f}", f"{seconds:.1f}"]
        lines.append([line[0], validation(whole).metrics[0], *line[1:]])
        print(" | ".join(lines[-1]), flush=True)
    print(f"\n{factors} factors, mean over {len(seeds)} seeds\n")
    print(markdown_table(["data", "with NDCG, of", "cosine", "CPU s", "dot", "CPU s"], lines))


def _of_default(protocol: Protocol, factors: int, similarity: str, seed: int) -> tuple[float, float, float]:
    started = time.process_time()
    model = FMRanker(factors, similarity=similarity, random_state=seed).fit(*protocol.sides)
    seconds = time.process_time() - started
    return *protocol.measure(model.user_vector(protocol.X_user), model.item_vector(protocol.ranked)), seconds
