"""Uncertainty of predictions on MovieLens 1M: what intervals cover, and how errors grow with the predicted std.

    python -m benchmarks.bayes.uncertainty                              validation rows
    python -m benchmarks.bayes.uncertainty --held-out test --picture docs/figures/bayes-uncertainty.png

An interval of an observation is that of a normal distribution: its mean is the average of the scores over the sweeps,
its variance that of the scores and of the noise together. Ratings are whole numbers from 1 to 5, so what is covered has
to be counted in one of two ways:

- clipped: ends are clipped to 1 and 5, and a rating is covered if it is not outside of them;
- rounded: a rating stands for all numbers that round to it, 1 and 5 also for those beyond. Of these the share that lies
  in the interval counts, by the predicted distribution: the probability integral transform of counts (Czado, Gneiting,
  Held, "Predictive model assessment for count data", Biometrics 2009).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from threadpoolctl import threadpool_limits

from fastfm_ext._common.extras import require
from tables import markdown_table

from .averages import Averages, rmse
from .chains import ChainOptions, HeldOutChain
from .movielens import FEATURES, movielens_1m

LEVELS = (0.5, 0.8, 0.9, 0.95)
FINE_LEVELS = np.linspace(0.05, 0.99, 48)
N_GROUPS = 5

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Predicted:
    """Ratings, (n_rows,), and what was predicted of them: mean, variance of the scores, variance of the noise."""

    y: Array
    mean: Array
    variance: Array
    noise_variance: float

    @property
    def std(self) -> Array:
        """Standard deviation of an observation."""
        return np.sqrt(self.variance + self.noise_variance)

    def covered_clipped(self, level: float) -> float:
        """Return the share of ratings that the clipped interval covers."""
        half = ndtri(0.5 + 0.5 * level) * self.std
        low, high = np.clip(self.mean - half, 1, 5), np.clip(self.mean + half, 1, 5)
        return float(np.mean((self.y >= low) & (self.y <= high)))

    def covered_rounded(self, level: float) -> float:
        """Return the share of the numbers that round to a rating which the interval covers."""
        below = np.where(self.y == 1, -np.inf, self.y - 0.5)
        above = np.where(self.y == 5, np.inf, self.y + 0.5)
        p_below, p_above = ndtr((below - self.mean) / self.std), ndtr((above - self.mean) / self.std)
        inside = np.minimum(p_above, 0.5 + 0.5 * level) - np.maximum(p_below, 0.5 - 0.5 * level)
        return float(np.mean(np.maximum(inside, 0.0) / np.maximum(p_above - p_below, 1e-300)))

    def by_std(self) -> list[NDArray[np.intp]]:
        """Return the rows in fifths, from the least standard deviation of the score to the largest."""
        return np.array_split(np.argsort(self.variance, kind="stable"), N_GROUPS)


@threadpool_limits.wrap(limits=1, user_api="blas")
def main(arguments: Sequence[str] | None = None) -> None:
    """Sample, print the tables, and draw the picture if a file for it is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--held-out", choices=["validation", "test"], default="validation")
    parser.add_argument("--features", choices=FEATURES, default="ids")
    parser.add_argument("--form", choices=["fm", "centered"], default="fm")
    parser.add_argument("--factors", type=int, default=16)
    parser.add_argument("--burn-in", type=int, default=20)
    parser.add_argument("--sweeps", type=int, default=200)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args(arguments)
    options = ChainOptions(asked.factors, asked.form)
    predicted = predict(options, asked.features, asked.held_out, asked.sweeps, asked.burn_in)
    print(f"RMSE {rmse(predicted.y, predicted.mean):.4f}, std of the noise {np.sqrt(predicted.noise_variance):.4f}\n")
    print(coverage_table(predicted), fifths_table(predicted), sep="\n\n")
    if asked.picture is not None:
        draw(predicted, asked.picture)


def predict(options: ChainOptions, features: str, held_out: str, n_sweeps: int, burn_in: int) -> Predicted:
    """Sample, and return what is predicted of the held-out ratings."""
    rows = movielens_1m(features, held_out)
    chain, averages = HeldOutChain(rows, options), Averages()
    for sweep in range(n_sweeps):
        chain.sweep()
        if sweep >= burn_in:
            averages.add(chain.scores(), chain.noise_variance)
    return Predicted(rows.held_out_y, averages.mean(), averages.variance(), float(np.mean(averages.noise_variances)))


def coverage_table(predicted: Predicted) -> str:
    """Return the table of what intervals cover."""
    cells = [
        [f"{level:.0%}", f"{predicted.covered_clipped(level):.1%}", f"{predicted.covered_rounded(level):.1%}"]
        for level in LEVELS
    ]
    return markdown_table(["interval", "covers, clipped", "covers, rounded"], cells)


def fifths_table(predicted: Predicted) -> str:
    """Return the table of errors by fifths of the score's standard deviation."""
    cells = []
    for number, rows in enumerate(predicted.by_std()):
        std = np.sqrt(predicted.variance[rows])
        expected = np.sqrt(np.mean(predicted.std[rows] ** 2))
        error = rmse(predicted.y[rows], predicted.mean[rows])
        cells.append([str(number + 1), f"{std.min():.2f} to {std.max():.2f}", f"{error:.3f}", f"{expected:.3f}"])
    ratio = float(cells[0][2]) / float(cells[-1][2])
    table = markdown_table(["fifth", "std of the score", "RMSE", "std of an observation"], cells)
    return f"{table}\n\nRMSE of the most certain fifth / of the least certain: {ratio:.2f}"


def draw(predicted: Predicted, file: Path) -> None:
    """Draw coverage, and RMSE by fifths, side by side."""
    figure = require("matplotlib.figure", "plot").Figure(figsize=(9.6, 4.2), layout="constrained", dpi=130)
    left, right = figure.subplots(1, 2)
    left.plot([0, 100], [0, 100], color="#888888", linewidth=1, label="exact")
    for name, covered in (("clipped", predicted.covered_clipped), ("rounded", predicted.covered_rounded)):
        left.plot(100 * FINE_LEVELS, [100 * covered(level) for level in FINE_LEVELS], label=f"ratings {name}")
    left.set(xlabel="probability of the interval, %", ylabel="ratings that it covers, %", xlim=(0, 100), ylim=(0, 100))
    left.legend(frameon=False)
    fifths = predicted.by_std()
    errors = [rmse(predicted.y[rows], predicted.mean[rows]) for rows in fifths]
    expected = [np.sqrt(np.mean(predicted.std[rows] ** 2)) for rows in fifths]
    places = np.arange(1, N_GROUPS + 1)
    right.bar(places, errors, color="#1b5e9c", width=0.7, label="RMSE of held-out ratings")
    for place, error in zip(places, errors, strict=True):
        right.text(place, 0.03, f"{error:.2f}", ha="center", color="white", fontweight="bold")
    right.plot(places, expected, "o", color="#e08214", label="std of an observation, predicted")
    right.set(xlabel="fifth of the ratings, by the std of the score", ylabel="stars", ylim=(0, 1.25 * max(errors)))
    right.set_xticks(places, ["most certain", *map(str, places[1:-1]), "least certain"])
    right.legend(frameon=False, loc="upper left")
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(file)


if __name__ == "__main__":
    main()
