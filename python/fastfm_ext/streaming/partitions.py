"""Partitions of a folder of tables: columns whose values stand in the names of folders, as Hive writes them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fastfm_ext._common.extras import require

_NOTHING = "__HIVE_DEFAULT_PARTITION__"


def partition_values(path: str, folders: Iterable[str]) -> dict[str, str | None]:
    """Return the values that the folders between one of `folders` and a file below it tell, as text; None is missing.

    Examples
    --------
    >>> partition_values("logs/day=2024-01-01/user=007/part.parquet", ["logs"])
    {'day': '2024-01-01', 'user': '007'}
    """
    folder = next((folder for folder in folders if Path(path).is_relative_to(folder)), None)
    if folder is None:
        return {}
    pairs = (part.partition("=") for part in Path(path).relative_to(folder).parts[:-1])
    values = {unquote(name): unquote(value) for name, equals, value in pairs if name and equals}
    return {name: None if value == _NOTHING else value for name, value in values.items()}


def folders_of(paths: Any) -> list[str]:
    """Return the folders among the paths that a source was given."""
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    return [os.fspath(path) for path in given if os.path.isdir(path)]


def with_partitions(table: Any, values: dict[str, str | None], columns: Iterable[str] | None) -> Any:
    """Return an Arrow table with the values as columns, of those that are wanted, or of all."""
    pa = require("pyarrow", "arrow")
    for name, value in values.items():
        if name in table.column_names:
            table = table.drop_columns([name])
        if columns is None or name in columns:
            table = table.append_column(name, pa.repeat(pa.scalar(value, pa.string()), len(table)))
    return table
