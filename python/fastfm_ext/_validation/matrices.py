"""The only place that turns what users pass in into arrays for the engine, and says what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastfm_ext._common.arrays import MAX_INT32, Float32, Float64, as_kernels_read
from fastfm_ext._common.checks import errors_that_name, kind_of
from fastfm_ext._common.sparse import CsrRows, is_sparse, scipy_csr
from fastfm_ext._common.sparse import sparse as sp
from fastfm_ext._engine import csr as _csr
from fastfm_ext._engine.centers import NO_CENTERS, Centers
from fastfm_ext._engine.csr import Csr, RowStarts
from fastfm_ext._validation.faults import explained
from fastfm_ext._validation.quick_checks import check_features


def to_csr(estimator: Any, X: Any, *, reset: bool = False, name: str = "X", centers: Centers = NO_CENTERS) -> Csr:
    """Return ``X`` as the kernels read it, less the ``centers`` of columns.

    Sparse formats, dense arrays and data frames are accepted. Duplicates are summed and explicit zeros dropped, so
    that every way of writing a matrix trains the same model. Arrays of the right type are used without a copy.

    Raises
    ------
    ValueError
        For NaN, infinity, an empty matrix, a number of features other than in ``fit``, or a damaged sparse matrix.
    """
    if getattr(X, "ndim", 2) == 2 and hasattr(X, "shape"):
        check_not_empty(X.shape, name)
    csr = _csr_at_once(X)
    if csr is not None:
        with errors_that_name(name):
            check_features(estimator, X, reset=reset)
        return centered(normalized(csr, estimator), X, centers)
    if is_sparse(X):
        X = checked_csr(X.to_scipy() if isinstance(X, CsrRows) else X, name)
    from sklearn.utils.validation import validate_data

    given = X
    # A float64 beyond float32 becomes infinite, and is refused as such.
    try:
        if not is_sparse(X):
            check_not_misread(X, name)
        with errors_that_name(name), np.errstate(over="ignore", invalid="ignore"):
            X = validate_data(
                estimator, X, reset=reset, accept_sparse="csr", accept_large_sparse=True, dtype=np.float32
            )
    except (TypeError, ValueError) as error:
        raise explained(error, X, estimator, name) from error
    if X.shape[1] > MAX_INT32:
        raise ValueError(
            f"{name} has {X.shape[1]} features; feature numbers are 32-bit, so at most {MAX_INT32} can be used. "
            "Hash or renumber the features into a smaller range."
        )
    return centered(normalized(canonical_csr(sp.csr_array(X)), estimator), given, centers)


def normalized(X: Csr, estimator: Any) -> Csr:
    """Return X with its rows scaled to unit length, if the estimator has the hyperparameter and it is set."""
    return _csr.unit_rows(X) if getattr(estimator, "normalize", False) else X


def centered(X: Csr, given: Any, centers: Centers) -> Csr:
    """Return X less the centers, which are taken off in double precision from the matrix that was `given` for it.

    In float32, seconds since 1970 are 128 apart.
    """
    return centers.apply(X, columns_in_double(given, centers.columns, X.n_features)) if len(centers) else X


def centered_anew(X: Csr, given: Any, *, is_beginning: bool) -> tuple[Csr, Centers]:
    """Return X less the centers of its columns, and these centers, learned from the matrix that was `given` for it."""
    return Centers.learned(
        X, lambda columns: columns_in_double(given, columns, X.n_features), is_beginning=is_beginning
    )


def with_present_centered(X: Csr, given: Any, centers: Centers) -> tuple[Csr, Float64 | None]:
    """Return X less the centers where it is not 0, and 1 where it is, (n_rows, n_centered); None without centers."""
    if not len(centers):
        return X, None
    values = columns_in_double(given, centers.columns, X.n_features)
    is_zero = values == 0
    return centers.apply(X, np.where(is_zero, centers.values, values)), is_zero.astype(np.float64)


def columns_in_double(X: Any, columns: NDArray[np.intp], n_features: int) -> Float64:
    """Return columns of a valid matrix in double precision, (n_rows, n_columns); a sparse one may lack the last."""
    if is_sparse(X):
        wide = scipy_csr(X)
        wide.resize((X.shape[0], n_features))
        values = wide[:, columns].toarray()
    else:
        values = (X if isinstance(X, np.ndarray) else np.asarray(X, dtype=np.float64))[:, columns]
    return np.asarray(values, dtype=np.float64)


def _csr_at_once(X: Any) -> Csr | None:
    """Return a faultless CSR matrix of numbers after a single look at its values; None for whatever needs more care."""
    if not is_sparse(X) or X.format != "csr" or X.ndim != 2 or X.shape[1] > MAX_INT32:
        return None
    if _unusable_part(X) or X.dtype.kind not in "fiu" or len(X.indptr) != X.shape[0] + 1:
        return None
    if X.indices.dtype != np.int32 and X.nnz and not (X.indices.min() >= 0 and X.indices.max() < X.shape[1]):
        return None
    with np.errstate(over="ignore"):
        data = as_kernels_read(X.data, np.float32)
    return _csr.csr_at_once(_row_starts(X.indptr), as_kernels_read(X.indices, np.int32), data, X.shape[1])


def _row_starts(indptr: Any) -> RowStarts:
    """Return where rows begin as the kernels read it: int32 as it is, int64 otherwise."""
    if indptr.dtype == np.int32:
        starts: RowStarts = as_kernels_read(indptr)
        return starts
    wide: RowStarts = as_kernels_read(indptr, np.int64)
    return wide


def checked_csr(X: Any, name: str) -> sp.csr_array:
    """Return a sparse matrix of any format as CSR, with duplicates summed in double precision.

    The indices are checked before SciPy converts or sums anything: its loops follow them unchecked.

    Raises
    ------
    ValueError
        For indices out of range, a decreasing ``indptr``, arrays whose lengths do not fit, or more than 2 dimensions.
    """
    if X.ndim != 2:
        raise ValueError(f"{name} must have 2 dimensions; got a sparse array of shape {X.shape}.")
    try:
        X = rebuilt(X)
    except ValueError as error:
        raise ValueError(f"{name} is not a valid {X.format.upper()} matrix: {error}") from error
    is_complex = X.dtype.kind == "c"  # refused later, as it is for dense arrays
    if X.format != "csr":
        X = (X if is_complex else X.astype(np.float64)).tocsr()
    if not is_complex and not X.has_canonical_format:
        X = X.astype(np.float64)
        X.sum_duplicates()
    return sp.csr_array(X)


def check_interactions(interactions: Any, name: str, shape: tuple[int, int] | None = None) -> sp.csr_array:
    """Return a sparse matrix of interactions, shape (n_users, n_items), as CSR in canonical form without zeros.

    Raises
    ------
    TypeError
        If it is not a sparse matrix.
    ValueError
        If it is damaged, has another shape than `shape`, or holds something else than numbers, or NaN.
    """
    if not sp.issparse(interactions):
        raise TypeError(
            f"{name} must be a SciPy sparse matrix of shape (n_users, n_items), got {kind_of(interactions)}. "
            "Turn an array into one with scipy.sparse.csr_array."
        )
    if shape is not None and interactions.shape != shape:
        raise ValueError(f"{name} must have shape (n_users, n_items) = {shape}, got {interactions.shape}.")
    if not _unusable_part(interactions) and interactions.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold numbers, got dtype {interactions.dtype}.")
    csr = checked_csr(interactions, name)
    if csr.dtype.kind == "f" and np.isnan(csr.data).any():
        raise ValueError(f"{name} holds NaN. Leave unknown entries out of the matrix.")
    if not csr.data.all():
        csr = csr.copy()
        csr.eliminate_zeros()
    return csr


def rebuilt(X: Any) -> Any:
    """Return a valid sparse matrix over the same arrays; what SciPy notes on it does not reach the caller's object."""
    problem = _unusable_part(X)
    if problem:
        raise ValueError(problem)
    if X.format not in ("csr", "csc", "bsr"):
        X = X.tocoo()
        return sp.coo_array((X.data, (X.row, X.col)), shape=X.shape)
    array_type = {"csr": sp.csr_array, "csc": sp.csc_array, "bsr": sp.bsr_array}[X.format]
    rebuilt = array_type((X.data, X.indices, X.indptr), shape=X.shape)
    # check_format looks at neither indices nor indptr when the last value of indptr says that there are no entries.
    if (rebuilt.indptr[1:] < rebuilt.indptr[:-1]).any():
        raise ValueError("index pointer values must form a non-decreasing sequence")
    rebuilt.check_format(full_check=True)
    return rebuilt


