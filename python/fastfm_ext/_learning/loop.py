"""The epoch loop: row order, early stopping, history, progress lines, and the guard against divergence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastfm_ext import _engine
from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine import csr
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.parameters import Options, Parameters
from fastfm_ext._engine.ranking import largest_value

# An epoch whose mean loss is this many times the loss of the starting model has diverged, finite or not.
DIVERGENCE_FACTOR = 1e4
ROWS_AT_ONCE = 1 << 16

LossValue = Callable[[Float32, Float32], NDArray[np.float64]]


class DivergenceError(ArithmeticError):
    """Training diverged: a score became NaN or infinite, or the loss exploded.

    Attributes
    ----------
    epoch : int
        The epoch, from 1, in which it happened.
    learning_rate : float
    kept_epoch : int or None
        The epoch whose parameters the estimator has now: with validation rows the best one before. None where no epoch
        was validated; the estimator is then as it was before.
    """

    def __init__(self, message: str, epoch: int, learning_rate: float, kept_epoch: int | None = None) -> None:
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


@dataclass(frozen=True)
class Rows:
    """Samples with a target for each output: one output for regression and binary classes, else one a class."""

    X: Csr
    targets: Float32  # (n_outputs, n_rows)
    sample_weight: Float32 | None
    numbers: NDArray[np.int64] | None = None  # of the rows as the user gave them, where these are only some of them

    @property
    def largest(self) -> tuple[float, float]:
        """The largest absolute feature value, and the largest weight."""
        return largest_value(self.X), 1.0 if self.sample_weight is None else float(self.sample_weight.max())

    def take(self, rows: NDArray[np.int64]) -> Rows:
        """Return a copy of these rows, in this order."""
        # To clip costs nothing, and to check each number takes five times as long as taking the values.
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        numbers = rows if self.numbers is None else self.numbers[rows]
        return Rows(csr.take_rows(self.X, rows), np.take(self.targets, rows, axis=1, mode="clip"), weight, numbers)


class HasLargest(Protocol):
    """What a model was trained on, as far as a message about divergence tells of it."""

    @property
    def largest(self) -> tuple[float, float]:
        """The largest absolute feature value, and the largest weight."""


@dataclass(frozen=True)
class Schedule:
    """How long to train, on what terms to stop, and whom to tell."""

    max_iter: int
    n_iter_no_change: int
    tol: float
    shuffle: bool
    n_threads: int
    learning_rate: float  # as the user gave it, for messages
    typical_loss: float  # about what a constant prediction loses
    report: Callable[[int, History], None] | None = None  # called after each epoch


@dataclass
class History:
    """What happened in each epoch; `best_epoch` counts from 1, and is the last one where nothing was validated."""

    train_loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    best_epoch: int = 0


@dataclass
class Monitor:
    """Watches a loss: for how many epochs it has not fallen by more than `tol`."""

    best: float = np.inf
    mark: float = np.inf  # the loss that the next gain is measured from
    epochs_without_gain: int = 0

    def update(self, loss: float, tol: float) -> bool:
        """Take in the loss of one more epoch; return whether it is the best so far, by however little."""
        gained = loss < self.mark - tol
        if gained:
            self.mark = loss
        self.epochs_without_gain = 0 if gained else self.epochs_without_gain + 1
        is_best = loss < self.best
        self.best = min(self.best, loss)
        return is_best


@dataclass
class Run:
    """Where training stands between two epochs, beside the parameters: all that going on later needs."""

    history: History = field(default_factory=History)
    monitor: Monitor = field(default_factory=Monitor)
    best: list[Parameters] = field(default_factory=list)  # those of the best epoch; none where nothing was validated
    divergence: DivergenceError | None = None  # what ended the run, where there was a best epoch to fall back on

    def raise_divergence(self) -> None:
        """Raise what ended the run, once its best epoch has been kept."""
        if self.divergence is not None:
            raise self.divergence


def train(
    outputs: list[Parameters],
    rows: Rows,
    train_rows: NDArray[np.int64],
    validation: Rows | None,
    options: Options,
    schedule: Schedule,
    rng: np.random.Generator,
) -> Run:
    """Train every output's parameters in place on ``train_rows``, which come in random order if they are to be in one.

    With validation rows, the parameters are left as they were after the best epoch, and training ends when the
    validation loss no longer falls; without, when the training loss no longer falls.

    Raises
    ------
    DivergenceError
        If there is no best epoch to fall back on. The parameters are then of no use.
    """
    visits = _Visits(rows, train_rows, outputs[0].record_bytes, schedule, rng)

    def validate(epoch: int) -> float:
        assert validation is not None
        loss = mean_loss(outputs, validation, options.loss, schedule.n_threads)
        if not np.isfinite(loss):
            raise divergence("the validation loss became NaN or infinite", epoch, validation, schedule)
        return loss

    return run_epochs(
        outputs,
        lambda epoch: run_epoch(epoch, outputs, visits, options, schedule),
        None if validation is None else validate,
        schedule,
    )


def run_epochs(
    outputs: list[Parameters],
    run_epoch: Callable[[int], float],
    validate: Callable[[int], float] | None,
    schedule: Schedule,
    run: Run | None = None,
) -> Run:
    """Run epochs until there is no more gain, whatever it is that an epoch trains on.

    ``run_epoch`` and ``validate`` take the number of the epoch, from 1, and return its mean training loss and a number
    that is lower for a better model. Without ``validate``, training ends when the training loss no longer falls.
    ``run`` is where an earlier call stopped.

    With ``validate``, the parameters are in the end those of the best epoch, also if a later one diverges; the error is
    then in the run that is returned.
    """
    run = Run() if run is None else run
    try:
        _run_epochs(outputs, run_epoch, validate, schedule, run)
    except DivergenceError as error:
        if not run.best:
            raise
        history = run.history
        del history.train_loss[len(history.seconds) :], history.val_loss[len(history.seconds) :]
        run.divergence = error.keeping(history.best_epoch)
    for params, best_params in zip(outputs, run.best, strict=False):
        params.assign(best_params)
    return run


def _run_epochs(
    outputs: list[Parameters],
    run_epoch: Callable[[int], float],
    validate: Callable[[int], float] | None,
    schedule: Schedule,
    run: Run,
) -> None:
    history, monitor = run.history, run.monitor
    for epoch in range(len(history.train_loss) + 1, schedule.max_iter + 1):
        if monitor.epochs_without_gain >= schedule.n_iter_no_change:
            break
        started = time.perf_counter()
        history.train_loss.append(run_epoch(epoch))
        if validate is None:
            monitor.update(history.train_loss[-1], schedule.tol)
            history.best_epoch = epoch
        else:
            history.val_loss.append(validate(epoch))
            if monitor.update(history.val_loss[-1], schedule.tol):
                run.best = _snapshot(outputs, run.best)
                history.best_epoch = epoch
        history.seconds.append(time.perf_counter() - started)
        if schedule.report is not None:
            schedule.report(epoch, history)


class _Visits:
    """The rows to train on, and the order in which each epoch visits them.

    For several shuffled epochs the rows are copied into the random order in which they come, and each epoch permutes
    blocks of them; see ``rows.hpp`` for why. A single epoch gains nothing from that and takes the rows from where they
    are.

    Several threads keep copies of `hot_features`, which the rows name by other numbers then; see ``threads.hpp``.
    """

    def __init__(
        self,
        rows: Rows,
        train_rows: NDArray[np.int64],
        record_bytes: int,
        schedule: Schedule,
        rng: np.random.Generator,
    ) -> None:
        self._order = train_rows
        self._copied = schedule.shuffle and schedule.max_iter > 1
        self._rng = rng
        self.rows = rows.take(train_rows) if self._copied else rows
        self.hot_features = _engine.NO_FEATURES
        if schedule.n_threads > 1:
            self.hot_features = _engine.hot_features(self.rows.X, record_bytes)
            self.rows = replace(self.rows, X=_engine.rename_hot_features(self.rows.X, self.hot_features))
        weight = rows.sample_weight
        self.total_weight = float(len(train_rows) if weight is None else weight[train_rows].sum(dtype=np.float64))

    def orders(self) -> Iterable[NDArray[np.int64]]:
        """Give the order of the next epoch's visits, some at a time."""
        return csr.block_orders(self.rows.X, self._rng) if self._copied else (self._order,)


