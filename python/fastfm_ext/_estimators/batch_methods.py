"""Methods that train on batches, and exist only where the solver can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.utils.metaestimators import available_if

from fastfm_ext._learning.solvers.registry import SOLVERS

Method = TypeVar("Method", bound=Callable[..., Any])


def _trains_on_batches(estimator: Any) -> bool:
    """Return whether the estimator's solver can go on with other rows; `fit` tells of a solver that does not exist."""
    return all(solver.trains_on_batches for solver in SOLVERS if solver.name == estimator.solver)


def if_on_batches(method: Method) -> Method:
    """Let a method exist only where the solver trains on batches."""
    available: Method = available_if(_trains_on_batches)(method)
    return available
