"""Tables of the jobs that train: their columns, targets, weights and items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.extras import require
from fastfm_ext.cli.columns import TableColumns


def without_whole_floats(table: Any, read: Callable[[list[str]], Iterable[Any]]) -> Any:
    """Return an Arrow table with the floats and Decimals that are all whole as integers, which ids may be.

    `read` gives the tables of all rows with the columns of these names.
    """
    pa, compute = require("pyarrow", "arrow"), require("pyarrow.compute", "arrow")
    kinds = pa.types
    unsure = {field.name for field in table.schema if kinds.is_floating(field.type) or kinds.is_decimal(field.type)}
    whole = set(unsure)
    for part in read(sorted(whole)) if whole else ():
        whole -= {name for name in whole if _has_fraction(part.column(name))}
    for place, field in enumerate(table.schema):
        if field.name in unsure:
            numbers = table.column(place).cast(pa.float64())
            numbers = compute.cast(numbers, pa.int64(), safe=False) if field.name in whole else numbers
            table = table.set_column(place, field.name, numbers)
    return table


def _has_fraction(numbers: Any) -> bool:
    pa, compute = require("pyarrow", "arrow"), require("pyarrow.compute", "arrow")
    numbers = numbers.cast(pa.float64())
    numbers = numbers.filter(compute.is_finite(numbers))
    return bool(compute.any(compute.not_equal(numbers, compute.floor(numbers))).as_py())


def targets_of(table: Any, columns: TableColumns, name: str, n_before: int = 0) -> NDArray[Any]:
    """Return the targets (n_rows,) of an Arrow table, before which stand `n_before` rows of the file.

    Raises
    ------
    ValueError
        If one is missing.
    """
    target = table.column(columns.target)
    if target.null_count:
        row = n_before + int(target.is_null().to_numpy(zero_copy_only=False).argmax())
        raise ValueError(f"{name}: the target {columns.target!r} is missing in data row {row + 1}")
    return _array(target)


def weights_of(table: Any, columns: TableColumns) -> NDArray[Any] | None:
    """Return the weights (n_rows,) of an Arrow table, None if no column has them."""
    return None if columns.weight is None else _array(table.column(columns.weight))


def _array(column: Any) -> NDArray[Any]:
    if require("pyarrow", "arrow").types.is_decimal(column.type):
        column = column.cast("float64")
    values: NDArray[Any] = column.to_numpy()
    return values


def type_of_target(table: Any, columns: TableColumns) -> dict[str, str]:
    """Return Arrow's type of a table's target by its name."""
    return {str(columns.target): str(table.schema.field(columns.target).type)}


def of_held_out(types: dict[str, str]) -> dict[str, str]:
    """Return Arrow's types of the targets of held-out rows, where those of training are of these types."""
    return {name: kind if kind == "string" else "double" for name, kind in types.items()}


def distinct_items(table: Any, columns: TableColumns) -> Any:
    """Return one row of an Arrow table for each item, which the first item column names; None without item columns."""
    names = columns.item_names
    if not names:
        return None
    items = table.select(names)
    coded = items.column(0).combine_chunks().dictionary_encode()
    codes = (coded.combine_chunks() if hasattr(coded, "num_chunks") else coded).indices
    first = np.unique(codes.fill_null(-1).to_numpy(), return_index=True)
    return items.take(np.sort(first[1][first[0] >= 0]))


@contextmanager
def refused(path: Path) -> Iterator[None]:
    """Let values that no column can hold be an error of the file."""
    try:
        yield
    except TypeError as error:
        raise ValueError(f"{path}: {error}") from error
