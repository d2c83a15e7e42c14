"""Columns of a NumPy, pandas or polars table, read as distinct values with codes, numbers, or multi-valued cells."""

import reprlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._vocabulary import canonical, missing_mask

_COLLECTIONS = (list, tuple, set, frozenset, np.ndarray)


class Coded(NamedTuple):
    """A column as codes into its distinct values.

    Attributes
    ----------
    codes : int64 ndarray of shape (n_rows,)
        Place of each row's value in `values`, -1 where the value is missing.
    values : ndarray of shape (n_values,)
        Canonical values.
    """

    codes: NDArray[np.int64]
    values: NDArray[Any]


class Cells(NamedTuple):
    """A multi-valued column: every row points to a cell, every cell is a run of tokens.

    Attributes
    ----------
    codes : int64 ndarray of shape (n_rows,)
        Cell of each row, -1 where the cell is missing.
    lengths : int64 ndarray of shape (n_cells,)
        Number of tokens of each cell.
    tokens : Coded
        The tokens of all cells, one cell after the other.
    """

    codes: NDArray[np.int64]
    lengths: NDArray[np.int64]
    tokens: Coded


class Column(ABC):
    """One column of a table; what it reads it keeps, so fitting and encoding the same table reads once."""

    def __init__(self, name: str, data: Any, *, inside_cells: bool = False) -> None:
        self.name = name
        self.data = data
        self.inside_cells = inside_cells
        self._cells: dict[str | None, Cells] = {}

    def __len__(self) -> int:
        return len(self.data)

    @cached_property
    def coded(self) -> Coded:
        """Each row's single value."""
        try:
            codes, values = self._factorize()
        # Arrow says NotImplementedError where Python says that a list can't be hashed.
        except (TypeError, NotImplementedError) as error:
            raise TypeError(self._why_not_categories()) from error
        values = np.asarray(values)
        missing = missing_mask(values)
        if missing.any():
            kept = np.cumsum(~missing) - 1
            codes = np.append(np.where(missing, -1, kept), -1)[codes]
            values = values[~missing]
        return Coded(codes.astype(np.int64, copy=False), canonical(values))

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """Each row's number, NaN where it is missing."""
        return self._read_numbers()

    def cells(self, sep: str | None) -> Cells:
        """Each row's several values: a collection as it is, a string split at `sep` (None: not split)."""
        if sep not in self._cells:
            self._cells[sep] = self._read_collections(sep) or self._split_strings(sep)
        return self._cells[sep]

    def _why_not_categories(self) -> str:
        values = self.data.tolist() if isinstance(self.data, np.ndarray) else self.data.to_list()
        value = next((value for value in values if not _is_hashable(value)), None)
        what = f"{reprlib.repr(value)} ({type(value).__name__}), which can't be a category"
        if self.inside_cells:
            return f"column {self.name!r} has a cell with {what}; a cell must be a flat list of strings or numbers"
        if isinstance(value, _COLLECTIONS):
            advice = f"declare a column with several values a cell as multi({self.name!r})"
        else:
            advice = "turn such values into strings or numbers"
        return f"column {self.name!r} holds {what}; {advice}"

    def _split_strings(self, sep: str | None) -> Cells:
        codes, values = self.coded
        if values.dtype.kind != "O" or sep is None:
            return Cells(codes, np.ones(len(values), dtype=np.int64), Coded(np.arange(len(values)), values))
        return _cells_of(self.name, codes, [_split(value, sep) for value in values])

    @abstractmethod
    def _factorize(self) -> tuple[NDArray[np.integer[Any]], Any]: ...

    @abstractmethod
    def _read_numbers(self) -> NDArray[np.float64]: ...

    @abstractmethod
    def _read_collections(self, sep: str | None) -> Cells | None:
        """Read cells that are collections; None if no cell is one."""


