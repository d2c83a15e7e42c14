"""Tables of contenders: the measures on test choices over seeds, or a search on validation choices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from peers.environments import NotInstalledError
from tables import markdown_table

from .contenders import Contender
from .fits import OURS, Outcome, fit_ours, fit_peer
from .protocols import PROTOCOLS, Protocol, validation

SEARCH_EPOCHS = [5, 15, 30, 60]  # of other libraries


def outcomes(
    protocol: Protocol, contender: Contender, seed: int, n_jobs: int, home: Path, **measuring: Any
) -> list[tuple[int, Outcome]]:
    """Train once; return what comes out after each of the numbers of epochs that the settings name."""
    if contender.library == OURS:
        return [(0, fit_ours(protocol, contender.settings, seed, n_jobs, **measuring))]
    return list(fit_peer(protocol, contender.library, contender.settings, seed, home, **measuring))


def compare(
    name: str,
    folder: Path,
    contenders: Sequence[Contender],
    seeds: Sequence[int],
    n_jobs: int,
    home: Path,
    masked: bool,
) -> None:
    """Print mean and standard deviation of the contenders on test choices, and the mean of their CPU seconds."""
    lines, metrics = [], ("", "")
    for contender in contenders:
        found = []
        for seed in seeds:
            protocol = PROTOCOLS[name](folder, seed)
            metrics = protocol.metrics
            try:
                outcome = outcomes(protocol, contender, seed, n_jobs, home, masked=masked)[-1][1]
            except NotInstalledError as error:
                print(f"{contender.title}: left out, {error}", flush=True)
                break
            found.append(outcome)
            values = ", ".join(f"{m} {v:.4f}" for m, v in zip(metrics, outcome.values, strict=True))
            print(f"{contender.title}, seed {seed}: {values}, {outcome.seconds:.1f} s, {outcome.note}", flush=True)
        if found:
            lines.append([contender.title, *_summary(found)])
    print("\n" + markdown_table(["model", *metrics, "CPU s", "found (first seed)"], lines))


def _summary(found: Sequence[Outcome]) -> list[str]:
    values = np.array([outcome.values for outcome in found])
    spreads = values.std(axis=0, ddof=1) if len(found) > 1 else np.zeros(2)
    cells = [f"{mean:.4f} ± {spread:.4f}" for mean, spread in zip(values.mean(axis=0), spreads, strict=True)]
    return [*cells, f"{np.mean([outcome.seconds for outcome in found]):.1f}", found[0].note]


def search(name: str, folder: Path, contenders: Sequence[Contender], n_jobs: int, home: Path) -> None:
    """Print the measures on validation choices of each setting and each change of it."""
    protocol = validation(PROTOCOLS[name](folder, 0))
    for contender in contenders:
        for change in [{}, *contender.grid]:
            if contender.library not in (OURS, "EASE"):
                change = change | {"epochs": SEARCH_EPOCHS}
            tried = Contender(contender.title, contender.settings | change, (), contender.library)
            for _, outcome in outcomes(protocol, tried, 0, n_jobs, home):
                values = ", ".join(f"{m} {v:.4f}" for m, v in zip(protocol.metrics, outcome.values, strict=True))
                print(f"{contender.title} {change}: {values}, {outcome.seconds:.1f} s, {outcome.note}", flush=True)


def report(name: str, labels: tuple[str, ...], results: Sequence[tuple[float, ...]]) -> None:
    """Print means and standard deviations over the seeds as one line."""
    means, spreads = np.mean(results, axis=0), np.std(results, axis=0, ddof=1 if len(results) > 1 else 0)
    values = ", ".join(f"{label} {m:.4f} ± {s:.4f}" for label, m, s in zip(labels, means, spreads, strict=True))
    print(f"{name}: {values} over {len(results)} seeds", flush=True)