def _unusable_part(X: Any) -> str | None:
    """Return which array of a sparse matrix SciPy would fail on, or round, since its type is another; None for none.

    SciPy makes arrays of the right types, and anybody can put others in their place.
    """
    parts = {name: getattr(X, name) for name in ("data", "indices", "indptr", "offsets") if hasattr(X, name)}
    parts |= {f"coords[{axis}]": part for axis, part in enumerate(getattr(X, "coords", ()))}
    for name, part in parts.items():
        if not isinstance(part, np.ndarray):
            return f"its {name} must be an array; got {kind_of(part)}."
        if name != "data" and part.dtype.kind not in "iu":
            return f"its {name} must hold integers; got dtype {part.dtype}."
    return None


def check_not_misread(X: Any, name: str) -> None:
    """Raise ValueError for what NumPy would refuse without saying why, or take for numbers that nobody meant."""
    if np.ma.is_masked(X):
        raise ValueError(f"{name} has masked entries, and their values would be used. Fill them in or drop the rows.")
    if hasattr(X, "collect") and not hasattr(X, "shape"):
        raise ValueError(f"{name} is {kind_of(X)}, which holds no rows yet. Call its collect() first.")
    if any(_is_temporal(dtype) for dtype in _types_of(X)):
        raise ValueError(f"{name} holds dates or durations. Turn them into numbers of a unit of your choice.")


