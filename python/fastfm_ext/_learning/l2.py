"""L2 that differs from feature to feature: by how often each is visited, and as rows that are held out want it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastfm_ext._common.arrays import Float32, Float64, Int32, Int64
from fastfm_ext._common.sparse import is_sparse
from fastfm_ext._engine.contributions import GroupSums, group_contributions
from fastfm_ext._engine.models import NO_FIELDS, Fields
from fastfm_ext._learning.losses import JointLoss, Loss

if TYPE_CHECKING:
    from fastfm_ext._engine.parameters import Parameters
    from fastfm_ext._learning.held_out import HeldOutSamples
    from fastfm_ext._learning.problem import Problem
    from fastfm_ext._learning.samples import Samples

# What the logarithm of a factor changes by in an epoch, and how far it goes, at most. No search has chosen them; what
# they give is in benchmarks/development.md.
STEP, FARTHEST = np.log(1.5), np.log(1e4)
# Held-out rows that slopes are measured on have no more nonzeros, and no more values for their groups, than this.
MOST_VALUES = 1 << 18


# --- by frequency ----------------------------------------------------------------------------------------------------


def counts_of(samples: Samples, visited: Int64 | None = None) -> Float64:
    """Return the weight of the visited rows, by default of all, that have each feature, (n_features,)."""
    X, weight = samples.X, samples.sample_weight
    of_rows = np.ones(X.n_rows) if visited is None else np.bincount(visited, minlength=X.n_rows).astype(np.float64)
    if weight is not None:
        of_rows *= weight
    return np.bincount(X.indices, np.repeat(of_rows, np.diff(X.indptr)), X.n_features).astype(np.float64, copy=False)


def sum_of_counts(before: Float64 | None, counts: Float64, n_features: int) -> Float64:
    """Return the counts of earlier visits, if there are any, and of these, (n_features,); both may lack the last."""
    total = np.zeros(n_features)
    for some in (counts,) if before is None else (before, counts):
        total[: len(some)] += some
    return total


def scale_by_counts(counts: Float64, exponent: float) -> Float32:
    """Return what the L2 of features is multiplied by at a visit, ``c n^(exponent - 1)``, for these counts n.

    c is such that all visits together pay as much as with exponent 1 if parameters are of one size (Rendle, Krichene,
    Zhang, Koren 2022, "Revisiting the Performance of iALS on Item Recommendation Benchmarks", with 1 as the reference).
    """
    n = np.where(counts > 0, counts, 1.0)
    scale = n ** (exponent - 1.0)
    paid = float(counts @ scale)
    return (scale * (counts.sum() / paid if paid else 1.0)).astype(np.float32)


# --- by held-out rows ------------------------------------------------------------------------------------------------


class AdaptiveL2:
    """A factor of L2 for each group of features, learned between epochs from rows that are held out.

    To pay more L2 makes the parameters of a group smaller, and with them what the group adds to scores, phi. That
    lowers the loss of held-out rows if the sum of ``dL/dp phi`` over them is positive. Rendle 2012 ("Learning
    Recommender Systems with Adaptive Regularization") descends this slope; here the logarithm of the factor follows the
    slope over its standard error, z, since no step size suits all data: ``log factor += STEP tanh(z / 2)`` after each
    epoch.

    Training on several folds shares the factors: slopes are summed over the held-out rows of all. What each epoch had
    is kept, for the refit on all rows to have the same.

    Parameters
    ----------
    group_of : ndarray of shape (n_features,), int32
    """

    def __init__(self, group_of: Int32) -> None:
        n_groups = int(group_of.max(initial=0)) + 1
        self.groups = GroupSums(group_of, n_groups)
        self._logs = [np.zeros(n_groups)]
        self._begin_sums()

    def _begin_sums(self) -> None:
        self._sum, self._squares = np.zeros((2, self.groups.n_groups))

    def scale(self, epoch: int) -> Float64:
        """Return the factor of each feature in this epoch, from 1: (n_features,)."""
        if len(self._logs) < epoch:
            z = self._sum / np.sqrt(np.maximum(self._squares, 1e-300))
            self._logs.append(np.clip(self._logs[-1] + STEP * np.tanh(0.5 * z), -FARTHEST, FARTHEST))
            self._begin_sums()
        factors: Float64 = np.exp(self._logs[epoch - 1])[self.groups.group_of]
        return factors

    def learn(self, slopes: Float64) -> None:
        """Take in the slopes of held-out rows behind an epoch, (n_rows, n_groups)."""
        self._sum += slopes.sum(axis=0)
        self._squares += np.square(slopes).sum(axis=0)


def sample_of(held_out: HeldOutSamples, n_groups: int) -> HeldOutSamples:
    """Return some of the held-out rows, evenly among all, so that slopes are cheap beside an epoch."""
    X = held_out.samples.X
    n = min(X.n_rows, max(MOST_VALUES * X.n_rows // max(X.nnz, n_groups * X.n_rows, 1), 1))
    rows = np.arange(n, dtype=np.int64) * X.n_rows // n
    return held_out if n == X.n_rows else replace(held_out, samples=held_out.samples.take(rows))


def slopes_of(held_out: HeldOutSamples, scorers: list[Parameters], groups: GroupSums, n_threads: int) -> Float64:
    """Return ``dL/dp phi`` of each row and group, summed over the scorers: (n_rows, n_groups)."""
    samples = held_out.samples
    each = [group_contributions(samples.X, params, groups, n_threads).astype(np.float64) for params in scorers]
    # Groups have all features: what they add, w0 and the offset are the score.
    constants = [params.w0 + held_out.offset for params in scorers]
    scores = np.stack([phi.sum(axis=1) + constant for phi, constant in zip(each, constants, strict=True)])
    gradients = derivatives(held_out.loss, samples.targets, scores, held_out.delta)
    if samples.sample_weight is not None:
        gradients *= samples.sample_weight
    slopes: Float64 = sum((g[:, None] * phi for g, phi in zip(gradients, each, strict=True)), np.zeros(1))
    return slopes


def derivatives(loss: Loss, targets: Float32, scores: Float64, delta: float) -> Float64:
    """Return the derivatives of the loss in the scores, (n_scorers, n_rows), by central differences."""
    h = 1e-3 * max(float(np.sqrt(np.mean(np.square(scores - targets)))), 1e-30)
    found = np.empty_like(scores)
    for c in range(len(scores)):
        sides = []
        for move in (h, -h):
            moved: Any = scores.copy()  # float64, where float32 would lose the difference
            moved[c] += move
            y, p = (targets, moved) if isinstance(loss, JointLoss) else (targets[c], moved[c])
            sides.append(loss.values(y, p, delta))
        found[c] = (sides[0] - sides[1]) / (2 * h)
    return found


class L2OfFeatures:
    """What the L2 of each feature is multiplied by in the epochs of a problem."""

    def __init__(self, problem: Problem) -> None:
        counts, self._adaptive, self._problem = problem.visit_counts, problem.adaptive_l2, problem
        self._by_counts: Float32 | None = None
        self._sample: HeldOutSamples | None = None
        if counts is not None:
            self._by_counts = scale_by_counts(counts, problem.options.l2_exponent)
        if self._adaptive is not None and problem.held_out is not None:
            self._sample = sample_of(cast("HeldOutSamples", problem.held_out), self._adaptive.groups.n_groups)

    def scale(self, epoch: int) -> Float32 | None:
        """Return the multiples in this epoch, from 1: (n_features,); None where all are 1."""
        if self._adaptive is None:
            return self._by_counts
        factors = self._adaptive.scale(epoch)
        return (factors if self._by_counts is None else factors * self._by_counts).astype(np.float32)

    def learn(self) -> None:
        """Learn from the held-out rows behind an epoch."""
        if self._adaptive is not None and self._sample is not None:
            n_threads = self._problem.schedule.n_threads
            self._adaptive.learn(slopes_of(self._sample, self._problem.scorers, self._adaptive.groups, n_threads))


def groups_of(X: Any, n_features: int, known: Fields = NO_FIELDS) -> Int32:
    """Return the field of each feature, (n_features,): the model's, those of rows of an encoder, or one for all."""
    if known.of_feature is not None:
        return known.of_feature
    fields = np.asarray(getattr(X, "fields", ()) if is_sparse(X) else ())
    if fields.shape != (n_features,):
        return np.zeros(n_features, dtype=np.int32)
    return np.unique(fields, return_inverse=True)[1].astype(np.int32)


def with_adaptive_l2(problem: Problem, group_of: Int32) -> Problem:
    """Return a problem whose L2 adapts to its held-out rows, and those of its folds.

    Raises
    ------
    ValueError
        Without held-out rows.
    """
    if problem.held_out is None:
        raise ValueError(
            "adaptive_l2=True learns from rows that are held out, and there are none. Pass X_val and y_val, or "
            "early_stopping=True."
        )
    adaptive, whole = AdaptiveL2(group_of), problem.whole
    return replace(
        problem,
        adaptive_l2=adaptive,
        folds=tuple(replace(fold, adaptive_l2=adaptive) for fold in problem.folds),
        whole=None if whole is None else lambda n_epochs: replace(whole(n_epochs), adaptive_l2=adaptive),
    )
