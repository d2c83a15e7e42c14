"""Sources of batches from tables: their base, and Parquet files."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fastfm_ext._common.extras import require
from fastfm_ext.streaming.files import BatchParts, FileSource, Paths, errors_of
from fastfm_ext.streaming.partitions import folders_of, partition_values, with_partitions

_TYPES_OF_VIEWS = {"string_view": "string", "binary_view": "binary"}


class TableSource(FileSource):
    """Base of the sources of tables, with a target column, a column of weights, and an encoder of the others."""

    def __init__(
        self,
        paths: Paths,
        encoder: Any = None,
        *,
        target: str,
        sample_weight: str | None = None,
        period: str | None = None,
        batch_rows: int = 65_536,
    ) -> None:
        paths = paths if isinstance(paths, str | os.PathLike) else list(paths)
        super().__init__(paths, batch_rows)
        self._folders = folders_of(paths)
        self.encoder = encoder
        self.target = target
        self.sample_weight = sample_weight
        self.period = period

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """Yield the files' rows as they are, to fit an encoder on or to encode them yourself.

        Parameters
        ----------
        columns : sequence of str, optional
            The columns to read; all by default.

        Yields
        ------
        pyarrow.Table
            Of at most `batch_rows` rows.
        """
        for path in self.paths:
            yield from self._partitioned(path, columns, self._tables)

    def read(self, columns: Sequence[str] | None = None) -> Any:
        """Read all rows at once.

        Parameters
        ----------
        columns : sequence of str, optional
            The columns to read; all by default.

        Returns
        -------
        pyarrow.Table

        Raises
        ------
        ValueError
            As while reading batches, or if a column is of types in several files that have nothing in common.
        """
        return joined(list(self.tables(columns)))

    def for_encoder(self, table: Any) -> Any:
        """Return a table of this source as an encoder reads it fastest.

        Parameters
        ----------
        table : pyarrow.Table
            From `tables` or `read`.

        Returns
        -------
        pyarrow.Table
        """
        return table

    def column_names(self) -> list[str]:
        """Return the names of the columns of the first file, and of those that the names of its folders tell.

        Returns
        -------
        list of str
        """
        with errors_of(self.paths[0]):
            return list(dict.fromkeys([*self._names(self.paths[0]), *partition_values(self.paths[0], self._folders)]))

    def _partitioned(
        self, path: str, columns: Sequence[str] | None, tables: Callable[[str, Sequence[str] | None], Iterator[Any]]
    ) -> Iterator[Any]:
        """Yield the tables of a file with the columns that the names of its folders tell."""
        values = partition_values(path, self._folders)
        in_file = columns if columns is None else [name for name in columns if name not in values]
        with errors_of(path):
            for table in tables(path, in_file):
                yield with_partitions(table, values, columns) if values else table

    def _read(self, path: str) -> Iterator[BatchParts]:
        with errors_of(path):
            for table in self._partitioned(path, self._columns(), self._tables):
                weight = None if self.sample_weight is None else _column(table, self.sample_weight)
                y = _column(table, self.target)
                parts = self._encode(table), y, weight
                yield parts if self.period is None else (*parts, _column(table, self.period))

    def _columns(self) -> list[str] | None:
        """Return the columns to read; None for all."""
        names = getattr(self.encoder, "feature_names_in_", None)
        if names is None:
            return None
        return list(dict.fromkeys([*map(str, names), *self._no_features]))

    @property
    def _no_features(self) -> list[str]:
        return [name for name in (self.target, self.sample_weight, self.period) if name is not None]

    def _encode(self, table: Any) -> Any:
        if callable(self.encoder):
            return self.encoder(table)
        if self.encoder is not None:
            return self.encoder.transform(table)
        names = [name for name in table.column_names if name not in self._no_features]
        return np.column_stack([np.asarray(_column(table, name), dtype=np.float32) for name in names])

    @abstractmethod
    def _names(self, path: str) -> list[str]:
        """Return the names of a file's columns."""

    @abstractmethod
    def _tables(self, path: str, columns: Sequence[str] | None) -> Iterator[Any]:
        """Yield tables of these columns."""


