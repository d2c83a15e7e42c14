"""Problem of a solver: data, parameters, and the terms of training; and its solution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float64, Int64
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.divergence import Guard, HasLargest
from fastfm_ext._learning.l2 import AdaptiveL2
from fastfm_ext._learning.loop import Monitor, Run, Schedule, run_epochs
from fastfm_ext._learning.progressive import ProgressiveLog


class HeldOut(HasLargest, Protocol):
    """Data that is held out of training, and the loss or metric by which models are compared on it."""

    @property
    def higher_is_better(self) -> bool:
        """Whether `value` is a metric; else it is a loss."""

    @property
    def subject(self) -> str:
        """What became NaN or infinite after a divergence, in the words of the error."""

    def value(self, scorers: list[Parameters], n_threads: int) -> float:
        """Return the loss or metric; NaN or infinity after a divergence."""


@dataclass(frozen=True)
class Problem:
    """All that a solver is given.

    Attributes
    ----------
    data : Samples or Choices
    visited : ndarray of shape (n_visited,)
        Numbers of the rows, or of the interactions, to train on.
    scorers : list of Parameters
        One for each score; changed in place.
    options : Options
    schedule : Schedule
    guard : Guard
    rng : Generator
    held_out : HeldOut or None
    touched : ndarray of shape (n_touched,), or None
        Features whose parameters can change; None for all.
    whole : callable or None
        Takes a number of epochs; returns the problem of all data, held out or not, with the first parameters of this
        one. None where the held-out data is not given back.
    visit_counts : ndarray of shape (n_features,), or None
        Weight of the rows with each feature, those of earlier batches included; None where all L2 is the same.
    progressive : ProgressiveLog or None
        Takes the scores that rows have before their steps.
    folds : tuple of Problem
        Problems of the same data that hold out other parts of it, to find the number of epochs by cross-validation.
    adaptive_l2 : AdaptiveL2 or None
        Factors of L2 that are learned on held-out rows.
    """

    data: Any
    visited: Int64
    scorers: list[Parameters]
    options: Options
    schedule: Schedule
    guard: Guard
    rng: np.random.Generator
    held_out: HeldOut | None = None
    touched: NDArray[np.intp] | None = None
    whole: Callable[[int], Problem] | None = None
    folds: tuple[Problem, ...] = ()
    adaptive_l2: AdaptiveL2 | None = None
    visit_counts: Float64 | None = None
    progressive: ProgressiveLog | None = None


class Training(Protocol):
    """A solver at work on a problem."""

    def run_epoch(self, epoch: int) -> float:
        """Change the parameters by one pass over the data; return the mean loss on the way.

        Raises
        ------
        DivergenceError
        """


class Begins(Protocol):
    """A solver, as far as a solution asks."""

    def begin(self, problem: Problem) -> Training:
        """Return the training that changes the problem's parameters in place."""


def solve(problem: Problem, solver: Begins) -> Run:
    """Change the problem's parameters into those that the solver finds, and return what happened on the way.

    With held-out data, the parameters are left as they were after the best epoch, and training ends when the loss no
    longer falls (or the metric no longer rises) there; without, when the training loss no longer falls.

    Raises
    ------
    DivergenceError
        If there is no best epoch to fall back on. The parameters are then of no use.
    """
    training = solver.begin(problem)
    held_out, schedule = problem.held_out, problem.schedule
    if held_out is None:
        return run_epochs(problem.scorers, training.run_epoch, None, schedule, Run())

    run = Run(monitor=Monitor(higher_is_better=held_out.higher_is_better))
    validate = partial(validated, problem)
    return run_epochs(problem.scorers, training.run_epoch, validate, schedule, run, may_go_on=False)


def validated(problem: Problem, epoch: int) -> float:
    """Return the loss or metric of the held-out data after an epoch.

    Raises
    ------
    DivergenceError
        If it is NaN or infinite.
    """
    held_out = problem.held_out
    assert held_out is not None
    value = held_out.value(problem.scorers, problem.schedule.n_threads)
    if not np.isfinite(value):
        raise problem.guard.error(f"{held_out.subject} became NaN or infinite", epoch, held_out)
    return value
