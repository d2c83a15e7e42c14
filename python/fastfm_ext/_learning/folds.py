"""Folds of little data, on which models train side by side to find the best number of epochs: cross-validation."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from fastfm_ext._learning.convergence import convergence_warning
from fastfm_ext._learning.divergence import DivergenceError
from fastfm_ext._learning.loop import Monitor, Run, run_epochs
from fastfm_ext._learning.problem import Begins, Problem, validated

# Epochs without a gain that end a training on folds, as a multiple of `n_iter_no_change`. Products of features may take
# twenty epochs to show while weights overfit, and an epoch of little data costs little.
FOLD_PATIENCE = 6


def solve_folds(problem: Problem, solver: Begins) -> Run:
    """Train on several folds side by side, until the mean over them gets no better; return what happened on the way.

    An epoch in which a fold diverges is the last one, with a warning, since it need not diverge on all rows.

    The mean of losses is the geometric one: each fold counts by the share of its loss that an epoch takes away, so that
    an outlier, which makes one loss a hundred times the others, does not decide alone. That of metrics, which may be 0
    in one fold, is the arithmetic one.

    Raises
    ------
    DivergenceError
        If a fold diverges before any epoch is the best.
    """
    folds = (problem, *problem.folds)
    higher_is_better = problem.held_out is not None and problem.held_out.higher_is_better
    trainings = [solver.begin(fold) for fold in folds]

    def run_epoch(epoch: int) -> float:
        return float(np.mean([training.run_epoch(epoch) for training in trainings]))

    def validate(epoch: int) -> float:
        values = [validated(fold, epoch) for fold in folds]
        if higher_is_better:
            return float(np.mean(values))
        with np.errstate(divide="ignore"):  # a loss of 0
            return float(np.exp(np.mean(np.log(values))))

    run = Run(monitor=Monitor(higher_is_better=higher_is_better))
    schedule = replace(problem.schedule, n_iter_no_change=FOLD_PATIENCE * problem.schedule.n_iter_no_change)
    try:
        return run_epochs([], run_epoch, validate, schedule, run)
    except DivergenceError as error:
        run.history = run.history.of_whole_epochs()
        best_epoch = run.history.best_epoch
        if not best_epoch:
            raise
        message = f"on a part of the rows, {error.args[0]} The best of the epochs before, {best_epoch}, is taken."
        warnings.warn(message, convergence_warning(), stacklevel=6)  # who calls fit
        return run
