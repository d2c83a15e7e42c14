"""Hyperparameters of the Bayesian estimators: valid values."""

from __future__ import annotations

from typing import Any

from fastfm_ext._common.checks import check_param, is_integer, is_real, optional
from fastfm_ext._estimators.hyperparameters import CHECKS, Check, one_of, values_of
from fastfm_ext._learning.solvers.hyperpriors import PRIORS
from fastfm_ext.bayesian.centered import FORMS

KEPT = ("samples", "distilled", "mean")


def _or_auto(low: int) -> Check:
    check = is_integer(low)
    return (lambda value: value == "auto" if isinstance(value, str) else check(value)), (
        f'"auto" or an integer of at least {low}'
    )


_BAYESIAN_CHECKS: dict[str, Check] = {
    "prior": one_of(PRIORS),
    "form": one_of(FORMS),
    "keep": one_of(KEPT),
    "max_sweeps": (is_integer(1), "an integer of at least 1"),
    "max_seconds": (optional(is_real(0, open_at_low=True)), "a finite number above 0, or None for no limit"),
    "burn_in": _or_auto(0),
    "n_samples": _or_auto(2),
    "verbose": (CHECKS["verbose"][0], '0 for silence, 1 for a line a sweep, or "bar" for a progress bar'),
}


def check_hyperparameters(estimator: Any) -> None:
    """Raise ValueError that names the first hyperparameter of an invalid value."""
    checks = CHECKS | _BAYESIAN_CHECKS
    for name in values_of(estimator):
        if name in checks:
            check_param(estimator, name, *checks[name])
    if isinstance(estimator.burn_in, int) and estimator.burn_in >= estimator.max_sweeps:
        raise ValueError(
            f"burn_in of {type(estimator).__name__} must be less than max_sweeps={estimator.max_sweeps}; "
            f"got {estimator.burn_in}."
        )
