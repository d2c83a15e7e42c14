"""Cells of CSV text: read as the text that they are, and made numbers where that is the type of a whole column."""

from __future__ import annotations

import lzma
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastfm_ext._common.extras import require

# Cells that are tried before a whole column: Arrow takes long to refuse many.
_PROBED = 64


@dataclass(frozen=True)
class CsvForm:
    """How the text of a table is written.

    Attributes
    ----------
    delimiter : str or None
        Between the cells of a line; None for a tab in ``*.tsv`` and a comma in others.
    names : tuple of str or None
        Names of the columns, for text without a header.
    header : bool
        Whether the first line names the columns; else, without `names`, they are named by their number from 1 on.
    missing : tuple of str
        Cells that stand for a missing value, beside the empty one.
    """

    delimiter: str | None = None
    names: tuple[str, ...] | None = None
    header: bool = True
    missing: tuple[str, ...] = ()

    def column_names(self, path: str) -> list[str]:
        """Return the names of a file's columns.

        Raises
        ------
        ValueError
            If the file is empty or malformed, or a name stands twice.
        """
        if self.names is not None:
            names = list(self.names)
        else:
            with _damage_named(), self._open(path, []) as file:
                names = list(file.schema.names)
            names = names if self.header else [str(number) for number in range(1, len(names) + 1)]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"more than one column is named {repeated[0]!r}")
        return names

    def text_tables(self, path: str, names: list[str], columns: Sequence[str] | None) -> Iterator[Any]:
        """Yield the rows of a file, with columns of these names, as Arrow tables of text, about 1 MB at a time."""
        table_of = require("pyarrow", "arrow").Table.from_batches
        with _damage_named(), self._open(path, names, columns) as file:
            for batch in file:
                yield table_of([batch])

    def text_table(self, path: str, names: list[str], columns: Sequence[str] | None) -> Any:
        """Read a whole file, with columns of these names, as an Arrow table of text."""
        with _damage_named():
            return self._opened(require("pyarrow.csv", "arrow").read_csv, path, names, columns)

    def _open(self, path: str, names: list[str], columns: Sequence[str] | None = None) -> Any:
        return self._opened(require("pyarrow.csv", "arrow").open_csv, path, names, columns)

    def _opened(self, read: Any, path: str, names: list[str], columns: Sequence[str] | None) -> Any:
        """Call one of Arrow's readers for columns of text."""
        csv, pa = require("pyarrow.csv", "arrow"), require("pyarrow", "arrow")
        delimiter = self.delimiter or ("\t" if ".tsv" in os.path.basename(path) else ",")
        has_header = self.header and self.names is None
        # One thread, since more of them cost more than they gain for text, and would not know rows by their numbers.
        reading = csv.ReadOptions(
            column_names=None if has_header else names,
            autogenerate_column_names=not has_header and not names,
            use_threads=False,
        )
        converting = csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=columns,
            null_values=["", *self.missing],
            strings_can_be_null=True,
        )
        parsing = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        # Arrow opens the other compressed files itself.
        source = lzma.open(path) if path.endswith(".xz") else path  # noqa: SIM115
        try:
            return read(source, read_options=reading, parse_options=parsing, convert_options=converting)
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                raise ValueError("the file is empty") from error
            raise


@contextmanager
def _damage_named() -> Iterator[None]:
    try:
        yield
    except (lzma.LZMAError, EOFError) as error:
        raise ValueError(f"the compressed file is damaged: {error}") from error
    except require("pyarrow", "arrow").ArrowInvalid as error:
        if "invalid UTF8" not in str(error):
            raise
        raise ValueError(f"{error}; save the file in the encoding UTF-8") from error


