"""Methods that train on batches, and exist only where the solver can."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper, wraps
from types import MethodType
from typing import Any, TypeVar, cast

from fastfm_ext._learning.solvers.registry import SOLVERS

Method = TypeVar("Method", bound=Callable[..., Any])


class _MethodOnBatches:
    """A method that an estimator has only if its solver trains on batches, as scikit-learn's ``available_if`` does."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = method
        update_wrapper(cast(Any, self), method)

    def __get__(self, estimator: Any, owner: Any) -> Callable[..., Any]:
        if estimator is not None:
            self._check(estimator, owner)
            return MethodType(self._method, estimator)

        # Of the class itself it is a function, as its documentation needs it.
        @wraps(self._method)
        def function(estimator: Any, *args: Any, **kwargs: Any) -> Any:
            self._check(estimator, owner)
            return self._method(estimator, *args, **kwargs)

        return function

    def _check(self, estimator: Any, owner: Any) -> None:
        try:
            _check_solver(estimator)
        except AttributeError as error:
            message = f"This {owner.__name__!r} has no attribute {self._method.__name__!r}"
            raise AttributeError(message) from error


def _check_solver(estimator: Any) -> None:
    """Raise AttributeError if the solver cannot go on with other rows; `fit` tells of a solver that does not exist."""
    if any(solver.name == estimator.solver and not solver.trains_on_batches for solver in SOLVERS):
        able = " or ".join(f'"{solver.name}"' for solver in SOLVERS if solver.trains_on_batches)
        raise AttributeError(f'solver="{estimator.solver}" needs all rows at once; training on batches needs {able}.')


def if_on_batches(method: Method) -> Method:
    """Let a method exist only where the solver trains on batches."""
    return cast(Method, _MethodOnBatches(method))
