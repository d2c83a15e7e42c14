"""Mean loss of a model on samples."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fastfm_ext import _engine
from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.losses import JointLoss, Loss
from fastfm_ext._learning.samples import Samples

ROWS_AT_ONCE = 1 << 16


def mean_loss(
    scorers: list[Parameters], samples: Samples, loss: Loss, delta: float, n_threads: int, offset: float = 0.0
) -> float:
    """Return the weighted mean of the loss, without L2: of a joint one, or of each scorer's, summed.

    `offset` is added to the scores.
    """
    scores = (_engine.predict(samples.X, params, n_threads) for params in scorers)
    if offset:
        scores = (p + np.float32(offset) for p in scores)
    with np.errstate(invalid="ignore"):  # scores may be infinite; then so is the loss, or NaN
        return _mean_of_scores(scores, samples.targets, samples.sample_weight, loss, delta)


def mean_loss_of_constants(
    constants: Iterable[float], targets: Float32, sample_weight: Float32 | None, loss: Loss, delta: float
) -> float:
    """Return the weighted mean of the loss if every row had the same scores.

    `constants` (n_scorers,), `targets` (n_scorers, n_rows), `sample_weight` (n_rows,) or None.
    """
    scores = (np.broadcast_to(np.float32(constant), targets.shape[1:]) for constant in constants)
    return _mean_of_scores(scores, targets, sample_weight, loss, delta)


def _mean_of_scores(
    scores: Iterable[Float32], targets: Float32, sample_weight: Float32 | None, loss: Loss, delta: float
) -> float:
    if isinstance(loss, JointLoss):
        return _mean(loss, targets, np.stack(list(scores)), sample_weight, delta)
    return sum(_mean(loss, y, p, sample_weight, delta) for p, y in zip(scores, targets, strict=True))


def _mean(loss: Loss, y: Float32, p: Float32, sample_weight: Float32 | None, delta: float) -> float:
    """Return the weighted mean for targets y and scores p, (..., n_rows), in chunks: float64 takes twice the memory."""
    total = total_weight = 0.0
    for first in range(0, y.shape[-1], ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        values = loss.values(y[..., rows], p[..., rows], delta)
        # Not by `@`: BLAS would wake its threads, which then wait on a core that the next epoch is to have.
        if sample_weight is None:
            total += float(values.sum())
            total_weight += len(values)
        else:
            weight = sample_weight[rows].astype(np.float64)
            total += float((values * weight).sum())
            total_weight += float(weight.sum())
    return total / total_weight
