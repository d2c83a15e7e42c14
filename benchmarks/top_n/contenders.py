"""Contenders of each protocol: settings that were chosen on validation choices, and those that a search tries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from .fits import OURS

Settings = dict[str, Any]


@dataclass(frozen=True)
class Contender:
    """A model that is measured.

    Attributes
    ----------
    title : str
    settings : dict
        Of `FMRanker`, or of the library by which `one_fit.py` knows it.
    grid : sequence of dict
        Changes to the settings that `--search` tries beside them.
    library : str
    """

    title: str
    settings: Settings
    grid: Sequence[Settings] = ()
    library: str = OURS


def grid(**values: Sequence[Any]) -> list[Settings]:
    """Return every combination of the values."""
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]


def cosine(n_factors: int, temperature: float, max_iter: int = 30, **others: Any) -> Settings:
    """Return settings of a cosine softmax that finds nothing by itself."""
    of_fit = {"early_stopping": False, "max_iter": max_iter}
    return {"n_factors": n_factors, "temperature": temperature} | of_fit | others


def epochs(max_iter: int, **others: Any) -> Settings:
    """Return settings of so many epochs, whatever happens."""
    return {"early_stopping": False, "max_iter": max_iter, "n_iter_no_change": max_iter, "tol": 0.0} | others


LIGHTFM_GRID = [
    *grid(item_alpha=(1e-6, 1e-5)),
    *grid(learning_rate=(0.02, 0.1), item_alpha=(0.0,)),
]


def lightfm(loss: str, factors: int, n_epochs: int, **best: Any) -> Contender:
    """Return LightFM; its search tries the same L2 for users and for items."""
    changes = [change | {"user_alpha": change["item_alpha"]} for change in LIGHTFM_GRID]
    return Contender(
        f"LightFM, {loss.upper()}, {factors}",
        {"loss": loss, "factors": factors, "epochs": [n_epochs]} | best,
        changes,
        f"LightFM's {loss.upper()}",
    )


def als(factors: int, n_epochs: int = 15, **best: Any) -> Contender:
    """Return implicit's alternating least squares."""
    changes = grid(alpha=(1.0, 10.0, 60.0), regularization=(0.1, 3.0, 30.0))
    settings = {"factors": factors, "epochs": [n_epochs]} | best
    return Contender(f"implicit, ALS, {factors}", settings, changes, "implicit's ALS")


def implicit_bpr(factors: int, n_epochs: int = 100, **best: Any) -> Contender:
    """Return implicit's BPR."""
    changes = grid(learning_rate=(0.02, 0.05, 0.1), regularization=(0.003, 0.01, 0.03))
    settings = {"factors": factors, "epochs": [n_epochs]} | best
    return Contender(f"implicit, BPR, {factors}", settings, changes, "implicit's BPR")


def ease(l2: float) -> Contender:
    """Return EASE, of users and items alone."""
    return Contender("EASE", {"epochs": [1], "l2": l2}, grid(l2=(30.0, 100.0, 300.0, 1000.0)), "EASE")


def ranker(title: str, settings: Settings, *changes: Settings) -> Contender:
    """Return a model of ours."""
    return Contender(title, settings, changes)


DEFAULT = "default settings"
INNER_PRODUCTS = epochs(22, similarity="dot", n_negatives=512, l2_w=0.15, l2_V=0.15, learning_rate=0.2)

