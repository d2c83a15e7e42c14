"""Merging of what workers have learned apart: each on its own rows, all from the same parameters.

Near its optimum t, a step on a parameter theta is theta <- theta - eta h (theta - t), where h is the second derivative
of the row's loss. Steps whose h sum to H leave a share exp(-eta H) of theta - t. So a worker that changed theta by
Delta_w has followed a force F_w = H_w (t_w - theta), and

    Delta_w = eta_w F_w phi(eta_w H_w),    phi(x) = (1 - exp(-x)) / x

The steps of all workers, one after the other, would have followed the sum of these forces along the sum of H:

    Delta = eta F phi(eta H),    F = sum_w F_w = sum_w Delta_w / (eta_w phi(eta_w H_w)),    H = sum_w H_w

After few steps, phi is 1, and this is the sum of the changes; after many it is their mean, weighted by H_w. What a
single worker has touched is taken over as it is. All that the formula asks for is known:

* AdaGrad's and FTRL's sums of squared gradients s add up over the workers. A step is eta / sqrt(s): on average
  2 eta / (sqrt(s_0) + sqrt(s_1)), while s grows from s_0 to s_1.
* The same sums measure H. The gradient of a row is g d, with g the derivative of the loss and d that of the score; the
  second derivative is h d^2. For the logistic loss the mean of g^2 is h (Fisher's information). For the squared loss h
  is 1, and the mean of g^2 is the variance of the residuals. L2 adds its own to each visit.
* All parameters of a row move together, and so its score moves as fast as the sum of d^2 over them says. H is
  multiplied by the mean of this sum, |d|^2. That holds where all rows share their features;
  rare ones it slows a little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.models import TableSpec
from fastfm_ext._engine.options import Options, StepSizes
from fastfm_ext._engine.parameters import Parameters

# Features that are merged at a time, so that what is worked out on the way stays in the cache.
_FEATURES_AT_ONCE = 1 << 12
# The largest second derivative of a loss with respect to the score, where it is not 1.
_CURVATURE_OF_LOSS = {"logistic": 0.25}
# The mean of g^2 over the mean of the logistic loss, in a calibrated model: .36 where both classes are as likely, .28
# where one has a tenth of the rows.
_SQUARE_OF_LOGISTIC = 0.3
_TINY = 1e-30


@dataclass(frozen=True)
class RowsLearned:
    """What the merging has to know of the rows that a worker has trained on.

    Attributes
    ----------
    loss : float
        The sum of the loss over the rows, each before its own step.
    weight, squared_weight : float
        The sums of the rows' weights, and of their squares.
    row_norm : float
        The mean squared norm of the rows.
    growth : dict of float
        What `growth_of_squares` returns.
    """

    loss: float
    weight: float
    squared_weight: float
    row_norm: float
    growth: Mapping[str, float]


@dataclass(frozen=True)
class Learned:
    """What a worker has learned, or a part of it.

    Attributes
    ----------
    features : ndarray of shape (n_touched,)
        Features of its rows, each once.
    visits : ndarray of shape (n_touched,)
        For each of them, the sum of the weights of its rows.
    records : dict of ndarray
        What `Parameters.part` returns for these features. Tables without features stand in one part only.
    rows : RowsLearned
        All rows of the worker.
    """

    features: NDArray[np.int32]
    visits: Float32
    records: Mapping[str, Float32]
    rows: RowsLearned


def growth_of_squares(
    before: Parameters, records: Mapping[str, Float32], features: NDArray[np.int32], options: Options
) -> dict[str, float]:
    """Return by how much the sums of squared gradients have grown, by the table's name; none where a rule has none.

    Parameters
    ----------
    before : Parameters
    records : dict of ndarray
        What `Parameters.part` returns for these features after the steps.
    features : ndarray of shape (n_touched,)
    options : Options
    """
    slot, growth = _RULES[options.solver].slot, {}
    if not slot:
        return {}
    for spec in before.specs:
        sums, total = before.tables[spec.name][:, slot], 0.0
        for first in range(0, len(records[spec.name]), _FEATURES_AT_ONCE):
            some = slice(first, first + _FEATURES_AT_ONCE)
            sums_before = sums[features[some]] if spec.per_feature else sums[some]
            total += float((records[spec.name][some, slot] - sums_before).sum(dtype=np.float64))
        growth[spec.name] = total
    return growth


class Merger:
    """Merges what workers have learned, which is added one by one, or part by part.

    Holds some three times the memory of the parameters.

    Parameters
    ----------
    before : Parameters
        Those that all workers began from; not changed.
    options : Options
    """

    def __init__(self, before: Parameters, options: Options) -> None:
        self._before = before
        self._options = options
        self._rule = _RULES[options.solver]
        self._after = before.copy()
        self._forces = {name: np.zeros_like(records) for name, records in before.tables.items()}
        self._curvature = {name: np.zeros_like(records[:, 0]) for name, records in before.tables.items()}
        self._is_touched = {name: np.zeros(len(records), dtype=bool) for name, records in before.tables.items()}
        self._is_shared = {name: np.zeros(len(records), dtype=bool) for name, records in before.tables.items()}

    def add(self, learned: Learned) -> None:
        """Take in what a worker has learned, or a part of it."""
        data_curvature = self._rule.data_curvature(learned.rows, self._options)
        for spec in self._before.specs:
            features, visits = learned.features, learned.visits
            if spec.name not in learned.records:
                continue
            if not spec.per_feature:
                features = np.arange(len(learned.records[spec.name]), dtype=np.int32)
                visits = np.full(len(features), learned.rows.weight, dtype=np.float32)
            for first in range(0, len(features), _FEATURES_AT_ONCE):
                some = slice(first, first + _FEATURES_AT_ONCE)
                self._add(spec, features[some], visits[some], learned.records[spec.name][some], data_curvature)

    def _add(
        self, spec: TableSpec, features: NDArray[Any], visits: Float32, records: Float32, data_curvature: float
    ) -> None:
        name, sizes = spec.name, getattr(self._options, spec.name)
        before = self._before.tables[name][features]
        curvature = self._rule.curvature(before, records, visits, data_curvature, sizes)
        self._forces[name][features] += self._rule.forces(before, records, curvature, sizes)
        self._curvature[name][features] += curvature
        again = self._is_touched[name][features]
        self._is_shared[name][features] = again
        self._is_touched[name][features] = True
        self._after.tables[name][features[~again]] = records[~again]

    def merged(self) -> Parameters:
        """Return the parameters that all workers together have learned; nothing can be added any more."""
        for spec in self._before.specs:
            name, sizes = spec.name, getattr(self._options, spec.name)
            shared = np.flatnonzero(self._is_shared[name])
            for first in range(0, len(shared), _FEATURES_AT_ONCE):
                some = shared[first : first + _FEATURES_AT_ONCE]
                before, forces = self._before.tables[name][some], self._forces[name][some]
                self._after.tables[name][some] = self._rule.moved(before, forces, self._curvature[name][some], sizes)
        return self._after


# --- update rules ----------------------------------------------------------------------------------------------------


class _Rule(Protocol):
    """How the changes by an update rule add up.

    ``before``, ``records`` and ``forces`` are (n_features, 1 + n_slots, width), ``curvature`` is (n_features, width),
    ``visits`` (n_features,). What `forces` returns for each worker is summed.
    """

    @property
    def slot(self) -> int:
        """Which value of a record is the sum of squared gradients; 0 where none is."""

    def data_curvature(self, rows: RowsLearned, options: Options) -> float:
        """Return what `curvature` needs to know of a worker's rows."""

    def curvature(
        self, before: Float32, records: Float32, visits: Float32, data_curvature: float, sizes: StepSizes
    ) -> Float32:
        """Return H of the steps of one worker."""

    def forces(self, before: Float32, records: Float32, curvature: Float32, sizes: StepSizes) -> Float32:
        """Return F of the steps of one worker, and the changes of the state."""

    def moved(self, before: Float32, forces: Float32, curvature: Float32, sizes: StepSizes) -> Float32:
        """Return the records after the steps of all workers."""