class ParquetSource(TableSource):
    """Batches from Parquet files, for `fit_stream`. Needs the extra ``arrow``.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        A file, several, or a folder, of which every ``*.parquet`` is read, in the order of the names. What the names of
        its folders tell, as in ``user=7/part.parquet``, are columns of text.
    encoder : FMEncoder or callable, optional
        Makes X of a batch: a fitted encoder, or a function of a ``pyarrow.Table``. Without one, the columns are
        features as they are, and must be numbers.
    target : str
        The column to learn.
    sample_weight : str, optional
        The column of weights.
    period : str, optional
        The column that tells rows of one day, say, from those of others: `fit_stream` keeps figures of each in
        `progressive_`. Default: of several files, each is a period.
    batch_rows : int, default=65_536
        Rows that are read at a time.

    Attributes
    ----------
    paths : list of str
    n_rows : int

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        While reading, for a damaged file or a missing column; the message names the file.

    Examples
    --------
    >>> import os, tempfile
    >>> import pyarrow as pa, pyarrow.parquet as pq
    >>> from fastfm_ext import FMRegressor
    >>> from fastfm_ext.streaming import ParquetSource
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pq.write_table(
    ...         pa.table({"x": [0.0, 1.0] * 50, "y": [1.0, 3.0] * 50}),
    ...         os.path.join(folder, "a.parquet"),
    ...     )
    ...     source = ParquetSource(folder, target="y")
    ...     model = FMRegressor(n_factors=2, random_state=0).fit_stream(source, n_epochs=50)
    >>> source.n_rows, len(source), model.predict([[1.0]]).round(1).tolist()
    (100, 1, [3.0])
    """

    _suffixes = (".parquet", ".pq")

    def __init__(
        self,
        paths: Paths,
        encoder: Any = None,
        *,
        target: str,
        sample_weight: str | None = None,
        period: str | None = None,
        batch_rows: int = 65_536,
    ) -> None:
        super().__init__(
            paths, encoder, target=target, sample_weight=sample_weight, period=period, batch_rows=batch_rows
        )
        self._n_rows_of = [self._open(path).metadata.num_rows for path in self.paths]
        self.n_rows = sum(self._n_rows_of)

    def __len__(self) -> int:
        return sum(-(-n // self.batch_rows) for n in self._n_rows_of)

    @staticmethod
    def _open(path: str) -> Any:
        with errors_of(path):
            # A column's pages come one by one, and not a whole row group at once, which may be larger than memory.
            return require("pyarrow.parquet", "arrow").ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)

    def _names(self, path: str) -> list[str]:
        with self._open(path) as file:
            return list(file.schema_arrow.names)

    def _tables(self, path: str, columns: Sequence[str] | None) -> Iterator[Any]:
        table_of = require("pyarrow", "arrow").Table.from_batches
        with self._open(path) as file:
            for name in columns or ():
                check_column(name, file.schema_arrow.names)
            waiting: list[Any] = []
            for batch in file.iter_batches(self.batch_rows, columns=None if columns is None else list(columns)):
                waiting.append(batch)
                # The end of a row group may cut a batch short.
                if sum(map(len, waiting)) >= self.batch_rows:
                    table = table_of(waiting)
                    yield _without_views(table.slice(0, self.batch_rows))
                    waiting = table.slice(self.batch_rows).to_batches()
                    del table
            if sum(map(len, waiting)):
                yield _without_views(table_of(waiting))


def _without_views(table: Any) -> Any:
    """Return a table whose texts are of a type that Arrow can take and join, which views are not."""
    for place, field in enumerate(table.schema):
        if str(field.type) in _TYPES_OF_VIEWS:
            table = table.set_column(place, field.name, table.column(place).cast(_TYPES_OF_VIEWS[str(field.type)]))
    return table


def joined(tables: list[Any]) -> Any:
    """Join Arrow tables into one, in chunks as large as possible; integers beside texts become texts.

    Raises
    ------
    ValueError
        If there is no table, or a column's types have nothing in common.
    """
    pa = require("pyarrow", "arrow")
    if not tables:
        raise ValueError("there are no rows in it")
    if len({table.schema for table in tables}) > 1:
        types = {field.name: field.type for table in tables for field in table.schema if pa.types.is_string(field.type)}
        tables = [_with_texts(table, types) for table in tables]
    try:
        return pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ValueError(f"the files have other types for the same columns: {error}") from error


def _with_texts(table: Any, texts: dict[str, Any]) -> Any:
    integers = require("pyarrow", "arrow").types.is_integer
    for place, field in enumerate(table.schema):
        if field.name in texts and integers(field.type):
            table = table.set_column(place, field.name, table.column(field.name).cast(texts[field.name]))
    return table


def _column(table: Any, name: str) -> Any:
    check_column(name, table.column_names)
    column = table.column(name)
    if require("pyarrow", "arrow").types.is_decimal(column.type):
        column = column.cast("float64")
    return column.to_numpy()


def check_column(name: str, names: list[str]) -> None:
    """Raise ValueError unless there is such a column."""
    if name not in names:
        listed = ", ".join(map(repr, names[:20])) + (", ..." if len(names) > 20 else "")
        raise ValueError(f"there is no column {name!r}, only {listed}")
