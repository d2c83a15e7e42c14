"""Registry of the solvers of rows with targets."""

from __future__ import annotations

from fastfm_ext._learning.solvers.als import ALS
from fastfm_ext._learning.solvers.base import Solver
from fastfm_ext._learning.solvers.gradient import GRADIENT_SOLVERS

SOLVERS: tuple[Solver, ...] = (*GRADIENT_SOLVERS, ALS)


def solver_named(name: str) -> Solver:
    """Return the solver of this name."""
    return next(solver for solver in SOLVERS if solver.name == name)


def solvers_that_read(hyperparameter: str) -> tuple[Solver, ...]:
    """Return the solvers that read a hyperparameter, or none where it is one that all read."""
    return tuple(solver for solver in SOLVERS if hyperparameter in solver.reads)
