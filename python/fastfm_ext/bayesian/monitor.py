"""Convergence of a chain, by the predictions of some rows that are made anew after each sweep.

Factors may turn together without any change of a prediction, so what is watched are predictions: how far they still
drift, how alike those of neighbouring sweeps are, and what error is left in their average.

References
----------
Sokal, "Monte Carlo Methods in Statistical Mechanics" (1997): autocorrelation times and the window to sum over. Gelman,
Rubin, "Inference from Iterative Simulation" (1992) and Vehtari et al., "Rank-normalization, folding, and localization"
(2021): split R-hat.
"""

from __future__ import annotations

import numpy as np

from fastfm_ext._common.arrays import Float64

# The sum of autocorrelations ends at this many times itself.
WINDOW = 5.0
# A chain that has settled moves from one quarter of its sweeps to the next by no more than this many times the square
# of what chance lets it.
DRIFT = 2.0
# The scores' spread grows while it is larger than that of the quarter before by more than this part.
GROWTH = 0.02
FEWEST_SWEEPS = 16
LARGEST_NEIGHBOUR = 0.8
# Of the monitored rows, the part whose split R-hat is at most the one that is told.
R_HAT_SHARE = 0.95


class PredictionMonitor:
    """Predictions of the same rows, one set a sweep, the noise precision, and the spread of the scores.

    Parameters
    ----------
    n_rows : int
    """

    def __init__(self, n_rows: int) -> None:
        self._values = np.empty((64, n_rows), dtype=np.float32)
        self._noise: list[float] = []
        self._spread: list[float] = []

    def __len__(self) -> int:
        return len(self._noise)

    def add(self, predictions: Float64, noise: float, spread: float) -> None:
        """Take in the predictions of a sweep, (n_rows,), its noise precision, and the spread of its scores."""
        if len(self) == len(self._values):
            self._values = np.concatenate([self._values, np.empty_like(self._values)])
        self._values[len(self)] = predictions
        self._noise.append(noise)
        self._spread.append(spread)

    def begin_anew(self) -> None:
        """Forget all sweeps so far."""
        self._noise.clear()
        self._spread.clear()

    @property
    def _series(self) -> Float64:
        return self._values[: len(self)].astype(np.float64)

    def has_settled(self) -> bool:
        """Return whether predictions and noise drift no longer: the last quarter of the sweeps is like the one before.

        Their means differ by no more than chance lets numbers of their spread: for the predictions on average over the
        rows, for the noise within three standard errors or a two-hundredth.
        """
        quarter = len(self) // 4
        if len(self) < FEWEST_SWEEPS:
            return False
        before, last = self._series[-2 * quarter : -quarter], self._series[-quarter:]
        chance = (before.var(axis=0, ddof=1) + last.var(axis=0, ddof=1)).mean() / quarter
        chance *= _time_of_neighbours([before, last])
        if float(((last.mean(axis=0) - before.mean(axis=0)) ** 2).mean()) > DRIFT * chance:
            return False
        noise = np.array(self._noise[-2 * quarter :])
        step = noise[quarter:].mean() - noise[:quarter].mean()
        error = np.sqrt((noise[:quarter].var(ddof=1) + noise[quarter:].var(ddof=1)) / quarter)
        return bool(abs(step) <= max(3 * error, 0.005 * noise.mean()))

    def is_growing(self) -> bool:
        """Return whether the scores still spread: in the last quarter of the sweeps by more than in the one before.

        The scale of a probit's scores is what a chain finds last. Where classes are told apart well, probabilities of
        0 and 1 hardly move with it, and so they do not tell.
        """
        quarter = len(self) // 4
        if not quarter:
            return True
        before, last = (np.mean(part) for part in (self._spread[-2 * quarter : -quarter], self._spread[-quarter:]))
        return bool(last > (1 + GROWTH) * before)

    def autocorrelation(self) -> Float64:
        """Return the autocorrelation of the predictions, on average over the rows: of lag 0, 1, ..., half the sweeps.

        It ends where the sum of it that `autocorrelation_time` takes does.
        """
        series = self._series - self._series.mean(axis=0)
        total, found = float((series**2).sum()), [1.0]
        for lag in range(1, max(1, len(series) // 2)):
            if total <= 0 or lag >= WINDOW * _time_of(found):
                break
            found.append(float((series[lag:] * series[:-lag]).sum()) / total)
        return np.array(found)

    def autocorrelation_time(self) -> float:
        """Return how many sweeps are worth an independent one, 1 or more."""
        return max(1.0, _time_of(self.autocorrelation().tolist()))

    def mc_variance(self) -> float:
        """Return the squared Monte Carlo error of the average of all sweeps, on average over the rows."""
        if len(self) < 2:
            return np.inf
        return float(self._series.var(axis=0, ddof=1).mean()) * self.autocorrelation_time() / len(self)

    def mean(self) -> Float64:
        """Return the average over sweeps, (n_rows,)."""
        mean: Float64 = self._series.mean(axis=0)
        return mean

    def r_hat(self) -> float:
        """Return split R-hat: that of the row which 95 % of the rows do not exceed; 1 for a chain that has mixed."""
        half = len(self) // 2
        if half < 2:
            return np.inf
        parts = np.stack([self._series[:half], self._series[half : 2 * half]])
        within = parts.var(axis=1, ddof=1).mean(axis=0)
        between = parts.mean(axis=1).var(axis=0, ddof=1)
        moves = within > 0
        if not moves.any():
            return 1.0
        r_hats = np.sqrt((half - 1) / half + between[moves] / within[moves])
        return float(np.quantile(r_hats, R_HAT_SHARE))


def _time_of(autocorrelation: list[float]) -> float:
    return 1.0 + 2.0 * sum(autocorrelation[1:])


def _time_of_neighbours(parts: list[Float64]) -> float:
    """Return the autocorrelation time of short parts of a series, (n_sweeps, n_rows) each, by neighbouring sweeps.

    Taken for a first-order process, since longer lags of few sweeps are all bias; of lag 1 the bias is about
    ``-(1 + 4 rho) / n`` (Kendall 1954). A drift correlates as well, so the time has a limit.
    """
    deviations = [part - part.mean(axis=0) for part in parts]
    total = sum(float((part**2).sum()) for part in deviations)
    if total <= 0:
        return 1.0
    rho, n = sum(float((part[1:] * part[:-1]).sum()) for part in deviations) / total, len(parts[0])
    rho = (rho + 1 / n) / max(1 - 4 / n, 0.1)
    rho = min(max(rho, 0.0), LARGEST_NEIGHBOUR)
    return (1 + rho) / (1 - rho)
