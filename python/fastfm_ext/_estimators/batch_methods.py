"""Methods that train on batches, and exist only where the solver can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.utils.metaestimators import available_if

from fastfm_ext._learning.solvers.registry import SOLVERS

Method = TypeVar("Method", bound=Callable[..., Any])


def _trains_on_batches(estimator: Any) -> bool:
    """Return True if the estimator's solver can go on with other rows; `fit` tells of a solver that does not exist.

    Raises
    ------
    AttributeError
        If it cannot; the error of the missing method shows this one as its cause.
    """
    if any(solver.name == estimator.solver and not solver.trains_on_batches for solver in SOLVERS):
        able = " or ".join(f'"{solver.name}"' for solver in SOLVERS if solver.trains_on_batches)
        raise AttributeError(f'solver="{estimator.solver}" needs all rows at once; training on batches needs {able}.')
    return True


def if_on_batches(method: Method) -> Method:
    """Let a method exist only where the solver trains on batches."""
    available: Method = available_if(_trains_on_batches)(method)
    return available
