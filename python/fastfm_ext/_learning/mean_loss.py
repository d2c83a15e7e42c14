"""Mean loss of a model on samples."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fastfm_ext import _engine
from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.losses import Loss
from fastfm_ext._learning.samples import Samples

ROWS_AT_ONCE = 1 << 16


def mean_loss(scorers: list[Parameters], samples: Samples, loss: Loss, delta: float, n_threads: int) -> float:
    """Return the weighted mean of the loss, without L2, summed over the scorers."""
    with np.errstate(invalid="ignore"):  # scores may be infinite; then so is the loss, or NaN
        return sum(
            _mean(loss, y, _engine.predict(samples.X, params, n_threads), samples.sample_weight, delta)
            for params, y in zip(scorers, samples.targets, strict=True)
        )


def mean_loss_of_constants(
    constants: Iterable[float], targets: Float32, sample_weight: Float32 | None, loss: Loss, delta: float
) -> float:
    """Return the weighted mean of the loss if every row had a constant score, summed over the scorers.

    `constants` (n_scorers,), `targets` (n_scorers, n_rows), `sample_weight` (n_rows,) or None.
    """
    return sum(
        _mean(loss, y, np.broadcast_to(np.float32(constant), y.shape), sample_weight, delta)
        for constant, y in zip(constants, targets, strict=True)
    )


def _mean(loss: Loss, y: Float32, p: Float32, sample_weight: Float32 | None, delta: float) -> float:
    """Return the weighted mean for targets y and scores p, (n_rows,), in chunks: float64 takes twice their memory."""
    total = total_weight = 0.0
    for first in range(0, len(y), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        values = loss.values(y[rows], p[rows], delta)
        weight = np.ones(len(values)) if sample_weight is None else sample_weight[rows].astype(np.float64)
        total += float(values @ weight)
        total_weight += float(weight.sum())
    return total / total_weight