CONTENDERS: dict[str, list[Contender]] = {
    "gowalla": [
        ranker(f"{DEFAULT}, 64", {"n_factors": 64}),
        ranker("cosine softmax, 64", cosine(64, 0.1), *grid(temperature=(0.08, 0.12))),
        ranker("cosine softmax, 128", cosine(128, 0.1)),
        ranker("cosine softmax of histories, 64", cosine(64, 0.1, user_history=True)),
        ranker("softmax, 64", {"n_factors": 64} | INNER_PRODUCTS),
        ranker("least squares, 64", epochs(4, n_factors=64, loss="squared")),
        ranker("least squares, 256", epochs(8, n_factors=256, loss="squared", l2_V=0.004)),
        ranker("BPR, 64", {"n_factors": 64, "loss": "bpr"}),
        ranker("WARP, 64", {"n_factors": 64, "loss": "warp"}),
        als(64, alpha=60.0, regularization=3.0),
        als(256, alpha=60.0, regularization=30.0),
        implicit_bpr(64, learning_rate=0.05, regularization=0.003),
        lightfm("bpr", 64, 30),
        lightfm("warp", 64, 30),
    ],
    "gowalla-part": [
        ranker("BPR, 64", {"n_factors": 64, "loss": "bpr"}),
        ranker("WARP, 64", {"n_factors": 64, "loss": "warp"}),
        implicit_bpr(64, learning_rate=0.05, regularization=0.003),
        lightfm("bpr", 64, 60, item_alpha=1e-5, user_alpha=1e-5),
        lightfm("warp", 64, 60, learning_rate=0.02),
    ],
    "frappe": [
        ranker(f"{DEFAULT}, 64", {"n_factors": 64}),
        ranker(f"{DEFAULT}, 128", {"n_factors": 128}),
        ranker("cosine softmax, 64", cosine(64, 0.05, 22), {"temperature": 0.035}, {"temperature": 0.07}),
        ranker("cosine softmax, 128", cosine(128, 0.05, 22)),
        ranker("least squares, 64", {"n_factors": 64, "loss": "squared"}),
        ranker("BPR, 64", {"n_factors": 64, "loss": "bpr"}),
        ranker("WARP, 64", {"n_factors": 64, "loss": "warp"}),
        lightfm("bpr", 64, 30),
        lightfm("warp", 64, 30),
        als(64, alpha=60.0, regularization=30.0),
        ease(30.0),
    ],
    "lastfm": [
        ranker(f"{DEFAULT}, 64", {"n_factors": 64}),
        ranker(f"{DEFAULT}, 128", {"n_factors": 128}),
        ranker("least squares, 64", {"n_factors": 64, "loss": "squared"}),
        ranker("BPR, 64", {"n_factors": 64, "loss": "bpr"}),
        ranker("WARP, 64", {"n_factors": 64, "loss": "warp"}),
        lightfm("bpr", 64, 30),
        lightfm("warp", 64, 30),
        als(64),
    ],
    "ml-1m": [
        ranker(f"{DEFAULT}, 64", {"n_factors": 64}),
        ranker("cosine softmax, 64", cosine(64, 0.14), *grid(temperature=(0.2, 0.28))),
        ranker("cosine softmax, 128", cosine(128, 0.14, 20)),
        ranker("cosine softmax of histories, 64", cosine(64, 0.2, user_history=True)),
        ranker("softmax, 128", epochs(16, n_factors=128, similarity="dot", l2_w=0.07, l2_V=0.07)),
        ranker("least squares, 128", epochs(12, n_factors=128, loss="squared", l2_V=0.004, unobserved_weight=0.5)),
        ranker("BPR, 64", {"n_factors": 64, "loss": "bpr"}),
        ranker("WARP, 64", {"n_factors": 64, "loss": "warp"}),
        als(64),
        implicit_bpr(64),
        lightfm("bpr", 64, 30),
        lightfm("warp", 64, 30),
        ease(300.0),
    ],
    "cold-start": [
        ranker(f"{DEFAULT}, 64", {"n_factors": 64}),
        ranker(f"{DEFAULT}, 16", {"n_factors": 16}),
        ranker("cosine softmax, 64", cosine(64, 0.28), *grid(temperature=(0.14, 0.2, 0.4))),
        ranker("softmax, 16", epochs(30, n_factors=16, similarity="dot")),
        lightfm("bpr", 16, 30),
        lightfm("warp", 16, 30),
    ],
}