class CellsSeen:
    """What the cells of a column have been so far: numbers, whole or not, or other text."""

    def __init__(self) -> None:
        self.is_whole = self.is_number = True
        self.has_fraction = False

    def add(self, cells: Any) -> None:
        """Look at more cells, an Arrow column of text."""
        if not self.is_number:
            return
        pa, compute = require("pyarrow", "arrow"), require("pyarrow.compute", "arrow")
        self.is_whole = self.is_whole and numbers_of(cells, pa.int64()) is not None
        if self.is_whole:
            return
        numbers = numbers_of(cells, pa.float64())
        self.is_number = numbers is not None
        if numbers is not None and not self.has_fraction:
            self.has_fraction = bool(compute.any(compute.not_equal(numbers, compute.floor(numbers))).as_py())

    @property
    def type_of_feature(self) -> Any:
        """Arrow's type of the column as a feature: numbers if some have a fraction, else categories as their text."""
        pa = require("pyarrow", "arrow")
        return pa.float64() if self.is_number and self.has_fraction else pa.string()

    @property
    def type_of_target(self) -> Any:
        """Arrow's type of the column as a target: numbers if all cells are, else labels as their text."""
        pa = require("pyarrow", "arrow")
        if not self.is_number:
            return pa.string()
        return pa.int64() if self.is_whole else pa.float64()


def numbers_of(cells: Any, kind: Any) -> Any:
    """Return an Arrow column of text as numbers of a type, or None if a cell is none; "nan" is none either."""
    pa, compute = require("pyarrow", "arrow"), require("pyarrow.compute", "arrow")
    for trims in (False, True):
        numbers = _cast(cells, kind, trims=trims)
        if numbers is None:
            continue
        is_nan = pa.types.is_floating(kind) and compute.any(compute.is_nan(numbers)).as_py()
        return None if is_nan else numbers
    return None


def _cast(cells: Any, kind: Any, *, trims: bool = False) -> Any:
    """Return an Arrow column of text, white space around it taken off or not, in another type; None if it can't be."""
    pa, compute = require("pyarrow", "arrow"), require("pyarrow.compute", "arrow")
    try:
        for some in (cells.slice(0, _PROBED), cells):
            numbers = compute.cast(compute.utf8_trim_whitespace(some) if trims else some, kind)
    except pa.ArrowInvalid:
        return None
    return numbers


def plain_integers(cells: Any) -> Any:
    """Return an Arrow column of text as integers if that is the same ids, each cell being plain decimal, else None.

    "007" and "7" are two ids, so there must be no cell that is longer than its integer.
    """
    pa, compute = require("pyarrow", "arrow"), require("pyarrow.compute", "arrow")
    numbers = _cast(cells, pa.int64())
    if numbers is None:
        return None
    values = numbers.drop_null().to_numpy()
    if not len(values) or values.min() == np.iinfo(np.int64).min:
        return None
    length = len(values) + int((values < 0).sum())
    power, largest = 10, max(int(values.max()), -int(values.min()))
    sizes = np.abs(values)
    while power <= largest:
        length += int((sizes >= power).sum())
        power *= 10
    return numbers if compute.sum(compute.binary_length(cells)).as_py() == length else None


def cells_as(cells: Any, kind: Any, name: str, first_row: int) -> Any:
    """Return an Arrow column of text as a column of another type.

    Parameters
    ----------
    cells : pyarrow.ChunkedArray
        Of text.
    kind : pyarrow.DataType
    name : str
        Of the column, for the message.
    first_row : int
        Rows of the file before these.

    Raises
    ------
    ValueError
        If a cell can't be of this type; names the first.
    """
    pa, compute = require("pyarrow", "arrow"), require("pyarrow.compute", "arrow")
    if kind == pa.string():
        return cells
    is_number = pa.types.is_floating(kind) or pa.types.is_integer(kind)
    if is_number:
        numbers = numbers_of(cells, kind)
        if numbers is not None:
            return numbers
    try:
        # Truth values may stand in a column of numbers.
        return compute.cast(compute.cast(cells, pa.bool_() if is_number else kind), kind)
    except pa.ArrowInvalid:
        pass
    row = next(row for row, cell in enumerate(cells) if cell.is_valid and not _can_be(cell, kind))
    what = "a number" if is_number else f"of the type {kind}"
    raise ValueError(
        f"column {name!r}, data row {first_row + row + 1}: {cells[row].as_py()!r} is not {what}. Name such a cell as "
        "missing if it stands for that, or let the column hold categories."
    )


def _can_be(cell: Any, kind: Any) -> bool:
    pa = require("pyarrow", "arrow")
    one = pa.array([cell.as_py()], pa.string())
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return numbers_of(one, kind) is not None
    try:
        one.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True
