"""Divergence: the error, and the guard that finds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

# An epoch whose mean loss is this many times the loss of the starting model has diverged, finite or not.
DIVERGENCE_FACTOR = 1e4


class DivergenceError(ArithmeticError):
    """Training diverged: a score became NaN or infinite, or the loss exploded.

    Attributes
    ----------
    epoch : int
        The epoch, from 1, in which it happened.
    learning_rate : float or None
        None for a solver that has none.
    kept_epoch : int or None
        The epoch whose parameters the estimator has now: with validation rows the best one before. None where no epoch
        was validated; the estimator is then as it was before.

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext import DivergenceError, FMRegressor
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> try:
    ...     FMRegressor(n_factors=2, learning_rate=1e6, random_state=0).fit(X, X[:, 0] * X[:, 1])
    ... except DivergenceError as error:
    ...     print(error.epoch, error.learning_rate)
    1 1000000.0
    """

    def __init__(
        self, message: str, epoch: int, learning_rate: float | None = None, kept_epoch: int | None = None
    ) -> None:
        super().__init__(message, epoch, learning_rate, kept_epoch)
        self.epoch = epoch
        self.learning_rate = learning_rate
        self.kept_epoch = kept_epoch

    def __str__(self) -> str:
        kept = f" The model has the parameters of epoch {self.kept_epoch}, the best one." if self.kept_epoch else ""
        return f"{self.args[0]}{kept}"

    def keeping(self, epoch: int) -> DivergenceError:
        """Return the error of a run whose best epoch is kept."""
        return type(self)(self.args[0], self.epoch, self.learning_rate, epoch)


class HasLargest(Protocol):
    """Data to learn from, as far as a message about divergence describes it."""

    @property
    def largest(self) -> tuple[float, float]:
        """The largest absolute feature value, and the largest weight."""


@dataclass(frozen=True)
class Guard:
    """Guard against divergence.

    Attributes
    ----------
    typical_loss : float
        About the mean loss of a constant prediction.
    advice : str
        The solver's advice after a divergence.
    learning_rate : float or None
        As the user gave it; None for a solver that has none.
    """

    typical_loss: float
    advice: str
    learning_rate: float | None = None

    def check(self, loss: float, epoch: int, data: HasLargest) -> None:
        """Raise DivergenceError for an epoch's mean loss that no training should reach."""
        if not (np.isfinite(loss) and loss <= DIVERGENCE_FACTOR * self.typical_loss):
            reason = f"the mean loss is {loss:.3g}, where a constant prediction gives about {self.typical_loss:.3g}"
            raise self.error(reason, epoch, data)

    def error(self, reason: str, epoch: int, data: HasLargest) -> DivergenceError:
        """Return the error that says where training diverged and what to try."""
        largest, heaviest = data.largest
        rate = "" if self.learning_rate is None else f" with learning_rate={self.learning_rate:g}"
        message = (
            f"training diverged in epoch {epoch}{rate}: {reason}. "
            f"The largest absolute feature value is {largest:g}, after columns were brought to unit size"
            f"{f', and the largest weight is {heaviest:.3g} times their mean' if heaviest > 1 else ''}. {self.advice}"
        )
        return DivergenceError(message, epoch, self.learning_rate)