class _Sgd:
    """Plain steps: H is bounded by the visits and the norms of rows, as nothing else is measured."""

    slot = 0

    def data_curvature(self, rows: RowsLearned, options: Options) -> float:
        return _CURVATURE_OF_LOSS.get(options.loss, 1.0) * rows.row_norm

    def curvature(
        self, before: Float32, records: Float32, visits: Float32, data_curvature: float, sizes: StepSizes
    ) -> Float32:
        of_visits = visits * np.float32(data_curvature + sizes.l2)
        return np.broadcast_to(of_visits[:, None], before[:, 0].shape)

    def forces(self, before: Float32, records: Float32, curvature: Float32, sizes: StepSizes) -> Float32:
        change = records - before
        step = self._mean_step(before, records, sizes)
        change[:, 0] /= step * _phi(step * curvature)
        return change

    def moved(self, before: Float32, forces: Float32, curvature: Float32, sizes: StepSizes) -> Float32:
        records = before + forces
        step = self._mean_step(before, records, sizes)
        records[:, 0] = before[:, 0] + step * _phi(step * curvature) * forces[:, 0]
        return records

    def _mean_step(self, before: Float32, after: Float32, sizes: StepSizes) -> Float32:
        return np.full_like(before[:, 0], sizes.learning_rate)


