"""Numbers to predict as arrays that float32 arithmetic can learn, and their spread."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastfm_ext._common.arrays import Float32, Float64
from fastfm_ext._validation.quick_checks import check_finite

# AdaGrad sums squares of gradients, which grow with the cube of the target's spread; these bounds keep the sums within
# float32, with room for a hundred thousand visits.
LARGEST_TARGET = 1e11
SMALLEST_SPREAD = 1e-11
# Part of its largest value by which the spread of a constant target differs from 0.
ROUNDING = 1e-14


def check_numbers(y: Any, name: str) -> Float64:
    """Return targets, (n_rows,), in double precision.

    Raises
    ------
    ValueError
        For what is no number, NaN, infinity, or more than 1e11.
    """
    try:
        y = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must hold numbers: {error}") from error
    check_finite(y, name)
    if np.abs(y).max() > LARGEST_TARGET:
        largest = np.abs(y).max()
        raise ValueError(f"{name} is too large for float32 arithmetic: {largest:g}. Scale it to at most 1e11.")
    targets: Float64 = y
    return targets


def spread_of(y: Float64, center: float, sample_weight: Float32 | None) -> float:
    """Return the root of the mean squared distance of targets, (n_rows,), from a center; 1 for constant ones.

    Raises
    ------
    ValueError
        If it is less than 1e-11, and not 0.
    """
    spread = float(np.sqrt(np.average((y - center) ** 2, weights=sample_weight)))
    # Rounding leaves a constant target a spread of its last digits.
    is_constant = spread <= ROUNDING * np.abs(y).max()
    if not is_constant and spread < SMALLEST_SPREAD:
        raise ValueError(f"y is too small for float32 arithmetic: its spread is {spread:g}. Scale it up.")
    return 1.0 if is_constant else spread
