"""Vectors to search among and to search with: what users pass in, as finite matrices."""

from __future__ import annotations

from numbers import Integral
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from fastfm_ext._common.arrays import AnyArray, Float32, FloatVectors, as_kernels_read
from fastfm_ext._engine.search import MAX_NORM, norms
from fastfm_ext._validation.matrices import check_not_misread

DTYPES = ("float32", "float16")
# Results of this size are worth an error where most of them can only say that there is no item.
_LARGE_RESULTS = 1 << 30
_BYTES_OF_RESULT = 12  # position and score


def to_floats(values: npt.ArrayLike, name: str, dtype: str = "float32") -> npt.NDArray[Any]:
    """Return a C-contiguous array of this type, without a copy where possible.

    Raises
    ------
    ValueError
        If `values` is not an array of numbers, or has masked entries.
    """
    check_not_misread(values, name)
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} must be an array of numbers: {error}") from error
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be a dense array of numbers, got dtype {array.dtype}.")
    if array.ndim == 0:
        raise ValueError(
            f"{name} must be an array of vectors, of shape (n, d) or (d,); got the single value {values!r}."
        )
    with np.errstate(over="ignore"):
        matrix: npt.NDArray[Any] = as_kernels_read(array, dtype)
        return matrix


@overload
def check_matrix(values: npt.ArrayLike, name: str, n_dims: int | None = None) -> Float32: ...


@overload
def check_matrix(values: npt.ArrayLike, name: str, n_dims: int | None = None, *, dtype: str) -> FloatVectors: ...


def check_matrix(values: npt.ArrayLike, name: str, n_dims: int | None = None, *, dtype: str = "float32") -> Any:
    """Return a finite, C-contiguous matrix of one of `DTYPES`, without a copy where possible.

    Raises
    ------
    ValueError
        If `values` is no matrix of numbers, has another width than `n_dims`, or a row that is not finite or too long.
    """
    matrix = to_floats(values, name, dtype)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise ValueError(f"{name} must have shape (n, d) with d >= 1, got {matrix.shape}.")
    if n_dims is not None and matrix.shape[1] != n_dims:
        raise ValueError(f"{name} has {matrix.shape[1]} columns, but the vectors in the index have {n_dims}.")
    with np.errstate(over="ignore", invalid="ignore"):
        bad = np.flatnonzero(~(norms(matrix) < MAX_NORM))
    if len(bad):
        raise ValueError(f"{name}[{bad[0]}] {_problem_of(np.asarray(values)[bad[0]], matrix[bad[0]])}")
    return matrix


def _problem_of(given: AnyArray, kept: AnyArray) -> str:
    """Say what is wrong with a vector as it was given and as it would be kept, both (d,)."""
    with np.errstate(over="ignore"):
        is_finite = np.isfinite(given.astype(np.float32)).all()
    if not is_finite:
        return "has a value that is NaN or infinite in float32: did the model diverge?"
    if kept.dtype == np.float16:
        return 'has a number that is too large for float16, which ends at 65,504: set dtype="float32".'
    return f"is longer than {MAX_NORM:g}: did the model diverge?"


def check_count(value: int, name: str) -> int:
    """Return an integer of at least 1.

    Raises
    ------
    ValueError
        If `value` is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    return int(value)


def check_n(n: int, n_rows: int, n_items: int) -> int:
    """Return how many items are wanted for each of `n_rows`.

    Raises
    ------
    ValueError
        If it is no integer of at least 1, or so far beyond the number of items that the results would fill memory.
    """
    n = check_count(n, "n")
    size = n * n_rows * _BYTES_OF_RESULT
    if n > n_items and size > _LARGE_RESULTS:
        raise ValueError(
            f"n={n} asks for results of {size / 2**30:,.1f} GiB, and the index has {n_items} items: ask for fewer."
        )
    return n
