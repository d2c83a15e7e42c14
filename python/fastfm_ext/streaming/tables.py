"""Sources of batches from tables: Parquet and CSV files."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastfm_ext._common.extras import require
from fastfm_ext.streaming.files import BatchParts, FileSource, Paths, errors_of


class TableSource(FileSource):
    """Base of the sources of tables, with a target column, a column of weights, and an encoder of the others."""

    def __init__(
        self,
        paths: Paths,
        encoder: Any = None,
        *,
        target: str,
        sample_weight: str | None = None,
        batch_rows: int = 65_536,
    ) -> None:
        super().__init__(paths, batch_rows)
        self.encoder = encoder
        self.target = target
        self.sample_weight = sample_weight

    def tables(self) -> Iterator[Any]:
        """Yield the files' rows as they are, to fit an encoder on or to encode them yourself.

        Yields
        ------
        pyarrow.Table
            Of at most `batch_rows` rows.
        """
        for path in self.paths:
            with errors_of(path):
                yield from self._tables(path, None)

    def _read(self, path: str) -> Iterator[BatchParts]:
        with errors_of(path):
            for table in self._tables(path, self._columns()):
                weight = None if self.sample_weight is None else _column(table, self.sample_weight)
                y = _column(table, self.target)
                yield self._encode(table), y, weight

    def _columns(self) -> list[str] | None:
        """Return the columns to read; None for all."""
        names = getattr(self.encoder, "feature_names_in_", None)
        if names is None:
            return None
        also = [self.target] if self.sample_weight is None else [self.target, self.sample_weight]
        return list(dict.fromkeys([*map(str, names), *also]))

    def _encode(self, table: Any) -> Any:
        if callable(self.encoder):
            return self.encoder(table)
        if self.encoder is not None:
            return self.encoder.transform(table)
        names = [name for name in table.column_names if name not in (self.target, self.sample_weight)]
        return np.column_stack([np.asarray(_column(table, name), dtype=np.float32) for name in names])

    @abstractmethod
    def _tables(self, path: str, columns: list[str] | None) -> Iterator[Any]:
        """Yield tables of these columns."""


class ParquetSource(TableSource):
    """Batches from Parquet files, for `fit_stream`. Needs the extra ``arrow``.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        A file, several, or a folder, of which every ``*.parquet`` is read, in the order of the names.
    encoder : FMEncoder or callable, optional
        Makes X of a batch: a fitted encoder, or a function of a ``pyarrow.Table``. Without one, the columns are
        features as they are, and must be numbers.
    target : str
        The column to learn.
    sample_weight : str, optional
        The column of weights.
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
    ...     pq.write_table(pa.table({"x": [0.0, 1.0] * 50, "y": [1.0, 3.0] * 50}), os.path.join(folder, "a.parquet"))
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
        batch_rows: int = 65_536,
    ) -> None:
        super().__init__(paths, encoder, target=target, sample_weight=sample_weight, batch_rows=batch_rows)
        self._n_rows_of = [self._open(path).metadata.num_rows for path in self.paths]
        self.n_rows = sum(self._n_rows_of)

    def __len__(self) -> int:
        return sum(-(-n // self.batch_rows) for n in self._n_rows_of)

    @staticmethod
    def _open(path: str) -> Any:
        with errors_of(path):
            # A column's pages come one by one, and not a whole row group at once, which may be larger than memory.
            return require("pyarrow.parquet", "arrow").ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)

    def _tables(self, path: str, columns: list[str] | None) -> Iterator[Any]:
        table_of = require("pyarrow", "arrow").Table.from_batches
        with self._open(path) as file:
            for name in columns or ():
                _check_column(name, file.schema_arrow.names)
            waiting: list[Any] = []
            for batch in file.iter_batches(self.batch_rows, columns=columns):
                waiting.append(batch)
                # The end of a row group may cut a batch short.
                if sum(map(len, waiting)) >= self.batch_rows:
                    table = table_of(waiting)
                    yield table.slice(0, self.batch_rows)
                    waiting = table.slice(self.batch_rows).to_batches()
                    del table
            if sum(map(len, waiting)):
                yield table_of(waiting)


class CsvSource(TableSource):
    r"""Batches from CSV files, for `fit_stream`. Needs the extra ``arrow``.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        A file (also compressed, ``.csv.gz``), several, or a folder, of which every ``*.csv`` and ``*.tsv`` is read, in
        the order of the names. The first line names the columns.
    encoder : FMEncoder or callable, optional
        As in `ParquetSource`.
    target : str
        The column to learn.
    sample_weight : str, optional
        The column of weights.
    batch_rows : int, default=65_536
        Rows that are given at a time; in memory are those of about 1 MB of text more.
    types : dict of str to pyarrow type, optional
        The types of columns. Those of others are guessed from the first megabyte: give it for ids that look like
        numbers there and like text later.
    delimiter : str, optional
        Between the values of a line. Default: a tab in ``*.tsv``, else a comma.
    missing_text : bool, default=False
        Whether empty cells, and those with ``NA``, ``null`` and the like, are missing in columns of text as they are in
        columns of numbers. Else they are text.

    Attributes
    ----------
    paths : list of str

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        While reading, for a malformed line or a missing column; the message names the file.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastfm_ext.streaming import CsvSource
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with open(os.path.join(folder, "a.csv"), "w") as file:
    ...         _ = file.write("x,clicked\n0.5,yes\n0.25,no\n")
    ...     X, y, _, where = next(iter(CsvSource(folder, target="clicked")))
    >>> X.tolist(), y.tolist()
    ([[0.5], [0.25]], ['yes', 'no'])
    """

    _suffixes = tuple(f"{kind}{packed}" for kind in (".csv", ".tsv") for packed in ("", ".gz", ".bz2", ".zst"))

    def __init__(
        self,
        paths: Paths,
        encoder: Any = None,
        *,
        target: str,
        sample_weight: str | None = None,
        batch_rows: int = 65_536,
        types: dict[str, Any] | None = None,
        delimiter: str | None = None,
        missing_text: bool = False,
    ) -> None:
        super().__init__(paths, encoder, target=target, sample_weight=sample_weight, batch_rows=batch_rows)
        self.types = types
        self.delimiter = delimiter
        self.missing_text = missing_text

    def _tables(self, path: str, columns: list[str] | None) -> Iterator[Any]:
        csv = require("pyarrow.csv", "arrow")
        delimiter = self.delimiter or ("\t" if ".tsv" in os.path.basename(path) else ",")
        if columns is not None:
            with csv.open_csv(path, parse_options=csv.ParseOptions(delimiter=delimiter)) as file:
                for name in columns:
                    _check_column(name, file.schema.names)
        convert = csv.ConvertOptions(
            column_types=self.types, include_columns=columns, strings_can_be_null=self.missing_text
        )
        table_of = require("pyarrow", "arrow").Table.from_batches
        with csv.open_csv(path, parse_options=csv.ParseOptions(delimiter=delimiter), convert_options=convert) as file:
            for batch in file:
                table = table_of([batch])
                for begin in range(0, len(table), self.batch_rows):
                    yield table.slice(begin, self.batch_rows)


def _column(table: Any, name: str) -> Any:
    _check_column(name, table.column_names)
    return table.column(name).to_numpy()


def _check_column(name: str, names: list[str]) -> None:
    if name not in names:
        listed = ", ".join(map(repr, names[:20])) + (", ..." if len(names) > 20 else "")
        raise ValueError(f"there is no column {name!r}, only {listed}")
