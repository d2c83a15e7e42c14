"""Averages of predictions over the sweeps of a chain, with and without a control variate."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


@dataclass
class Averages:
    """Averages of predictions over sweeps, with and without the control variate.

    Attributes
    ----------
    n : int
        Number of sweeps.
    scores, changes : ndarray of shape (n_rows,)
        Sums over the sweeps.
    squares : ndarray of shape (n_rows,)
        Sum of the scores' squares.
    """

    n: int = 0
    scores: Array | float = 0.0
    squares: Array | float = 0.0
    changes: Array | float = 0.0
    _products: float = 0.0
    _changes_squared: float = 0.0
    noise_variances: list[float] = field(default_factory=list)

    def add(self, scores: Array, noise_variance: float, changes: Array | None = None) -> None:
        """Take in a sweep."""
        self.n += 1
        self.scores = self.scores + scores
        self.squares = self.squares + scores**2
        self.noise_variances.append(noise_variance)
        if changes is not None:
            self.changes = self.changes + changes
            self._products += float(scores @ changes)
            self._changes_squared += float(changes @ changes)

    def best_part(self) -> float:
        """Return the part of the changes that leaves the least variance over the sweeps."""
        covariance = self._products - float(np.dot(self.scores, self.changes)) / self.n
        variance = self._changes_squared - float(np.dot(self.changes, self.changes)) / self.n
        return -covariance / variance

    def mean(self, part: float = 0.0) -> Array:
        """Return the mean of the scores, with this part of the changes."""
        return (self.scores + part * self.changes) / self.n

    def variance(self) -> Array:
        """Return the variance of the scores over the sweeps."""
        return np.maximum(self.squares / self.n - self.mean() ** 2, 0.0)


def rmse(y: Array, predicted: Array) -> float:
    """Return the root of the mean squared error of predictions that are clipped to the ratings' 1 to 5."""
    return float(np.sqrt(np.mean((y - np.clip(predicted, 1, 5)) ** 2)))
