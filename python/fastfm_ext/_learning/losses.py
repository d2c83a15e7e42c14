"""Losses of rows and of rankings: value, best constant, typical size, and the text of a line of progress.

The command line reads the names, so nothing heavy is imported before a loss is computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from fastfm_ext._common.arrays import Float32, Float64

Values = Callable[["Float32", "Float32", float], "Float64"]
BestConstants = Callable[["Float32", "Float32 | None", float], "Float64"]


@dataclass(frozen=True)
class Loss:
    """A loss of rows: a function of the target y and of the score p before the link.

    Attributes
    ----------
    name : str
        As users and the compiled core call it.
    task : {"regression", "classification"}
    values : callable
        ``(y, p, delta)``, arrays of shape (n_rows,) and `delta` in the unit of y, to losses, (n_rows,), float64.
    best_constants : callable
        ``(targets, sample_weight, delta)``, targets (n_scorers, n_rows) and weights (n_rows,) or None,
        to the constant score of least loss of each scorer, (n_scorers,), float64.
    typical : float
        About the loss of a constant prediction, for targets of unit spread.
    show : callable
        A mean loss to the text of a line of progress.
    like : str
        The loss whose default settings hold, where solvers have none of its own.
    reads : frozenset of str
        Hyperparameters that not every loss reads.
    """

    name: str
    task: Literal["regression", "classification"]
    values: Values
    best_constants: BestConstants
    typical: float
    show: Callable[[float], str]
    like: str = ""
    reads: frozenset[str] = frozenset()


@dataclass(frozen=True)
class JointLoss(Loss):
    """A loss of all of a row's scores at once, one a class: `values` takes y and p of shape (n_scorers, n_rows)."""


@dataclass(frozen=True)
class RankingLoss:
    """A loss of one choice against items drawn at random.

    Attributes
    ----------
    name : str
        As users and the compiled core call it.
    n_negatives : int
        Items drawn for a visit by default.
    popularity : float
        Items are drawn in proportion to ``(1 + n)**popularity`` by default, n being how many users chose them.
    n_negatives_of_fold_in : int
        Items drawn for each choice of a user who came after training.
    shares_negatives : bool
        Whether the drawn items stand against several choices of one user at once.
    of_zeros : callable
        ``(n_items, n_negatives)`` to the loss of a choice when all scores are 0.
    n_positives, kth_positive : int
        Choices that a visit looks at by default, and which of them it learns, counted by falling score.
    reads : frozenset of str
        Hyperparameters that not every loss of rankings reads.
    """

    name: str
    n_negatives: int
    popularity: float
    n_negatives_of_fold_in: int
    shares_negatives: bool
    of_zeros: Callable[[int, int], float]
    n_positives: int = 1
    kth_positive: int = 1
    reads: frozenset[str] = frozenset()

    @staticmethod
    def show(mean: float) -> str:
        """Return the text of a line of progress."""
        return f"loss {mean:.4f}"


@dataclass(frozen=True)
class PairsLoss:
    """A loss of all pairs of users and items, chosen or not.

    Attributes
    ----------
    name : str
        As users call it.
    """

    name: str

    @staticmethod
    def show(mean: float) -> str:
        """Return the text of a line of progress."""
        return f"loss {mean:.4f}"


# --- rows ------------------------------------------------------------------------------------------------------------


def _squared(y: Float32, p: Float32, delta: float) -> Float64:
    import numpy as np

    residual = p.astype(np.float64) - y
    return 0.5 * residual**2


def _mean(targets: Float32, sample_weight: Float32 | None, delta: float) -> Float64:
    import numpy as np

    return np.atleast_1d(np.average(targets[0].astype(np.float64), weights=sample_weight))


def _logistic(y: Float32, p: Float32, delta: float) -> Float64:
    import numpy as np

    p64 = p.astype(np.float64)
    values: Float64 = np.log1p(np.exp(-np.abs(p64))) + np.maximum(p64, 0.0) - y * p64
    return values


def _log_odds(targets: Float32, sample_weight: Float32 | None, delta: float) -> Float64:
    import numpy as np

    rates = np.average(targets.astype(np.float64), axis=1, weights=sample_weight)
    n = targets.shape[1]
    # As if each class had been seen once more, so that a class without rows gets a finite log odds.
    log_odds: Float64 = np.log((rates * n + 0.5) / ((1.0 - rates) * n + 0.5))
    return log_odds


