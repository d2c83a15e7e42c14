"""Training problems of estimators that learn a target for each row, and the rows that they are validated on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastfm_ext import _engine
from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine import csr
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.orders import permutation
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._estimators.base import TrainingCall
from fastfm_ext._estimators.hyperparameters import check_holds_rows_out
from fastfm_ext._learning.held_out import HeldOutSamples, RowSplit
from fastfm_ext._learning.l2 import counts_of, sum_of_counts
from fastfm_ext._learning.mean_loss import mean_loss_of_constants
from fastfm_ext._learning.problem import Problem
from fastfm_ext._learning.progressive import ProgressiveLog
from fastfm_ext._learning.samples import Samples
from fastfm_ext._learning.undo import Undo
from fastfm_ext._validation.rows import all_rows

if TYPE_CHECKING:
    from fastfm_ext._estimators.rows import RowEstimator


def validation_rows(estimator: RowEstimator, X: Any, y: Any, sample_weight: Any) -> HeldOutSamples:
    """Return rows that the user gave to validate on."""
    units = estimator._units
    rows = all_rows(estimator, X, y, sample_weight, estimator._check_target, suffix="_val", centers=units.centers)
    samples = units.samples(rows, estimator._encode_target(rows.y, "y_val"))
    return HeldOutSamples(samples, estimator._loss, estimator._options().delta, units.score_offset)


def problem_of_rows(
    estimator: RowEstimator,
    samples: Samples,
    call: TrainingCall,
    undo: list[Undo],
    split: RowSplit | None,
    rng: np.random.Generator,
) -> Problem:
    """Return the problem of training on all of these samples, or on those that a split leaves."""
    if call.is_batch:
        check_holds_rows_out(estimator)
    n, options = samples.X.n_rows, estimator._options()
    if split is None:
        visited = permutation(n, rng) if estimator.shuffle else np.arange(n, dtype=np.int64)
    else:
        visited = split.trained if estimator.shuffle else np.sort(split.trained)
    targets, weight = samples.targets, samples.sample_weight
    touched = _engine.features_in(samples.X, estimator._units.features.columns) if call.is_batch else None
    w0 = estimator._first_w0(targets, weight, visited, options) if call.is_first else None
    trained = csr.features_of_rows(samples.X, None if split is None else split.held_out.X)
    scorers = estimator._scorers_for(call, options, samples.X.n_features, w0, rng, trained, touched, undo)
    counts = None
    if options.l2_exponent != 1.0:
        before = estimator._visit_counts if call.is_batch else None
        counts = sum_of_counts(before, counts_of(samples, visited), samples.X.n_features)
    return Problem(
        data=samples,
        visited=visited,
        scorers=scorers,
        options=options,
        schedule=estimator._schedule(call),
        guard=estimator._guard(typical_loss(estimator, scorers, targets, weight, options)),
        rng=rng,
        held_out=None if split is None else HeldOutSamples(split.held_out, estimator._loss, options.delta),
        touched=touched,
        visit_counts=counts,
        progressive=ProgressiveLog(estimator._loss, options.delta) if call.is_batch else None,
    )


def typical_loss(
    estimator: RowEstimator,
    scorers: list[Parameters],
    targets: Float32,
    sample_weight: Float32 | None,
    options: Options,
) -> float:
    """Return about the mean loss of a constant prediction for `targets`, (n_scorers, n_rows)."""
    loss, constants = estimator._loss, [params.w0 for params in scorers]
    of_w0 = mean_loss_of_constants(constants, targets, sample_weight, loss, options.delta)
    return max(of_w0, estimator._units.loss(loss.typical))