class Visits(Protocol):
    """Rows to train on, which of their features have copies for each thread, and the order in which to visit them."""

    rows: Rows
    hot_features: NDArray[np.int32]
    total_weight: float

    def orders(self) -> Iterable[NDArray[np.int64] | None]:
        """Give the order of the next epoch's visits, some at a time; None means all of them as they lie."""


def run_epoch(
    epoch: int,
    outputs: list[Parameters],
    visits: Visits,
    options: Options,
    schedule: Schedule,
) -> float:
    """Train every output for one epoch; return the mean loss on the way, summed over the outputs."""
    rows = visits.rows
    try:
        loss_sum = sum(
            _engine.train_epoch(
                rows.X, y, rows.sample_weight, order, params, options, schedule.n_threads, visits.hot_features
            )
            for order in visits.orders()
            for params, y in zip(outputs, rows.targets, strict=True)
        )
    except _engine.NonFiniteScoreError as error:
        number = error.row if rows.numbers is None else rows.numbers[error.row]
        raise divergence(f"the score of row {number} became NaN or infinite", epoch, rows, schedule) from None
    loss = loss_sum / visits.total_weight
    check_loss(loss, epoch, rows, schedule)
    return loss


def check_loss(loss: float, epoch: int, rows: HasLargest, schedule: Schedule) -> None:
    """Raise DivergenceError for an epoch's mean loss that no training should reach."""
    if not (np.isfinite(loss) and loss <= DIVERGENCE_FACTOR * schedule.typical_loss):
        reason = f"the mean loss is {loss:.3g}, where a constant prediction gives about {schedule.typical_loss:.3g}"
        raise divergence(reason, epoch, rows, schedule)


