"""Source of batches from CSV files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fastfm_ext._common.extras import require
from fastfm_ext.streaming.csv_cells import CellsSeen, CsvForm, cells_as, numbers_of, plain_integers
from fastfm_ext.streaming.files import Paths, errors_of
from fastfm_ext.streaming.partitions import partition_values
from fastfm_ext.streaming.tables import TableSource, check_column, joined


class CsvSource(TableSource):
    r"""Batches from CSV files, for `fit_stream`. Needs the extra ``arrow``.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        A file (also compressed, ``.csv.gz``), several, or a folder, of which every ``*.csv`` and ``*.tsv`` is read, in
        the order of the names.
    encoder : FMEncoder or callable, optional
        As in `ParquetSource`; may be one that is still to be fitted on `tables`.
    target : str
        The column to learn.
    sample_weight : str, optional
        The column of weights.
    period : str, optional
        As in `ParquetSource`.
    batch_rows : int, default=65_536
        Rows that are given at a time; in memory are those of about 1 MB of text more.
    types : dict of str to pyarrow type, optional
        The types of columns, for those that the source would read otherwise: see Notes.
    delimiter : str, optional
        Between the values of a line. Default: a tab in ``*.tsv``, else a comma.
    missing : sequence of str, default=()
        Cells that stand for a missing value, such as ``["NA"]``, beside the empty cell, which always does.
    names : sequence of str, optional
        The names of the columns of files without a header.
    header : bool, default=True
        Whether the first line names the columns. If not, and without `names`, they are named ``"1"``, ``"2"``, ...

    Attributes
    ----------
    paths : list of str

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError
        If `missing` or `names` is a single string.
    ValueError
        While reading, for a malformed line, a missing column, or a cell that is not of its column's type; the message
        names the file.

    Notes
    -----
    A cell is read as the text that it is: ``007`` and ``7`` are two ids. The columns that the encoder has for numbers
    (`numeric`, `binned`) and the weights are read as numbers. What nobody has declared is decided by all cells of all
    files, which are read once more for it: the target is of numbers if all its cells are, else of labels; another
    column is of numbers if all its cells are and some have a fraction, else of text.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastfm_ext import FMEncoder
    >>> from fastfm_ext.streaming import CsvSource
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with open(os.path.join(folder, "a.csv"), "w") as file:
    ...         _ = file.write("user,stars\n007,4\n7,3.5\n")
    ...     source = CsvSource(folder, FMEncoder(user=["user"]), target="stars")
    ...     for table in source.tables():
    ...         _ = source.encoder.partial_fit(table)
    ...     X, y, *_ = next(iter(source))
    >>> source.encoder.get_feature_names_out().tolist(), y.tolist()
    (['user=007', 'user=7'], [4.0, 3.5])
    """

    _suffixes = tuple(f"{kind}{packed}" for kind in (".csv", ".tsv") for packed in ("", ".gz", ".bz2", ".zst"))

    def __init__(
        self,
        paths: Paths,
        encoder: Any = None,
        *,
        target: str,
        sample_weight: str | None = None,
        period: str | None = None,
        batch_rows: int = 65_536,
        types: dict[str, Any] | None = None,
        delimiter: str | None = None,
        missing: Sequence[str] = (),
        names: Sequence[str] | None = None,
        header: bool = True,
    ) -> None:
        super().__init__(
            paths, encoder, target=target, sample_weight=sample_weight, period=period, batch_rows=batch_rows
        )
        for argument, value in (("missing", missing), ("names", names)):
            if isinstance(value, str):
                raise TypeError(f"{argument} must be a list of strings; did you mean {argument}=[{value!r}]?")
        self.types = types
        self._form = CsvForm(delimiter, None if names is None else tuple(names), bool(header), tuple(missing))
        self._names_of: dict[str, list[str]] = {}
        self._seen: dict[str, CellsSeen] = {}
        # Columns that the names of folders tell, which are texts.
        self._told = {name for path in self.paths for name in partition_values(path, self._folders)}

    def read(self, columns: Sequence[str] | None = None) -> Any:
        """Read all rows at once; their types are decided without reading them twice.

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
            As while reading batches.
        """
        texts = {path: list(self._partitioned(path, columns, self._whole)) for path in self.paths}
        parts = [part for tables in texts.values() for part in tables]
        self._look_at(parts, self._undeclared(parts[0].column_names if parts else ()))
        typed = []
        for path, tables in texts.items():
            n_before = 0
            for text in tables:
                with errors_of(path):
                    typed.append(_typed(text, self._types_of(text.column_names), n_before))
                n_before += len(text)
        return joined(typed)

    def _names(self, path: str) -> list[str]:
        if path not in self._names_of:
            self._names_of[path] = self._form.column_names(path)
        return self._names_of[path]

    def _whole(self, path: str, columns: Sequence[str] | None) -> Iterator[Any]:
        yield self._form.text_table(path, self._checked_names(path, columns), columns)

    def _text_tables(self, path: str, columns: Sequence[str] | None) -> Iterator[Any]:
        yield from self._form.text_tables(path, self._checked_names(path, columns), columns)

    def _checked_names(self, path: str, columns: Sequence[str] | None) -> list[str]:
        names = self._names(path)
        for name in columns or ():
            check_column(name, names)
        return names

    def _tables(self, path: str, columns: Sequence[str] | None) -> Iterator[Any]:
        unseen = self._undeclared(columns or self._names(path))
        if unseen:
            for other in self.paths:
                with errors_of(other):
                    self._look_at(self._text_tables(other, unseen), unseen)
        n_before = 0
        for text in self._text_tables(path, columns):
            table = _typed(text, self._types_of(text.column_names), n_before)
            n_before += len(text)
            for begin in range(0, len(table), self.batch_rows):
                yield table.slice(begin, self.batch_rows)

    def for_encoder(self, table: Any) -> Any:
        """Return a table of this source as an encoder reads it fastest: texts that are the same as integers as such.

        Parameters
        ----------
        table : pyarrow.Table
            From `tables` or `read`.

        Returns
        -------
        pyarrow.Table
        """
        text = require("pyarrow", "arrow").string()
        for place, field in enumerate(table.schema):
            if field.type == text and field.name != self.target:
                integers = plain_integers(table.column(place))
                table = table if integers is None else table.set_column(place, field.name, integers)
        return table

    def _encode(self, table: Any) -> Any:
        if callable(self.encoder):
            return super()._encode(table)
        table = self.for_encoder(table)
        if self.encoder is None:
            kind = require("pyarrow", "arrow").float64()
            for place, field in enumerate(table.schema):
                if field.name not in self._no_features and field.type != kind:
                    column = table.column(place)
                    numbers = numbers_of(column, kind) if field.type != "int64" else column.cast(kind)
                    table = table if numbers is None else table.set_column(place, field.name, numbers)
        return super()._encode(table)

    def _undeclared(self, names: Iterable[str]) -> list[str]:
        """Return those of the columns whose types their cells have to tell."""
        declared = ({*self._declared(), self.sample_weight} - {self.target}) | set(self.types or ()) | self._told
        return [name for name in names if name not in declared and name not in self._seen]

    def _declared(self) -> dict[str, bool]:
        """Return the columns that the encoder reads, each with whether it reads numbers."""
        layout = getattr(self.encoder, "_layout", None)
        if layout is not None:
            specs = [fitted.spec for fitted in layout.fitted]
        else:
            specs = [spec for side in ("user", "item", "context") for spec in getattr(self.encoder, side, None) or ()]
        columns: dict[str, bool] = {}
        for spec in specs:
            for name in getattr(spec, "columns", (spec,)):
                columns[name] = columns.get(name, False) or getattr(spec, "reads_numbers", False)
        return columns

    def _look_at(self, tables: Iterable[Any], names: list[str]) -> None:
        for table in tables:
            for name in names:
                self._seen.setdefault(name, CellsSeen()).add(table.column(name))

    def _types_of(self, names: Iterable[str]) -> dict[str, Any]:
        pa = require("pyarrow", "arrow")
        types = {}
        for name in names:
            if name in (self.types or {}):
                types[name] = (self.types or {})[name]
            elif name == self.target and name in self._seen:
                types[name] = self._seen[name].type_of_target
            elif name == self.sample_weight or self._declared().get(name, False):
                types[name] = pa.float64()
            else:
                types[name] = self._seen[name].type_of_feature if name in self._seen else pa.string()
        return types


def _typed(text: Any, types: dict[str, Any], n_before: int) -> Any:
    """Return an Arrow table of text with its columns in these types; `n_before` rows of the file stand before it."""
    pa = require("pyarrow", "arrow")
    names = text.column_names
    return pa.table({name: cells_as(text.column(name), types[name], name, n_before) for name in names})