class ArrayColumn(Column):
    """A NumPy array or a list."""

    def __init__(self, name: str, data: Any, *, inside_cells: bool = False) -> None:
        super().__init__(name, _one_dimensional(name, data), inside_cells=inside_cells)

    def _factorize(self) -> tuple[NDArray[np.integer[Any]], Any]:
        if self.data.dtype.kind == "O":
            return _factorize_objects(self.data)
        values, codes = np.unique(self.data, return_inverse=True)
        return codes.reshape(-1), values

    def _read_numbers(self) -> NDArray[np.float64]:
        if self.data.dtype.kind in "biuf":
            numbers: NDArray[np.float64] = self.data.astype(np.float64)
            return numbers
        return _numbers_from_objects(self.name, self.data.tolist())

    def _read_collections(self, sep: str | None) -> Cells | None:
        return _cells_from_objects(self.name, self.data, sep) if self.data.dtype.kind == "O" else None


class PandasColumn(Column):
    """A pandas Series."""

    def _factorize(self) -> tuple[NDArray[np.integer[Any]], Any]:
        if hasattr(self.data, "cat"):
            return _drop_unused(self.data.cat.codes.to_numpy(), _pandas_values(self.data.cat.categories))
        codes, values = self.data.factorize()
        return codes, _pandas_values(values)

    def _read_numbers(self) -> NDArray[np.float64]:
        if self.data.dtype.kind in "biuf":
            numbers: NDArray[np.float64] = self.data.to_numpy(dtype=np.float64, na_value=np.nan)
            return numbers
        return _numbers_from_objects(self.name, self.data.to_list())

    def _read_collections(self, sep: str | None) -> Cells | None:
        if hasattr(self.data, "cat") or self.data.dtype.kind != "O" or self.data.dtype.name in ("str", "string"):
            return None
        return _cells_from_objects(self.name, self.data.to_numpy(dtype=object), sep)


class PolarsColumn(Column):
    """A polars Series."""

    def _factorize(self) -> tuple[NDArray[np.integer[Any]], Any]:
        import polars as pl

        data = self.data
        if data.dtype.is_nested():
            raise TypeError(f"polars type {data.dtype}")
        if data.dtype == pl.Object:
            return _factorize_objects(data.to_numpy())
        if data.dtype.is_float():
            data = data.fill_nan(None)
        elif data.dtype == pl.Datetime and data.dtype.time_zone is not None:
            data = data.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        is_categorical = data.dtype in (pl.Categorical, pl.Enum)
        distinct = data.drop_nulls().unique()
        if not len(distinct):
            return np.full(len(data), -1), np.empty(0, dtype=object)
        values = (distinct.cast(pl.String) if is_categorical else distinct).to_numpy()
        if is_categorical:
            data, distinct = data.to_physical(), distinct.to_physical()
        codes = pl.Series(np.arange(len(distinct)))
        return data.replace_strict(distinct, codes, default=-1, return_dtype=pl.Int64).to_numpy(), values

    def _read_numbers(self) -> NDArray[np.float64]:
        import polars as pl

        if self.data.dtype.is_numeric() or self.data.dtype == pl.Boolean:
            numbers: NDArray[np.float64] = self.data.cast(pl.Float64).to_numpy()
            return numbers
        return _numbers_from_objects(self.name, self.data.to_list())

    def _read_collections(self, sep: str | None) -> Cells | None:
        import polars as pl

        if self.data.dtype == pl.Object:
            return _cells_from_objects(self.name, self.data.to_numpy(), sep)
        if self.data.dtype not in (pl.List, pl.Array):
            return None
        lists = self.data.arr.to_list() if self.data.dtype == pl.Array else self.data
        lengths = lists.list.len()
        # An empty list explodes to one null, hence the filter.
        tokens = PolarsColumn(self.name, lists.filter(lengths > 0).explode(), inside_cells=True).coded
        counts = lengths.fill_null(0).to_numpy().astype(np.int64)
        return Cells(np.arange(len(counts)), counts, tokens)


def read_columns(X: Any, names: Iterable[str]) -> tuple[dict[str, Column], int]:
    """Take the named columns of a table, and its number of rows; the caller has checked that they are there."""
    columns = {name: _as_column(name, X[name]) for name in names}
    n_rows = len(next(iter(columns.values()))) if columns else _count_rows(X)
    for name, column in columns.items():
        if len(column) != n_rows:
            raise ValueError(f"column {name!r} has {len(column)} rows, column {next(iter(columns))!r} has {n_rows}")
    return columns, n_rows


