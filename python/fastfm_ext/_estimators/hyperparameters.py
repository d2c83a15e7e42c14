"""Hyperparameters of the estimators: valid ranges, and the engine options made from them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from functools import cache
from typing import Any

from fastfm_ext._common.checks import (
    check_param,
    is_bool,
    is_integer,
    is_nonzero_integer,
    is_real,
    optional,
    public_name,
)
from fastfm_ext._engine.options import Options
from fastfm_ext._estimators.class_weights import is_class_weight
from fastfm_ext._learning.losses import LOSSES, MULTI_CLASS, Loss, RankingLoss
from fastfm_ext._learning.solvers.base import Defaults, Solver
from fastfm_ext._learning.solvers.gradient import DTYPES
from fastfm_ext._learning.solvers.registry import SOLVERS, solvers_that_read

MAX_THREADS = 1024

Check = tuple[Callable[[Any], bool], str]  # whether a value will do, and what would


def one_of(names: Iterable[str]) -> Check:
    """Return a check for one of these names, and how to say so."""
    wanted = tuple(names)
    return (lambda value: isinstance(value, str) and value in wanted), f"one of {wanted}"


def _is_bool_or_auto(value: Any) -> bool:
    return is_bool(value) or (isinstance(value, str) and value == "auto")


def _is_rate(value: Any) -> bool:
    return is_real(0, open_at_low=True)(value) and bool(value <= 1)


def _is_share(value: Any) -> bool:
    return is_real(0)(value) and bool(value <= 1)


_AT_LEAST_0 = (is_real(0), "a finite number of at least 0")
_AT_LEAST_0_OR_DEFAULT = (optional(is_real(0)), "a finite number of at least 0, or None for the default")
_ABOVE_0 = (is_real(0, open_at_low=True), "a finite number above 0")
_AT_LEAST_1 = (is_integer(1), "an integer of at least 1")
_SWITCH = (is_bool, "True or False")

# Valid values of each hyperparameter; an estimator checks those that it has.
CHECKS: dict[str, Check] = {
    "n_factors": (is_integer(0), "an integer of at least 0"),
    "solver": one_of(solver.name for solver in SOLVERS),
    "dtype": one_of(DTYPES),
    "learning_rate": (optional(is_real(0, open_at_low=True)), "a finite number above 0, or None for the default"),
    "l2_w": _AT_LEAST_0_OR_DEFAULT,
    "l2_V": _AT_LEAST_0_OR_DEFAULT,
    "l2_exponent": (_is_share, "a number from 0 to 1"),
    "adaptive_l2": _SWITCH,
    "init_stdev": _AT_LEAST_0_OR_DEFAULT,
    "l1_w": _AT_LEAST_0,
    "l1_V": _AT_LEAST_0,
    "delta": _ABOVE_0,
    "clip_gradient": (optional(is_real(0, open_at_low=True)), "a finite number above 0, or None for no bound"),
    "class_weight": (is_class_weight, 'None, "balanced" or a dict of classes to finite numbers above 0'),
    "negative_sampling_rate": (optional(_is_rate), "a number above 0 and at most 1, or None for all rows"),
    "multi_class": one_of(MULTI_CLASS),
    "max_iter": _AT_LEAST_1,
    "tol": _AT_LEAST_0,
    "clip_predictions": _SWITCH,
    "fit_intercept": _SWITCH,
    "fit_linear": _SWITCH,
    "normalize": _SWITCH,
    "shuffle": _SWITCH,
    "warm_start": _SWITCH,
    "refit": _SWITCH,
    "early_stopping": (_is_bool_or_auto, 'True, False or "auto"'),
    "validation_fraction": (is_real(0, open_at_low=True, high=1), "between 0 and 1"),
    "n_iter_no_change": _AT_LEAST_1,
    "n_jobs": (
        optional(is_nonzero_integer(MAX_THREADS)),
        f"an integer other than 0 and at most {MAX_THREADS}, or None for one thread",
    ),
    "verbose": (
        lambda value: is_bool(value) or is_integer(0)(value) or (isinstance(value, str) and value == "bar"),
        '0 for silence, 1 for a line an epoch, or "bar" for a progress bar',
    ),
}


def values_of(estimator: Any) -> dict[str, Any]:
    """Return the hyperparameters by name, as `get_params` does, which asks for the signature at each call."""
    return {name: getattr(estimator, name) for name in _constructor_defaults(estimator.__class__)}


@cache
def _constructor_defaults(cls: Any) -> dict[str, Any]:
    parameters = inspect.signature(cls).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


def check_ranges(estimator: Any, **others: Check) -> None:
    """Raise ValueError that names the first hyperparameter of an invalid value; `others` take the place of `CHECKS`."""
    checks = CHECKS | others
    for name in values_of(estimator):
        if name in checks:
            check_param(estimator, name, *checks[name])


def check_solver(estimator: Any, solver: Solver, loss: Loss) -> None:
    """Raise ValueError unless the solver has the loss, and both read every hyperparameter that was given.

    A hyperparameter counts as given where its value is not the default.
    """
    if estimator._spec.name not in solver.models:
        able = " or ".join(f'"{each.name}"' for each in SOLVERS if estimator._spec.name in each.models)
        name = public_name(type(estimator))
        raise ValueError(f'solver="{solver.name}" is for factorization machines; {name} takes {able}.')
    if loss.name not in solver.losses:
        known = ", ".join(f'"{name}"' for name in sorted(solver.losses))
        raise ValueError(f'solver="{solver.name}" has no loss "{loss.name}"; "{solver.name}" has: {known}.')
    defaults = _constructor_defaults(estimator.__class__)
    given = {name: value for name, value in values_of(estimator).items() if value is not defaults[name]}
    for name, value in given.items():
        by_solver = [reader.name for reader in solvers_that_read(name)]
        by_loss = [reader.name for reader in LOSSES if name in reader.reads]
        for kind, readers, chosen in (("solver", by_solver, solver.name), ("loss", by_loss, loss.name)):
            if readers and chosen not in readers and value != defaults[name]:
                raise ValueError(_unread(name, value, kind, readers, chosen, defaults[name]))


def check_holds_rows_out(estimator: Any) -> None:
    """Raise ValueError where L2 is to be learned on rows that are held out, as `fit` alone does it."""
    if estimator.adaptive_l2:
        raise ValueError(
            "adaptive_l2=True learns from rows that fit holds out, and batches are trained on as they come. Leave "
            "adaptive_l2 at False to train on batches, where l2_exponent may share L2 by frequency."
        )


def _unread(name: str, value: Any, kind: str, readers: list[str], given: str, default: Any) -> str:
    wanted = " or ".join(f'{kind}="{reader}"' for reader in readers)
    return (
        f'{name} needs {wanted}; got {name}={value!r} with {kind}="{given}", which does not read it. Leave {name} at '
        f"{default!r}, or change {kind}."
    )


def settings_of(estimator: Any, defaults: Defaults) -> Defaults:
    """Return the step size, L2 and first spread: the user's where given, else the defaults."""
    given = {field.name: getattr(estimator, field.name) for field in fields(defaults)}
    return replace(defaults, **{name: value for name, value in given.items() if value is not None})


def options_of(estimator: Any, rule: str, loss: Loss | RankingLoss, settings: Defaults) -> Options:
    """Return the options of a training by this update rule, for targets of unit spread."""
    values = values_of(estimator)
    names = ("l1_w", "l1_V", "l2_exponent", "delta", "fit_intercept", "fit_linear", "dtype")
    clip = values.get("clip_gradient")
    return Options(
        loss=loss.name,
        solver=rule,
        model=estimator._spec,
        learning_rate_w=settings.learning_rate,
        learning_rate_V=settings.learning_rate,
        learning_rate_R=settings.learning_rate,
        l2_w=settings.l2_w,
        l2_V=settings.l2_V,
        init_stdev=settings.init_stdev,
        clip_gradient=math.inf if clip is None else clip,
        **{name: values[name] for name in names if name in values},
    )
