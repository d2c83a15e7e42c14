"""Faults of feature matrices: the column that holds text, a missing or an infinite value, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from fastfm_ext._common.arrays import AnyArray
from fastfm_ext._common.checks import public_name
from fastfm_ext._common.sparse import sparse as sp

Kind = Literal["time", "no number", "missing", "infinite"]
# A column at fault in the first way is named before all others.
_KINDS: tuple[Kind, ...] = get_args(Kind)
_LARGEST = float(np.finfo(np.float32).max)


class Fault(NamedTuple):
    """The first value of a column that is no finite number."""

    kind: Kind
    column: Any
    row: int
    value: Any


def explained(error: TypeError | ValueError, X: Any, estimator: Any, name: str) -> TypeError | ValueError:
    """Return an error about `X`, called `name`, that names the column at fault; the same error if none is."""
    if isinstance(X, Mapping):
        return type(error)(f"{error}. {_with_encoder(estimator)}")
    fault = _first_fault(X)
    if fault is None:
        return error
    place = f"column {fault.column!r}, row {fault.row}"
    if fault.kind == "missing":
        return ValueError(f"{name} contains NaN: {place} has no value. {_advice(fault.kind, X, estimator)}")
    first_sentence = str(error).splitlines()[0].rstrip(".")
    return type(error)(f"{first_sentence}: {place} holds {fault.value!r}. {_advice(fault.kind, X, estimator)}")


def is_table(X: Any) -> bool:
    """Return whether this is a data frame or a table of Arrow, which `FMEncoder` takes."""
    return (hasattr(X, "shape") or hasattr(X, "column_names")) and hasattr(X, "columns")


def names_of_columns(X: Any) -> list[Any]:
    """Return the names of a table's columns."""
    return list(X.column_names if hasattr(X, "column_names") else X.columns)


def _advice(kind: Kind, X: Any, estimator: Any) -> str:
    model = public_name(type(estimator))
    if kind == "infinite":
        return "Clip the column, or take it out."
    if is_table(X):
        return _with_encoder(estimator)
    if sp.issparse(X):
        return "Leave missing values out of the matrix."
    if kind == "missing":
        return (
            f"Fill in what is missing: make_pipeline(SimpleImputer(), {model}()) with SimpleImputer of sklearn.impute."
        )
    return (
        f"Give a table with named columns, such as a pandas DataFrame, to make_pipeline(FMEncoder(), {model}()), which "
        "encodes text."
    )


def _with_encoder(estimator: Any) -> str:
    if not hasattr(estimator, "predict"):
        return "Pass rows that an FMEncoder has encoded: encoder.transform(table, side='user'), or side='item'."
    return (
        "FMEncoder encodes tables, with text and missing values: fit "
        f"make_pipeline(FMEncoder(), {public_name(type(estimator))}()) in place of the estimator alone."
    )


def _first_fault(X: Any) -> Fault | None:
    """Return a fault of a matrix or table, (n_rows, n_columns), None if there is none."""
    if sp.issparse(X):
        entries = sp.coo_array(X)
        fault = _fault_of(entries.data, None)
        if fault is None:
            return None
        return fault._replace(column=int(entries.col[fault.row]), row=int(entries.row[fault.row]))
    found = [fault for name, values in _columns(X) if (fault := _fault_of(values, name)) is not None]
    return next((fault for kind in _KINDS for fault in found if fault.kind == kind), None)


def _columns(X: Any) -> Iterator[tuple[Any, AnyArray]]:
    if not is_table(X):
        try:
            array = np.asarray(X)
        except ValueError:  # ragged lists
            return
        if array.ndim == 2:
            yield from enumerate(array.T)
        return
    for number, name in enumerate(names_of_columns(X)):
        if hasattr(X, "iloc"):
            column = X.iloc[:, number]
        else:
            column = X.to_series(number) if hasattr(X, "to_series") else X.column(number)
        yield name, np.asarray(column)


def _fault_of(values: AnyArray, column: Any) -> Fault | None:
    """Return the first fault of values (n,)."""
    if values.dtype.kind == "f":
        return _fault_of_floats(values, column)
    if values.dtype.kind in "mM" and len(values):
        return Fault("time", column, 0, str(values[0]))
    if values.dtype.kind not in "OUST":
        return None
    numbers = np.zeros(len(values))
    for row, value in enumerate(values.tolist()):
        if value is None or type(value).__name__ in ("NAType", "NaTType"):
            numbers[row] = np.nan
            continue
        try:
            numbers[row] = float(value)
        except (TypeError, ValueError, OverflowError):
            return Fault("no number", column, row, value)
    return _fault_of_floats(numbers, column)


def _fault_of_floats(numbers: AnyArray, column: Any) -> Fault | None:
    bad: dict[Kind, AnyArray] = {"missing": np.isnan(numbers), "infinite": np.abs(numbers) > _LARGEST}
    for kind, is_bad in bad.items():
        if is_bad.any():
            row = int(np.argmax(is_bad))
            return Fault(kind, column, row, float(numbers[row]))
    return None
