"""Tables of pandas, polars, Arrow and plain mappings: their columns, without a copy where possible."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._tables.arrow_memory import ArrowArray, arrow_numbers, code_arrow, is_codable, read_arrow, read_table
from fastfm_ext._tables.coding import Coded, code_array
from fastfm_ext._tables.column import ArrayColumn, Cells, Column, cells_from_objects, numbers_from_objects
from fastfm_ext._tables.vocabulary import join_values

_LISTED_COLUMNS = 20


class PandasColumn(Column):
    """A pandas Series whose memory is not Arrow's."""

    def _objects(self) -> list[Any]:
        return list(self.data.to_list())

    def _object_array(self) -> NDArray[Any] | None:
        if self.data.dtype == object or self.data.dtype.name in ("str", "string"):
            objects: NDArray[Any] = self.data.to_numpy(dtype=object)
            return objects
        return None

    def _factorize(self) -> Coded:
        data = self.data
        if hasattr(data, "cat"):
            return Coded(data.cat.codes.to_numpy().astype(np.int32), _pandas_values(data.cat.categories), False)
        if isinstance(data.dtype, np.dtype):
            return code_array(data.to_numpy())
        if data.dtype.kind in "biuf":  # with a mask
            values = data.to_numpy(dtype=data.dtype.numpy_dtype, na_value=data.dtype.numpy_dtype.type(0))
            return code_array(values, data.notna().to_numpy().view(np.uint8))
        codes, values = data.factorize()
        return Coded(codes.astype(np.int32), _pandas_values(values))

    def _read_numbers(self) -> NDArray[np.float64]:
        if self.data.dtype.kind in "biuf":
            numbers: NDArray[np.float64] = self.data.to_numpy(dtype=np.float64, na_value=np.nan)
            return numbers
        return numbers_from_objects(self.name, self._objects())

    def _read_collections(self, sep: str | None) -> Cells | None:
        if hasattr(self.data, "cat") or self.data.dtype.kind != "O" or self.data.dtype.name in ("str", "string"):
            return None
        return cells_from_objects(self.name, self.data.to_numpy(dtype=object), sep)


class ArrowColumn(Column):
    """A column in Arrow's memory, in one chunk or more."""

    data: list[ArrowArray]

    def __init__(
        self,
        name: str,
        data: list[ArrowArray],
        *,
        objects: Callable[[], list[Any]] | None = None,
        inside_cells: bool = False,
    ) -> None:
        super().__init__(name, data, inside_cells=inside_cells)
        # The library that lends the memory makes better objects of it than we could.
        self._lenders_objects = objects

    def __len__(self) -> int:
        return sum(chunk.length for chunk in self.data)

    def _objects(self) -> list[Any]:
        if self._lenders_objects is not None:
            return self._lenders_objects()
        codes, values, _ = self.coded
        return [None if code < 0 else values[code] for code in codes.tolist()]

    def _why_not_categories(self) -> str:
        if self._lenders_objects is not None:
            return super()._why_not_categories()
        type_ = f"values of the Arrow type {self.data[0].format!r}, which can't be categories"
        return f"column {self.name!r} holds {type_}; {self._advice(is_list=self.data[0].is_list())}"

    def _factorize(self) -> Coded:
        return _joined([code_arrow(chunk) for chunk in self.data])

    def _read_numbers(self) -> NDArray[np.float64]:
        if self.data[0].is_number() and self.data[0].dictionary is None:
            return np.concatenate([arrow_numbers(chunk) for chunk in self.data])
        if self.data[0].format == "n":
            return np.full(len(self), np.nan)
        return numbers_from_objects(self.name, self._objects())

    def _read_collections(self, sep: str | None) -> Cells | None:
        if not self.data[0].is_list():
            return None
        parts = [self._lists(chunk) for chunk in self.data]
        lengths = np.concatenate([lengths for lengths, _ in parts])
        return Cells(np.arange(len(lengths), dtype=np.int32), lengths, _joined([tokens for _, tokens in parts]))

    def _lists(self, chunk: ArrowArray) -> tuple[NDArray[np.int64], Coded]:
        begins, ends = chunk.list_bounds()
        lengths = ends - begins
        first = int(begins[0]) if len(begins) else 0
        child = chunk.children[0].part(first, int(ends[-1]) - first if len(ends) else 0)
        lenders = self._lenders_objects
        objects = None if lenders is None else partial(_flat, lenders)
        codes, values, all_used = ArrowColumn(self.name, [child], objects=objects, inside_cells=True).coded
        valid = chunk.valid()
        if valid is not None and lengths[valid == 0].any():
            codes = codes[np.repeat(valid, lengths) != 0]
        return lengths if valid is None else np.where(valid, lengths, 0), Coded(codes, values, all_used)


def _flat(objects: Callable[[], list[Any]]) -> list[Any]:
    return [value for cell in objects() if cell is not None for value in cell]


def _joined(parts: list[Coded]) -> Coded:
    """Join codes of chunks into codes of the whole, values of one type being equal across chunks."""
    if len(parts) == 1:
        return parts[0]
    places, values, _ = code_array(join_values([part.values for part in parts]))
    pieces, start = [], 0
    for codes, own, _ in parts:
        stop = start + len(own)
        # The last entry is for missing values.
        pieces.append(np.append(places[start:stop], np.int32(-1))[codes])
        start = stop
    return Coded(np.concatenate(pieces), values, all(part.all_used for part in parts))


