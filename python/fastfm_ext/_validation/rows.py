"""Rows with targets and weights as arrays that the engine may trust."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32, Float64, Int64
from fastfm_ext._common.checks import errors_that_name
from fastfm_ext._engine.centers import NO_CENTERS, Centers
from fastfm_ext._engine.csr import Csr, take_rows
from fastfm_ext._validation.matrices import check_weights, columns_in_double, to_csr
from fastfm_ext._validation.quick_checks import as_column


class CountedRows(NamedTuple):
    """Validated rows of positive weight.

    Attributes
    ----------
    X : Csr of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
        Targets as the user gave them.
    sample_weight : ndarray of shape (n_rows,), or None
    numbers : ndarray of shape (n_rows,), or None
        Their numbers among the user's rows, where these are only some of them.
    """

    X: Csr
    y: Any
    sample_weight: Float32 | None
    numbers: Int64 | None


def counted_rows(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    check_target: Callable[[Any, str], Any],
    *,
    reset: bool,
    centers: Centers = NO_CENTERS,
) -> CountedRows:
    """Validate rows to train on, and leave out those of weight 0.

    Parameters
    ----------
    estimator : FMEstimator
        Knows the number of features and their names, or learns them with `reset`.
    X, y, sample_weight
        As the user gave them.
    check_target : callable
        The estimator's own check of an array of targets, under the name of an argument.
    reset : bool
    centers : Centers
        What is taken off columns of X.
    """
    rows = all_rows(estimator, X, y, sample_weight, check_target, reset=reset, centers=centers)
    if rows.sample_weight is None or rows.sample_weight.all():
        return rows
    numbers = np.flatnonzero(rows.sample_weight).astype(np.int64)
    return CountedRows(take_rows(rows.X, numbers), rows.y[numbers], rows.sample_weight[numbers], numbers)


def numeric_values(rows: CountedRows, X: Any, n_features: int, columns: NDArray[np.intp]) -> Float64:
    """Return columns of rows that `counted_rows` has read from X in double precision, (n_rows, n_columns)."""
    values = columns_in_double(X, columns, n_features)
    return values if rows.numbers is None else values[rows.numbers]


def all_rows(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    check_target: Callable[[Any, str], Any],
    *,
    reset: bool = False,
    suffix: str = "",
    centers: Centers = NO_CENTERS,
) -> CountedRows:
    """Validate rows; `suffix` is that of the arguments' names in messages."""
    csr = to_csr(estimator, X, reset=reset, name=f"X{suffix}", centers=centers)
    y, weight = targets_and_weights(estimator, csr.n_rows, y, sample_weight, check_target, suffix)
    return CountedRows(csr, y, weight, None)


def targets_and_weights(
    estimator: Any,
    n_rows: int,
    y: Any,
    sample_weight: Any,
    check_target: Callable[[Any, str], Any],
    suffix: str = "",
) -> tuple[Any, Float32 | None]:
    """Validate targets and weights of so many rows, (n_rows,) each; no weights are None."""
    name = f"y{suffix}"
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires {name} to be passed, but the target {name} is None."
        )
    with errors_that_name(name):
        y = as_column(y)
    if len(y) != n_rows:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: X{suffix} has {n_rows}, {name} has {len(y)}."
        )
    weight = check_weights(sample_weight, n_rows, f"sample_weight{suffix}")
    return check_target(y, name), weight