def _types_of(X: Any) -> Iterable[Any]:
    """Return the types of the columns of a pandas, polars or Arrow table, or the type of an array."""
    if hasattr(X, "schema") and hasattr(X, "column_names"):
        return [str(dtype) for dtype in X.schema.types]
    is_frame = hasattr(X, "shape") and hasattr(X, "columns")
    return X.dtypes if is_frame else [getattr(X, "dtype", None)]


def _is_temporal(dtype: Any) -> bool:
    """Return whether a type of NumPy, pandas, polars or, by its name, Arrow is one of dates or durations."""
    if isinstance(dtype, str):
        return dtype.startswith(("date", "time", "duration"))
    return getattr(dtype, "kind", None) in ("m", "M") or bool(getattr(dtype, "is_temporal", lambda: False)())


def canonical_csr(X: sp.csr_array) -> Csr:
    """Return a valid float32 ``csr_array`` without duplicates as a `Csr`: no zeros, and no values if all are 1."""
    if not X.data.all():
        X = X.copy()
        X.eliminate_zeros()
    return Csr(
        indptr=_row_starts(X.indptr),
        indices=as_kernels_read(X.indices, np.int32),
        data=None if np.all(X.data == 1) else as_kernels_read(X.data, np.float32),
        n_features=X.shape[1],
    )


def check_not_empty(shape: Sequence[int], name: str) -> None:
    """Raise ValueError for a matrix without rows or without columns."""
    if shape[0] == 0:
        raise ValueError(f"{name} has 0 sample(s) (shape={tuple(shape)}); at least one row is needed.")
    if len(shape) > 1 and shape[1] == 0:
        raise ValueError(f"{name} has 0 feature(s) (shape={tuple(shape)}) while a minimum of 1 is required.")


def check_weights(sample_weight: ArrayLike | None, n_rows: int, name: str) -> Float32 | None:
    """Return the weights as float32 of shape (n_rows,), or None for none.

    Raises
    ------
    ValueError
        For negative, non-finite or all-zero weights, or another number of them than of rows.
    """
    if sample_weight is None:
        return None
    from sklearn.utils import check_array

    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_rows, sample_weight)
    with errors_that_name(name):
        weights = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name=name)
    if weights.shape != (n_rows,):
        raise ValueError(f"{name} must hold {n_rows} weights, one a row; got an array of shape {weights.shape}.")
    if weights.min() < 0:
        raise ValueError(f"{name} must not be negative; row {int(weights.argmin())} has {weights.min()}.")
    if weights.max() > np.finfo(np.float32).max:
        raise ValueError(f"{name} is too large for float32 arithmetic: {weights.max():g}. Scale it down.")
    weights = np.ascontiguousarray(weights, dtype=np.float32)
    if not weights.any():
        raise ValueError(f"{name} is zero for every row; at least one row must have a positive weight.")
    return weights


def check_no_overflow(values: Float32, X: Csr, what: str) -> None:
    """Raise ValueError if what was computed of the rows of X, one row each, is anywhere NaN or infinite."""
    # NaN and infinity reach the least or the largest value, and neither needs memory.
    if not values.size or np.isfinite([values.min(), values.max()]).all():
        return
    row = int(np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))[0])
    begin, end = X.indptr[row], X.indptr[row + 1]
    largest = 1.0 if X.data is None else float(np.abs(X.data[begin:end]).max(initial=0.0))
    raise ValueError(
        f"the {what} of row {row} of X is beyond float32: the row's largest absolute value is {largest:g}. "
        "Bring the features to the size that they had in training."
    )


def is_table_of_0_and_1(values: Any, n_items: int) -> bool:
    """Return whether what should name items holds a 0 or 1 for each of them instead."""
    # As many values as there are items, and so with repetitions, which a choice of items does not have.
    if not hasattr(values, "__len__") or not len(values) == n_items > 2:
        return False
    return all(isinstance(value, Real) and (value == 0 or value == 1) for value in values)
