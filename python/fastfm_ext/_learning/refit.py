"""Early stopping and the refit: the number of epochs that serves held-out data best, then training on all of it."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastfm_ext._learning.divergence import DivergenceError
from fastfm_ext._learning.loop import Monitor, Run, run_epochs
from fastfm_ext._learning.problem import Begins, Problem, solve, validated

# Epochs without a gain that end a training on folds, as a multiple of `n_iter_no_change`. Products of features may take
# twenty epochs to show while weights overfit, and an epoch of little data costs little.
FOLD_PATIENCE = 6


def solve_for_all(problem: Problem, solver: Begins) -> tuple[Problem, Run]:
    """Solve a problem; then give back what was held out, and train anew on all data for the best number of epochs.

    The model is then the one of so many epochs without early stopping. As many epochs as were best serve all rows
    better than as many steps, which would be a tenth fewer epochs: see `benchmarks/refit.py`.

    Parameters
    ----------
    problem : Problem
    solver : Begins

    Returns
    -------
    solved : Problem
        With the parameters found: that of all data; or the one given, if nothing is to be given back, or if training
        diverged after its best epoch or diverges now.
    run : Run
        What happened before the refit.

    Raises
    ------
    DivergenceError
        If there are no parameters to fall back on.
    """
    run = solve_folds(problem, solver) if problem.folds else solve(problem, solver)
    if problem.whole is None or run.divergence is not None:
        return problem, run
    run.best = []  # a copy of what the scorers hold, and as large as the parameters to come
    best_epoch = run.history.best_epoch
    whole = problem.whole(best_epoch)
    try:
        last = solve(whole, solver).history.best_epoch
        if not all(params.is_finite() for params in whole.scorers):
            raise whole.guard.error("a parameter became NaN or infinite", last, whole.data)
    except DivergenceError as error:
        message = f"in the refit on all rows, {error.args[0]}"
        if problem.folds:
            raise DivergenceError(message, error.epoch, error.learning_rate) from None
        run.divergence = DivergenceError(message, error.epoch, error.learning_rate, best_epoch)
        return problem, run
    return whole, run


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
        warnings.warn(message, ConvergenceWarning, stacklevel=6)  # who calls fit
        return run
