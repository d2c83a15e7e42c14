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
    return _array(table.column(columns.target), f"{name}: the target {columns.target!r}", n_before)


def weights_of(table: Any, columns: TableColumns, name: str) -> NDArray[Any] | None:
    """Return the weights (n_rows,) of an Arrow table of the file of this name, None if no column has them.

    Raises
    ------
    ValueError
        If one is missing.
    """
    if columns.weight is None:
        return None
    return _array(table.column(columns.weight), f"{name}: the weight {columns.weight!r}")


def _array(column: Any, what: str, n_before: int = 0) -> NDArray[Any]:
    if column.null_count:
        row = n_before + int(column.is_null().to_numpy(zero_copy_only=False).argmax())
        raise ValueError(f"{what} is missing in data row {row + 1}")
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
    """Return one row of an Arrow table for each item, which the first item column names; None without item columns.

    Raises
    ------
    ValueError
        If that column holds lists.
    """
    names = columns.item_names
    if not names:
        return None
    items = table.select(names)
    check_ids(items.column(0), names[0], "item")
    coded = items.column(0).combine_chunks().dictionary_encode()
    codes = (coded.combine_chunks() if hasattr(coded, "num_chunks") else coded).indices
    first = np.unique(codes.fill_null(-1).to_numpy(), return_index=True)
    return items.take(np.sort(first[1][first[0] >= 0]))


def check_ids(column: Any, name: str, side: str) -> None:
    """Raise ValueError if a column that names users ("user") or items ("item") holds lists."""
    if require("pyarrow", "arrow").types.is_nested(column.type):
        raise ValueError(
            f"--{side} {name}: the first column of the {side}'s side names the {side}s, and this one holds lists; put "
            f"a column of ids before it, or name it with --context"
        )


@contextmanager
def refused(path: Path) -> Iterator[None]:
    """Let rows and values that cannot be encoded be an error of the file."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