class ArrowTable(Mapping[str, list[ArrowArray]]):
    """A table that was imported through Arrow's interface."""

    def __init__(self, data: Any) -> None:
        self._columns = read_table(data)

    def __getitem__(self, name: str) -> list[ArrowArray]:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def as_table(X: Any) -> Any:
    """Return a pandas or polars data frame or a mapping as it is, and other tables by Arrow's interface.

    Raises
    ------
    TypeError
        If `X` is none of these.
    """
    if isinstance(X, Mapping) or _is_from("pandas", X, "DataFrame") or _is_from("polars", X, "DataFrame"):
        return X
    is_series = _is_from("pandas", X, "Series") or _is_from("polars", X, "Series")
    if not is_series and _lends_arrow(X):
        return ArrowTable(X)
    hint = "; call .collect() first" if _is_from("polars", X, "LazyFrame") else ""
    raise TypeError(
        "X must be a pandas or polars DataFrame or a mapping of column name to array, or offer Arrow's "
        f"__arrow_c_stream__; got {type(X).__name__}{hint}"
    )


def column_names(X: Any) -> list[Any]:
    """Return the names of the columns of what `as_table` returns."""
    return list(X) if isinstance(X, Mapping) else list(X.columns)


def read_columns(X: Any, names: Iterable[str], *, may_be_empty: bool = False) -> tuple[dict[str, Column], int]:
    """Take the named columns of what `as_table` returns, and its number of rows.

    Raises
    ------
    ValueError
        If a column is missing or of another length than the others, or there are no rows and `may_be_empty` is false.
    """
    present = column_names(X)
    names = list(dict.fromkeys(names))
    missing = [name for name in names if name not in present]
    if missing:
        listed = ", ".join(map(str, present[:_LISTED_COLUMNS])) + (", ..." if len(present) > _LISTED_COLUMNS else "")
        word = "column" if len(missing) == 1 else "columns"
        raise ValueError(f"X has no {word} {', '.join(map(repr, missing))}; it has {listed or 'no columns'}")
    columns = {name: as_column(name, X[name]) for name in names}
    n_rows = len(next(iter(columns.values()))) if columns else _count_rows(X)
    for name, column in columns.items():
        if len(column) != n_rows:
            raise ValueError(f"column {name!r} has {len(column)} rows, column {next(iter(columns))!r} has {n_rows}")
    if not n_rows and not may_be_empty:
        raise ValueError("X is empty: it has no rows to encode")
    return columns, n_rows


def _count_rows(X: Any) -> int:
    if isinstance(X, Mapping):
        return len(as_column(*next(iter(X.items())))) if X else 0
    return int(X.shape[0])


def as_column(name: str, data: Any) -> Column:
    """Wrap one column, whatever library it is from."""
    if isinstance(data, list) and data and isinstance(data[0], ArrowArray):
        return ArrowColumn(name, data)
    if _is_from("polars", data, "Series"):
        return _polars_column(name, data)
    if _is_from("pandas", data, "DataFrame"):
        raise ValueError(f"the frame has more than one column named {name!r}")
    if _is_from("pandas", data, "Series"):
        return _pandas_column(name, data)
    if _is_from("pandas", data, "Index", "Categorical"):
        return PandasColumn(name, sys.modules["pandas"].Series(data))
    if _lends_arrow(data):
        return _arrow_column(name, data, getattr(data, "to_pylist", None)) or ArrayColumn(name, data.to_pylist())
    return ArrayColumn(name, data)


def _pandas_column(name: str, data: Any) -> Column:
    dtype = data.dtype
    if getattr(dtype, "storage", None) == "pyarrow" or hasattr(dtype, "pyarrow_dtype"):
        lent = data.array.__arrow_array__()
        if _lends_arrow(lent) and (column := _arrow_column(name, lent, data.to_list)) is not None:
            return column
    return PandasColumn(name, data)


def _polars_column(name: str, data: Any) -> Column:
    # Versions before 1.3 have no such method, and an Object column has no Arrow type.
    if _lends_arrow(data) and data.dtype != sys.modules["polars"].Object:
        column = _arrow_column(name, data, data.to_list)
        if column is not None:
            return column
    return ArrayColumn(name, data.to_list())


def _arrow_column(name: str, data: Any, objects: Callable[[], list[Any]] | None) -> ArrowColumn | None:
    """Import a column; None where its type is one of those that are better read as Python objects."""
    schema, chunks = read_arrow(data)
    if not is_codable(schema) and not schema.format.startswith("+") and objects is not None:
        return None
    return ArrowColumn(name, [chunk for chunk in chunks if chunk.length] or [schema], objects=objects)


def _lends_arrow(data: Any) -> bool:
    return hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__")


def _is_from(module: str, value: Any, *names: str) -> bool:
    # A value of a library that nobody has imported can't exist, so this never imports one.
    library = sys.modules.get(module)
    return library is not None and isinstance(value, tuple(getattr(library, name) for name in names))


def _pandas_values(index: Any) -> Any:
    return (index.tz_convert(None) if getattr(index, "tz", None) is not None else index).to_numpy()
