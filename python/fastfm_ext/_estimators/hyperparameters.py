"""The hyperparameters that the estimators share: their names, what they may be, and what follows for the engine."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from typing import Any, Literal

from sklearn.base import BaseEstimator

from fastfm_ext import _engine
from fastfm_ext._common.checks import check_param, is_bool, is_integer, is_nonzero_integer, is_real, optional
from fastfm_ext._engine.parameters import Options
from fastfm_ext._learning.defaults import DEFAULTS, Defaults

MAX_THREADS = 1024

Check = tuple[Callable[[Any], bool], str]  # whether a value will do, and what would


def one_of(names: Iterable[str]) -> Check:
    """Return a check for one of these names, and how to say so."""
    wanted = tuple(names)
    return (lambda value: isinstance(value, str) and value in wanted), f"one of {wanted}"


def _is_bool_or_auto(value: Any) -> bool:
    return is_bool(value) or (isinstance(value, str) and value == "auto")


_AT_LEAST_0 = (is_real(0), "a finite number of at least 0")
_AT_LEAST_0_OR_DEFAULT = (optional(is_real(0)), "a finite number of at least 0, or None for the default")
_AT_LEAST_1 = (is_integer(1), "an integer of at least 1")
_SWITCH = (is_bool, "True or False")

# What each hyperparameter may be; an estimator checks those that it has.
CHECKS: dict[str, Check] = {
    "n_factors": (is_integer(0), "an integer of at least 0"),
    "solver": one_of(_engine.SOLVERS),
    "learning_rate": (optional(is_real(0, open_at_low=True)), "a finite number above 0, or None for the default"),
    "l2_w": _AT_LEAST_0_OR_DEFAULT,
    "l2_V": _AT_LEAST_0_OR_DEFAULT,
    "init_stdev": _AT_LEAST_0_OR_DEFAULT,
    "l1_w": _AT_LEAST_0,
    "l1_V": _AT_LEAST_0,
    "clip_gradient": (optional(is_real(0, open_at_low=True)), "a finite number above 0, or None for no bound"),
    "max_iter": _AT_LEAST_1,
    "tol": _AT_LEAST_0,
    "fit_intercept": _SWITCH,
    "fit_linear": _SWITCH,
    "shuffle": _SWITCH,
    "warm_start": _SWITCH,
    "early_stopping": (_is_bool_or_auto, 'True, False or "auto"'),
    "validation_fraction": (is_real(0, open_at_low=True, high=1), "between 0 and 1"),
    "n_iter_no_change": _AT_LEAST_1,
    "n_jobs": (
        optional(is_nonzero_integer(MAX_THREADS)),
        f"an integer other than 0 and at most {MAX_THREADS}, or None for one thread",
    ),
    "verbose": (lambda value: is_bool(value) or is_integer(0)(value), "0 for silence or 1 for a line an epoch"),
}


class Hyperparameters(BaseEstimator):
    """Base of the estimators: what the user chooses."""

    _loss: str

    def __init__(
        self,
        n_factors: int = 16,
        *,
        solver: str = "adagrad",
        learning_rate: float | None = None,
        max_iter: int = 100,
        l2_w: float | None = None,
        l2_V: float | None = None,
        l1_w: float = 0.0,
        l1_V: float = 0.0,
        clip_gradient: float | None = None,
        init_stdev: float | None = None,
        fit_intercept: bool = True,
        fit_linear: bool = True,
        shuffle: bool = True,
        early_stopping: bool | Literal["auto"] = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_factors = n_factors
        self.solver = solver
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.l2_w = l2_w
        self.l2_V = l2_V
        self.l1_w = l1_w
        self.l1_V = l1_V
        self.clip_gradient = clip_gradient
        self.init_stdev = init_stdev
        self.fit_intercept = fit_intercept
        self.fit_linear = fit_linear
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @abstractmethod
    def _target_unit(self) -> float:
        """Return the spread of the target: the unit in which step sizes and L2 are given."""

    def _check_params(self) -> None:
        for name in self.get_params(deep=False):
            if name in CHECKS:
                check_param(self, name, *CHECKS[name])
        for name in ("l1_w", "l1_V"):
            if getattr(self, name, 0.0) > 0 and self.solver != "ftrl":
                raise ValueError(
                    f'{name} needs solver="ftrl", which can make parameters exactly 0; got {self.solver!r}.'
                )

    def _chosen(self) -> Defaults:
        """Return the step size, L2 and first spread: the user's where given, else the defaults."""
        defaults = DEFAULTS[self._loss, self.solver]
        given = {field.name: getattr(self, field.name) for field in fields(defaults)}
        return replace(defaults, **{name: value for name, value in given.items() if value is not None})

    def _options(self) -> Options:
        chosen = self._chosen()
        options = Options(
            loss=self._loss,
            solver=self.solver,
            learning_rate_w=chosen.learning_rate,
            learning_rate_V=chosen.learning_rate,
            l2_w=chosen.l2_w,
            l2_V=chosen.l2_V,
            l1_w=self.l1_w,
            l1_V=self.l1_V,
            clip_gradient=math.inf if self.clip_gradient is None else self.clip_gradient,
            init_stdev=chosen.init_stdev,
            fit_intercept=bool(self.fit_intercept),
            fit_linear=bool(self.fit_linear),
        )
        return options.in_units_of(self._target_unit())
