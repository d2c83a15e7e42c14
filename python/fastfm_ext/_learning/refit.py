"""Refit on all data, for the number of epochs that served what early stopping held out."""

from __future__ import annotations

from fastfm_ext._learning.divergence import DivergenceError
from fastfm_ext._learning.folds import solve_folds
from fastfm_ext._learning.loop import Run
from fastfm_ext._learning.problem import Begins, Problem, solve


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