def _multinomial(y: Float32, p: Float32, delta: float) -> Float64:
    from scipy.special import log_softmax

    values: Float64 = -(y * log_softmax(p.astype("float64"), axis=0)).sum(axis=0)
    return values


def _log_rates(targets: Float32, sample_weight: Float32 | None, delta: float) -> Float64:
    import numpy as np

    rates = np.average(targets.astype(np.float64), axis=1, weights=sample_weight)
    n_classes, n = targets.shape
    # As for the log odds.
    log_rates: Float64 = np.log((rates * n + 0.5) / (n + 0.5 * n_classes))
    return log_rates


def _huber(y: Float32, p: Float32, delta: float) -> Float64:
    residual = p.astype("float64") - y
    within = residual.clip(-delta, delta)
    values: Float64 = within * (residual - 0.5 * within)
    return values


def _huber_center(targets: Float32, sample_weight: Float32 | None, delta: float) -> Float64:
    """Return the constant at which the derivatives of the rows' losses add up to 0."""
    import numpy as np
    from scipy.optimize import brentq

    y = targets[0].astype(np.float64)
    low, high = float(y.min()), float(y.max())
    if low == high:
        return np.array([low])
    return np.array([brentq(lambda c: np.average((c - y).clip(-delta, delta), weights=sample_weight), low, high)])


SQUARED = Loss(
    name="squared",
    task="regression",
    values=_squared,
    best_constants=_mean,
    typical=0.5,
    show=lambda mean: f"rmse {math.sqrt(2.0 * mean):.4f}",
)
LOGISTIC = Loss(
    name="logistic",
    task="classification",
    values=_logistic,
    best_constants=_log_odds,
    typical=0.5,
    show=lambda mean: f"log loss {mean:.4f}",
)
HUBER = Loss(
    name="huber",
    task="regression",
    values=_huber,
    best_constants=_huber_center,
    typical=0.5,
    show=lambda mean: f"huber loss {mean:.4f}",
    like="squared",
    reads=frozenset({"delta"}),
)
LOSSES = (SQUARED, LOGISTIC, HUBER)
MULTINOMIAL = JointLoss(
    name="multinomial",
    task="classification",
    values=_multinomial,
    best_constants=_log_rates,
    typical=0.5,
    show=lambda mean: f"log loss {mean:.4f}",
    like="logistic",
)
# How a classifier learns more than two classes: one against the rest by the logistic loss, or all by the joint one.
MULTI_CLASS = ("ovr", "multinomial")
# What the factors of user and item add to a ranking score.
SIMILARITIES = ("cosine", "dot")

# --- rankings --------------------------------------------------------------------------------------------------------

SOFTMAX = RankingLoss(
    name="softmax",
    n_negatives=256,
    popularity=0.0,
    n_negatives_of_fold_in=256,
    shares_negatives=True,
    of_zeros=lambda n_items, n_negatives: math.log(1 + n_negatives),
)
BPR = RankingLoss(
    name="bpr",
    n_negatives=2,
    popularity=0.25,
    n_negatives_of_fold_in=64,
    shares_negatives=False,
    of_zeros=lambda n_items, n_negatives: math.log(2),
)
WARP = RankingLoss(
    name="warp",
    n_negatives=50,
    popularity=0.0,
    n_negatives_of_fold_in=64,
    shares_negatives=False,
    of_zeros=lambda n_items, n_negatives: 1 + math.log(n_items),
)
WARP_KOS = replace(
    WARP, name="warp-kos", n_positives=10, kth_positive=5, reads=frozenset({"n_positives", "kth_positive"})
)
RANKING_LOSSES = (SOFTMAX, BPR, WARP, WARP_KOS)
# (p - 1)^2 for what was chosen, and a small multiple of p^2 for every pair.
SQUARED_PAIRS = PairsLoss(name="squared")
FMRANKER_LOSSES: tuple[RankingLoss | PairsLoss, ...] = (*RANKING_LOSSES, SQUARED_PAIRS)


def losses_of(task: str) -> tuple[Loss, ...]:
    """Return the losses of rows for "regression" or "classification"."""
    return tuple(loss for loss in LOSSES if loss.task == task)
