"""Reader of tables: columns of pandas, polars, Arrow and plain mappings, without a copy where possible."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fastfm_ext._tables.arrow_column import ArrowColumn
from fastfm_ext._tables.arrow_memory import ArrowArray, is_codable, read_arrow, read_table
from fastfm_ext._tables.column import ArrayColumn, Column
from fastfm_ext._tables.pandas_column import PandasColumn

_LISTED_COLUMNS = 20


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
    """Wrap one column, whatever library it is from; a `Column` is one already."""
    if isinstance(data, Column):
        return data
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
    """Import a column; None for a type that is better read as Python objects."""
    schema, chunks = read_arrow(data)
    if not is_codable(schema) and not schema.format.startswith("+") and objects is not None:
        return None
    return ArrowColumn(name, [chunk for chunk in chunks if chunk.length] or [schema], objects=objects)


def _lends_arrow(data: Any) -> bool:
    return hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__")


def _is_from(module: str, value: Any, *names: str) -> bool:
    # Without the library's import there is no value of it, so this imports none.
    library = sys.modules.get(module)
    return library is not None and isinstance(value, tuple(getattr(library, name) for name in names))
