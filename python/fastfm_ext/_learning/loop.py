"""Loop over epochs: schedule, history, early stopping, and the best epoch's parameters."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.divergence import DivergenceError


@dataclass(frozen=True)
class Schedule:
    """How long to train, when to stop, and whom to tell."""

    max_iter: int
    n_iter_no_change: int
    tol: float
    n_threads: int
    shuffle: bool = True
    report: Callable[[int, History], bool] | None = None  # called after each epoch; True ends the training


@dataclass
class History:
    """Losses, validation scores and seconds, one an epoch.

    `best_epoch` counts from 1, and is the last one where nothing was validated.
    """

    train_loss: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    best_epoch: int = 0

    def of_whole_epochs(self) -> History:
        """Return a copy without an epoch that was broken off."""
        n = len(self.seconds)
        return History(self.train_loss[:n], self.validation[:n], list(self.seconds), self.best_epoch)


@dataclass
class Monitor:
    """Best value so far of a loss or a metric, and the epochs since it last improved by more than `tol`."""

    higher_is_better: bool = False
    best: float | None = None
    mark: float | None = None  # the value that the next gain is measured from
    epochs_without_gain: int = 0

    def update(self, value: float, tol: float) -> bool:
        """Take in the value of one more epoch; return whether it is the best so far, by however little."""
        gained = self._is_better(value, self.mark, tol)
        if gained:
            self.mark = value
        self.epochs_without_gain = 0 if gained else self.epochs_without_gain + 1
        is_best = self._is_better(value, self.best)
        if is_best:
            self.best = value
        return is_best

    def _is_better(self, value: float, than: float | None, tol: float = 0.0) -> bool:
        if than is None:
            return not np.isnan(value)
        return value > than + tol if self.higher_is_better else value < than - tol


@dataclass
class Run:
    """Training between two epochs: all that going on later needs, beside the parameters."""

    history: History = field(default_factory=History)
    monitor: Monitor = field(default_factory=Monitor)
    best: list[Parameters] = field(default_factory=list)  # those of the best epoch; none where nothing was validated
    divergence: DivergenceError | None = None  # what ended the run, where there was a best epoch to fall back on

    def raise_divergence(self) -> None:
        """Raise what ended the run, once its best epoch has been kept."""
        if self.divergence is not None:
            raise self.divergence


def run_epochs(
    scorers: list[Parameters],
    run_epoch: Callable[[int], float],
    validate: Callable[[int], float] | None,
    schedule: Schedule,
    run: Run,
    *,
    may_go_on: bool = True,
) -> Run:
    """Run epochs until there is no more gain, whatever an epoch trains on.

    ``run_epoch`` and ``validate`` take the number of the epoch, from 1, and return its mean training loss and the value
    that the run's monitor watches. Without ``validate``, the monitor watches the training loss. ``run`` is where an
    earlier call stopped, and with ``may_go_on`` a later one goes on from what this one returns.

    With ``validate``, the parameters are in the end those of the best epoch, also if a later one diverges; the error is
    then in the run that is returned.

    Raises
    ------
    DivergenceError
        If there is no best epoch to fall back on. The parameters are then of no use.
    """
    try:
        _run_epochs(scorers, run_epoch, validate, schedule, run, None if may_go_on else schedule.max_iter)
    except DivergenceError as error:
        if not run.best:
            raise
        run.history = run.history.of_whole_epochs()
        run.divergence = error.keeping(run.history.best_epoch)
    for params, best_params in zip(scorers, run.best, strict=False):
        params.assign(best_params)
    return run


def _run_epochs(
    scorers: list[Parameters],
    run_epoch: Callable[[int], float],
    validate: Callable[[int], float] | None,
    schedule: Schedule,
    run: Run,
    last_epoch: int | None,
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
            history.validation.append(validate(epoch))
            if monitor.update(history.validation[-1], schedule.tol):
                # No step comes behind the last epoch.
                run.best = [] if epoch == last_epoch else _snapshot(scorers, run.best)
                history.best_epoch = epoch
        history.seconds.append(time.perf_counter() - started)
        if schedule.report is not None and schedule.report(epoch, history):
            break


def _snapshot(scorers: list[Parameters], reuse: list[Parameters]) -> list[Parameters]:
    """Return copies of the parameters, in the memory of an earlier snapshot if there is one."""
    if not reuse:
        return [params.copy() for params in scorers]
    for copy, params in zip(reuse, scorers, strict=True):
        copy.assign(params)
    return reuse
