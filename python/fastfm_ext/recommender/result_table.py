"""Result tables: columns as a table of the library that the events came from."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from fastfm_ext._common.arrays import AnyArray
from fastfm_ext._common.extras import require

KINDS = ("mapping", "pandas", "polars", "arrow")
# Column of the scores.
SCORE = "score"


def kind_of_table(table: Any) -> str:
    """Return which of `KINDS` a table is; those of other libraries that lend Arrow's memory are "arrow"."""
    if isinstance(table, Mapping):
        return "mapping"
    for kind in ("pandas", "polars"):
        # Without the library's import there is no table of it, so this imports none.
        if kind in sys.modules and isinstance(table, sys.modules[kind].DataFrame):
            return kind
    return "arrow" if hasattr(table, "__arrow_c_stream__") else "mapping"


def result_table(kind: str, columns: dict[str, AnyArray]) -> Any:
    """Return columns, each of shape (n_rows,), as a table of a kind.

    Raises
    ------
    ImportError
        If its library is not installed, as may be after loading a model on another machine.
    """
    if kind == "pandas":
        return require("pandas", "pandas").DataFrame(columns)
    lists = {name: values.tolist() if values.dtype.kind == "O" else values for name, values in columns.items()}
    if kind == "polars":
        return require("polars", "polars").DataFrame(lists)
    if kind == "arrow":
        return require("pyarrow", "arrow").table(lists)
    return columns