class _AdaGrad(_Sgd):
    """Steps that sums of squared gradients divide: these add up, and measure H."""

    slot = 1

    def data_curvature(self, rows: RowsLearned, options: Options) -> float:
        growth = rows.growth
        squares = growth["w0"] or growth["w"] / max(rows.row_norm, _TINY) or _squares(rows, options)
        if not squares:
            return 0.0
        norm = sum(growth.values()) / squares  # |d|^2
        return norm * rows.weight / (rows.squared_weight if options.loss == "logistic" else squares)

    def curvature(
        self, before: Float32, records: Float32, visits: Float32, data_curvature: float, sizes: StepSizes
    ) -> Float32:
        growth = records[:, self.slot] - before[:, self.slot]
        of_data: Float32 = np.float32(data_curvature) * growth
        return of_data + np.float32(self._l2_of_a_visit(sizes)) * visits[:, None]

    def _l2_of_a_visit(self, sizes: StepSizes) -> float:
        return sizes.l2

    def _mean_step(self, before: Float32, after: Float32, sizes: StepSizes) -> Float32:
        roots = np.sqrt(before[:, self.slot]) + np.sqrt(after[:, self.slot])
        step: Float32 = np.divide(np.float32(2.0 * sizes.learning_rate), roots)
        return step


class _Ftrl(_AdaGrad):
    """AdaGrad's steps, of a parameter that follows from z and n: z is set to give the merged one."""

    slot = 2

    def _l2_of_a_visit(self, sizes: StepSizes) -> float:
        return 0.0  # it belongs to the sum of all losses

    def _mean_step(self, before: Float32, after: Float32, sizes: StepSizes) -> Float32:
        root = np.float32(0.5) * (np.sqrt(before[:, self.slot]) + np.sqrt(after[:, self.slot]))
        step: Float32 = np.reciprocal(self._divisor(root, sizes))
        return step

    def _divisor(self, root: Float32, sizes: StepSizes) -> Float32:
        divisor: Float32 = (np.float32(sizes.beta) + root) / np.float32(sizes.learning_rate) + np.float32(sizes.l2)
        return divisor

    def moved(self, before: Float32, forces: Float32, curvature: Float32, sizes: StepSizes) -> Float32:
        records = super().moved(before, forces, curvature, sizes)
        theta, l1 = records[:, 0], np.float32(sizes.l1)
        z = -theta * self._divisor(np.sqrt(records[:, self.slot]), sizes) - np.sign(theta) * l1
        records[:, 1] = np.where(theta == 0, np.clip(records[:, 1], -l1, l1), z)
        return records


class _Averages:
    """Adam, whose state is averages: each record becomes the mean over the workers, weighted by visits."""

    slot = 0

    def data_curvature(self, rows: RowsLearned, options: Options) -> float:
        return 1.0

    def curvature(
        self, before: Float32, records: Float32, visits: Float32, data_curvature: float, sizes: StepSizes
    ) -> Float32:
        return np.broadcast_to(visits[:, None], before[:, 0].shape)

    def forces(self, before: Float32, records: Float32, curvature: Float32, sizes: StepSizes) -> Float32:
        return (records - before) * curvature[:, None]

    def moved(self, before: Float32, forces: Float32, curvature: Float32, sizes: StepSizes) -> Float32:
        return before + forces / curvature[:, None]


_RULES: dict[str, _Rule] = {"adagrad": _AdaGrad(), "sgd": _Sgd(), "ftrl": _Ftrl(), "adam": _Averages()}


def _squares(rows: RowsLearned, options: Options) -> float:
    """Return about the sum of g^2 over a worker's rows, from their loss."""
    of_loss = _SQUARE_OF_LOGISTIC if options.loss == "logistic" else 2.0
    return of_loss * rows.loss * rows.squared_weight / rows.weight


def _phi(x: Float32) -> Float32:
    """Return (1 - exp(-x)) / x, which is 1 at x = 0."""
    is_small = x < 1e-4
    safe = np.where(is_small, np.float32(1.0), x)
    phi: Float32 = np.where(is_small, 1 - x / 2, -np.expm1(-safe) / safe)
    return phi
