"""Inference of column specs: how to encode columns for which the user names no kind."""

from collections.abc import Iterable
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from fastfm_ext._common.arrays import AnyArray
from fastfm_ext._tables.column import COLLECTIONS, Column
from fastfm_ext._tables.read import as_table, column_names, read_columns
from fastfm_ext._tables.times import TIME_TYPES
from fastfm_ext.encoding.columns.base import ColumnSpec
from fastfm_ext.encoding.columns.categorical import Categorical
from fastfm_ext.encoding.columns.multi import Multi
from fastfm_ext.encoding.columns.numeric import Numeric

# Values that stand in fewer rows than this, on average, are too rare to learn each by itself,
_ROWS_PER_CATEGORY = 2
# in tables of at least so many rows: a smaller one is an example.
_MIN_ROWS = 20
_NUMBER_TYPES = (Real, Decimal)


def infer_specs(columns: Iterable[Column]) -> list[ColumnSpec]:
    """Choose a spec for each column by its values.

    - Numbers of which one has a fraction, times and durations are numeric.
    - Lists, tuples, sets and arrays have several values a cell: multi.
    - All else are categories: text, booleans, whole numbers (of a float type, too: ids become floats where one is
      missing) and what the table itself calls a category.
    - From 20 rows on, columns of whole numbers with fewer than two rows a value are numeric, and of other categories
      with fewer than two rows a value those seen once share a feature, as the unknown ones do.
    """
    return [_inferred(column) for column in columns]


def infer_specs_of(table: Any, names: Iterable[str], *, is_part: bool = False) -> list[ColumnSpec]:
    """Choose a spec for each named column of a table, of any kind that `FMEncoder` takes.

    Of the first part of a longer table, values tell little: each number of a float type is numeric there, and no
    category is rare.
    """
    columns = read_columns(as_table(table), names)[0].values()
    return [_inferred_by_type(column) for column in columns] if is_part else infer_specs(columns)


def inferable_names(table: Any) -> list[str]:
    """Return the names of all columns of what `as_table` returns.

    Raises
    ------
    TypeError
        If one is not a string.
    ValueError
        If there are no columns.
    """
    names = column_names(table)
    if not names:
        raise ValueError("FMEncoder has no columns to encode: X has none")
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"a column name must be a string, got {name!r}; rename the columns, as with map(str, ...)")
    return names


def _inferred_by_type(column: Column) -> ColumnSpec:
    if column.holds_floats and not column.is_category:
        return Numeric(column.name)
    spec = _inferred(column)
    return spec if isinstance(spec, Multi) or column.holds_times else Categorical(column.name)


def _inferred(column: Column) -> ColumnSpec:
    name = column.name
    if column.is_category:
        return Categorical(name)
    # Distinct values take longer to find.
    if column.holds_times or (column.holds_floats and (np.nan_to_num(column.numbers, posinf=0.5) % 1).any()):
        return Numeric(name)
    try:
        codes, values, _ = column.coded
    except TypeError:  # a list cannot be compared
        return Multi(name, sep=None)
    return inferred_by_values(name, values, len(codes), int((codes >= 0).sum()))


def inferred_by_values(name: str, values: AnyArray, n_rows: int, n_present: int) -> ColumnSpec:
    """Choose a spec for a column by its distinct canonical values (n,), of n_rows rows of which n_present have one."""
    if _any_is(values, COLLECTIONS):
        return Multi(name, sep=None)
    if values.dtype.kind == "M" or _all_are(values, TIME_TYPES) or _has_fraction(values):
        return Numeric(name)
    if n_rows < _MIN_ROWS or n_present >= _ROWS_PER_CATEGORY * len(values):
        return Categorical(name)
    return Numeric(name) if values.dtype.kind in "iu" else Categorical(name, min_count=2, unknown="rare")


def _any_is(values: AnyArray, types: tuple[type, ...]) -> bool:
    return values.dtype.kind == "O" and any(isinstance(value, types) for value in values)


def _all_are(values: AnyArray, types: tuple[type, ...]) -> bool:
    return values.dtype.kind == "O" and len(values) > 0 and all(isinstance(value, types) for value in values)


def _has_fraction(values: AnyArray) -> bool:
    """Return whether these canonical values are numbers of which one is not whole."""
    # Floats that are all whole have become integers.
    if values.dtype.kind == "f":
        return True
    return _all_are(values, _NUMBER_TYPES) and any(not isinstance(v, int) and float(v) % 1 for v in values)