def divergence(reason: str, epoch: int, rows: HasLargest, schedule: Schedule) -> DivergenceError:
    """Return the error that says where training diverged and what to try."""
    largest, heaviest = rows.largest
    message = (
        f"training diverged in epoch {epoch} with learning_rate={schedule.learning_rate:g}: {reason}. "
        f"The largest absolute feature value is {largest:g}, after columns were brought to unit size"
        f"{f', and the largest sample weight is {heaviest:g}' if heaviest > 1 else ''}. "
        "Try a smaller learning_rate, features scaled to about [-1, 1], a larger l2_V or a smaller init_stdev."
    )
    return DivergenceError(message, epoch, schedule.learning_rate)


def mean_loss(outputs: list[Parameters], rows: Rows, loss: str, n_threads: int) -> float:
    """Return the weighted mean of the loss, without L2, summed over the outputs."""
    value = _LOSS_VALUES[loss]
    with np.errstate(invalid="ignore"):  # scores may be infinite; then so is the loss, or NaN
        return sum(
            _mean(value, y, _engine.predict(rows.X, params, n_threads), rows.sample_weight)
            for params, y in zip(outputs, rows.targets, strict=True)
        )


def _squared(y: Float32, p: Float32) -> NDArray[np.float64]:
    residual = p.astype(np.float64) - y
    return 0.5 * residual**2


def _logistic(y: Float32, p: Float32) -> NDArray[np.float64]:
    p64 = p.astype(np.float64)
    values: NDArray[np.float64] = np.log1p(np.exp(-np.abs(p64))) + np.maximum(p64, 0.0) - y * p64
    return values


_LOSS_VALUES = {"squared": _squared, "logistic": _logistic}


def _snapshot(outputs: list[Parameters], reuse: list[Parameters]) -> list[Parameters]:
    """Return copies of the parameters, in the memory of an earlier snapshot if there is one."""
    if not reuse:
        return [params.copy() for params in outputs]
    for copy, params in zip(reuse, outputs, strict=True):
        copy.assign(params)
    return reuse


def mean_loss_of_bias(outputs: list[Parameters], rows: Rows, loss: str) -> float:
    """Return the mean loss of predicting w0 for every row, summed over the outputs."""
    return sum(
        _mean(_LOSS_VALUES[loss], y, np.broadcast_to(np.float32(params.w0), y.shape), rows.sample_weight)
        for params, y in zip(outputs, rows.targets, strict=True)
    )


def _mean(value: LossValue, y: Float32, p: Float32, sample_weight: Float32 | None) -> float:
    """Return the weighted mean of a loss, some rows at a time: in double precision all of them take much memory."""
    total = total_weight = 0.0
    for first in range(0, len(y), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        values = value(y[rows], p[rows])
        weight = np.ones(len(values)) if sample_weight is None else sample_weight[rows].astype(np.float64)
        total += float(values @ weight)
        total_weight += float(weight.sum())
    return total / total_weight


class Undo:
    """Remembers the parameters of these features, and puts them back when called."""

    def __init__(self, params: Parameters, features: NDArray[np.intp]) -> None:
        self.params = params
        self.features = features
        self.w0 = params.w0_record.copy()
        self.w = params.w_records[self.features]
        self.V = params.V_records[self.features]

    def __call__(self) -> None:
        self.params.w0_record[...] = self.w0
        self.params.w_records[self.features] = self.w
        self.params.V_records[self.features] = self.V