def column_names(X: Any) -> list[Any]:
    """Return the names of a table's columns.

    Raises
    ------
    TypeError
        If `X` is not a pandas or polars DataFrame or a mapping.
    """
    if isinstance(X, Mapping):
        return list(X)
    if _is_from("pandas", X, "DataFrame") or _is_from("polars", X, "DataFrame"):
        return list(X.columns)
    hint = "; call .collect() first" if _is_from("polars", X, "LazyFrame") else ""
    raise TypeError(
        f"X must be a pandas or polars DataFrame or a mapping of column name to array, got {type(X).__name__}{hint}"
    )


def _count_rows(X: Any) -> int:
    if isinstance(X, Mapping):
        return len(_as_column(*next(iter(X.items())))) if X else 0
    return int(X.shape[0])


def _as_column(name: str, data: Any) -> Column:
    if _is_from("polars", data, "Series"):
        return PolarsColumn(name, data)
    if _is_from("pandas", data, "DataFrame"):
        raise ValueError(f"the frame has more than one column named {name!r}")
    if _is_from("pandas", data, "Series"):
        return PandasColumn(name, data)
    if _is_from("pandas", data, "Index", "Categorical"):
        return PandasColumn(name, sys.modules["pandas"].Series(data))
    return ArrayColumn(name, data)


def _is_from(module: str, value: Any, *names: str) -> bool:
    # A value of a library that nobody has imported can't exist, so this never imports one.
    library = sys.modules.get(module)
    return library is not None and isinstance(value, tuple(getattr(library, name) for name in names))


def _one_dimensional(name: str, data: Any) -> NDArray[Any]:
    if not isinstance(data, np.ndarray):
        if isinstance(data, str | bytes) or not hasattr(data, "__len__"):
            raise TypeError(f"column {name!r} must be an array or a list, got {type(data).__name__}")
        data = np.fromiter(data, dtype=object, count=len(data))
    if isinstance(data, np.ma.MaskedArray):
        values, data = data, data.data.astype(object)
        data[np.ma.getmaskarray(values)] = None
    if data.ndim != 1:
        raise ValueError(f"column {name!r} must be one-dimensional, got shape {data.shape}")
    return np.asarray(data)


def _pandas_values(index: Any) -> Any:
    return (index.tz_convert(None) if getattr(index, "tz", None) is not None else index).to_numpy()


def _drop_unused(codes: NDArray[np.integer[Any]], values: NDArray[Any]) -> tuple[NDArray[np.integer[Any]], Any]:
    # A declared category that no row has was not seen: it must not become a feature that is never trained.
    used = np.bincount(codes[codes >= 0], minlength=len(values)) > 0
    place = np.append(np.where(used, np.cumsum(used) - 1, -1), -1)
    return place[codes], values[used]


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _factorize_objects(data: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    places: dict[Any, int] = {}
    codes = np.fromiter((places.setdefault(v, len(places)) for v in data), dtype=np.int64, count=len(data))
    return codes, np.fromiter(places, dtype=object, count=len(places))


def _numbers_from_objects(name: str, values: list[Any]) -> NDArray[np.float64]:
    numbers = np.full(len(values), np.nan)
    present = ~missing_mask(np.fromiter(values, dtype=object, count=len(values)))
    for row in np.flatnonzero(present):
        value = values[row]
        try:
            if isinstance(value, str | bytes):
                raise TypeError("text is not a number")
            numbers[row] = float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"column {name!r} is declared numeric but row {row} holds {value!r} ({type(value).__name__}); "
                "convert the column to numbers or declare it as a plain (categorical) column"
            ) from error
    return numbers


def _split(value: Any, sep: str | None) -> list[Any]:
    if not isinstance(value, str) or sep is None:
        return [value]
    return [token.strip() for token in value.split(sep)]


def _cells_from_objects(name: str, data: NDArray[Any], sep: str | None) -> Cells | None:
    if not any(issubclass(kind, _COLLECTIONS) for kind in set(map(type, data))):
        return None
    lists = [cell if isinstance(cell, _COLLECTIONS) else _split(cell, sep) for cell in data]
    return _cells_of(name, np.arange(len(data)), lists)


def _cells_of(name: str, codes: NDArray[np.int64], lists: list[Any]) -> Cells:
    lengths = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    flat = np.fromiter(chain.from_iterable(lists), dtype=object, count=int(lengths.sum()))
    return Cells(codes, lengths, ArrayColumn(name, flat, inside_cells=True).coded)
