"""Per-sample gradient descent at work: visits to rows, and one epoch over them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

import numpy as np

from fastfm_ext import _engine
from fastfm_ext._common.arrays import Float32, Int64
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.orders import OrdersAhead
from fastfm_ext._engine.parameters import FeatureRecord, Parameters
from fastfm_ext._learning.divergence import Guard
from fastfm_ext._learning.l2 import L2OfFeatures
from fastfm_ext._learning.loop import Schedule
from fastfm_ext._learning.losses import MULTINOMIAL
from fastfm_ext._learning.problem import Problem
from fastfm_ext._learning.samples import Samples

CHUNKS_FOR_THREADS = 8


class RowVisits(Protocol):
    """Rows to train on, which of their features have copies for each thread, and the order of the visits."""

    samples: Samples
    hot_features: _engine.HotFeatures
    total_weight: float
    l2_scale: Float32 | None  # (n_features,): what each feature's L2 is multiplied by

    def orders(self) -> Iterable[Int64 | None]:
        """Give the order of the next epoch's visits in parts; None means all rows as they lie."""


class ShuffledRows:
    """Rows in a new random order each epoch, or in the order given.

    For several shuffled epochs the rows are copied into the random order in which they come, and each epoch permutes
    blocks of them; see ``rows.hpp`` for why. A single epoch gains nothing from that and takes the rows from where they
    are.

    Several threads keep copies of `hot_features`; see ``gradient.hpp``. Whoever trains may set `l2_scale` before an
    epoch.

    Parameters
    ----------
    samples : Samples
    order : ndarray of shape (n_visits,)
        Numbers of the rows to train on.
    record : FeatureRecord
        That of a feature's parameters.
    schedule : Schedule
    rng : Generator
    """

    def __init__(
        self, samples: Samples, order: Int64, record: FeatureRecord, schedule: Schedule, rng: np.random.Generator
    ) -> None:
        self.l2_scale: Float32 | None = None
        self._order = order
        self._copied = schedule.shuffle and schedule.max_iter > 1
        self.total_weight = samples.total_weight(order)
        self.samples = samples.take(order) if self._copied else samples
        self.hot_features = _engine.hot_features(self.samples.X, record, schedule.n_threads)
        # Threads are started for each part of an order.
        chunks_at_once = 1 if schedule.n_threads == 1 else CHUNKS_FOR_THREADS
        self._orders = OrdersAhead(self.samples.X, rng, chunks_at_once) if self._copied else None

    def orders(self) -> Iterable[Int64]:
        """Give the order of the next epoch's visits in parts."""
        return (self._order,) if self._orders is None else self._orders.epoch()


class Descent:
    """Training of a problem's parameters by one step for each row."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        scorers, schedule = problem.scorers, problem.schedule
        self._visits = ShuffledRows(problem.data, problem.visited, scorers[0].record, schedule, problem.rng)
        self._l2 = L2OfFeatures(problem)

    def run_epoch(self, epoch: int) -> float:
        """Train on all rows once; return the mean loss on the way."""
        problem = self._problem
        options, n_threads, guard = problem.options, problem.schedule.n_threads, problem.guard
        log, samples = problem.progressive, self._visits.samples
        scores = None if log is None else log.room(samples)
        self._visits.l2_scale = self._l2.scale(epoch)
        loss = descend(epoch, problem.scorers, self._visits, options, n_threads, guard, scores)
        self._l2.learn()
        if log is not None:
            log.add(samples, scores, loss, [epoch])
        return loss


def descend(
    epoch: int,
    scorers: list[Parameters],
    visits: RowVisits,
    options: Options,
    n_threads: int,
    guard: Guard,
    scores: Float32 | None = None,
) -> float:
    """Train all scorers for one epoch; return the mean loss on the way: a joint one, or each scorer's, summed.

    `scores` (n_scorers, n_rows) takes those of the rows before their steps, but for a joint loss.

    Raises
    ------
    DivergenceError
        When a score stops being finite or the loss explodes.
    """
    samples = visits.samples
    if samples.sample_weight is not None:
        options = replace(options, heaviest=float(samples.sample_weight.max()))
    l2_scale = visits.l2_scale
    if l2_scale is not None:
        options, l2_scale = options.bounding(l2_scale)
    try:
        loss_sum = sum(
            _visit(order, scorers, visits, options, n_threads, scores, l2_scale) for order in visits.orders()
        )
    except _engine.NonFiniteScoreError as error:
        number = error.row if samples.numbers is None else samples.numbers[error.row]
        raise guard.error(f"the score of row {number} became NaN or infinite", epoch, samples) from None
    loss = loss_sum / visits.total_weight
    guard.check(loss, epoch, samples)
    return loss


def _visit(
    order: Int64 | None,
    scorers: list[Parameters],
    visits: RowVisits,
    options: Options,
    n_threads: int,
    scores: Float32 | None,
    l2_scale: Float32 | None,
) -> float:
    """Let all scorers make these visits; return the sum of the loss."""
    X, targets, weight, hot = (
        visits.samples.X,
        visits.samples.targets,
        visits.samples.sample_weight,
        visits.hot_features,
    )
    if options.loss == MULTINOMIAL.name:
        return _engine.train_multinomial_epoch(X, targets, weight, order, scorers, options, l2_scale)
    taken = [None] * len(scorers) if scores is None else scores
    return sum(
        _engine.train_epoch(X, y, weight, order, params, options, n_threads, hot, into, l2_scale)
        for params, y, into in zip(scorers, targets, taken, strict=True)
    )
