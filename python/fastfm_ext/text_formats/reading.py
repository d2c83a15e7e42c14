"""Reader of libsvm and libffm text: the loop around the native parser, and errors that quote the bad line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from fastfm_ext._common.arrays import MAX_INT32
from fastfm_ext._native import text as _io
from fastfm_ext._native.text import ReadCode
from fastfm_ext.text_formats.source import LineBuffer, TextSource

ZeroBased = bool | Literal["auto"]
_LONGEST_QUOTE = 40
_FIRST_ROWS, _FIRST_VALUES = 1 << 12, 1 << 16


class TextFormatError(ValueError):
    r"""A line of libsvm or libffm text that cannot be read.

    Attributes
    ----------
    source : str
        Name of the file.
    line, column : int
        Where the error is, both counted from 1; the column in bytes.

    Examples
    --------
    >>> from fastfm_ext.text_formats import TextFormatError, read_libsvm
    >>> try:
    ...     read_libsvm(b"1 3:0.5\n1 four:1\n")
    ... except TextFormatError as error:
    ...     print(error.line, error.column)
    2 3
    """

    def __init__(self, source: str, line: int, column: int, reason: str) -> None:
        super().__init__(f"{source}, line {line}, column {column}: {reason}")
        self.source = source
        self.line = line
        self.column = column
        self._reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.source, self.line, self.column, self._reason)


@dataclass(frozen=True)
class Form:
    """Form of the lines."""

    has_fields: bool
    has_labels: bool = True
    wants_qid: bool = False

    @property
    def line(self) -> str:
        """An example of a line, for messages."""
        parts = ["label"] * self.has_labels + ["qid:7"] * self.wants_qid
        entry = "field:id:value" if self.has_fields else "id:value"
        return " ".join([*parts, entry, entry, "..."])


@dataclass
class Ids:
    """Range of the ids in a text, and the base that is subtracted from each."""

    zero_based: ZeroBased
    n_features: int | None
    base: int = field(init=False)
    min_id: int = field(init=False)
    max_id: int = field(init=False)

    def __post_init__(self) -> None:
        self.base = self.min_id = int(self.zero_based is False)
        n = MAX_INT32 if self.n_features is None else self.n_features
        self.max_id = min(n - 1 + self.base, MAX_INT32)


@dataclass
class Summary:
    r"""Counts and ranges of the rows read so far; ids as in the text, -1 where there are none.

    Attributes
    ----------
    n_rows, n_values : int
        Rows, and values in them.
    min_id, max_id : int
        The smallest and the largest id of a feature.
    max_field : int
        The largest field, of libffm text.

    Examples
    --------
    >>> from fastfm_ext.text_formats import scan_text
    >>> scan_text(b"1 1:1 7:1\n-1 2:1\n")
    Summary(n_rows=2, n_values=3, min_id=1, max_id=7, max_field=-1)
    """

    n_rows: int = 0
    n_values: int = 0
    min_id: int = MAX_INT32
    max_id: int = -1
    max_field: int = -1

    @property
    def is_zero_based(self) -> bool:
        """Whether an id is 0; if there are no values at all, ids begin at 0, too."""
        return self.n_values == 0 or self.min_id == 0


class RowArrays:
    """Growing arrays of rows: indptr (n_rows + 1,), y and qid (n_rows,), indices, data and fields (n_values,)."""

    def __init__(self, form: Form, n_rows: int, n_values: int) -> None:
        self.n_rows = 0
        self.indptr = np.zeros(1, dtype=np.int64)
        self.y = np.empty(0, dtype=np.float32) if form.has_labels else None
        self.qid = np.empty(0, dtype=np.int64) if form.wants_qid else None
        self.indices = np.empty(0, dtype=np.int32)
        self.data = np.empty(0, dtype=np.float32)
        self.fields = np.empty(0, dtype=np.int32) if form.has_fields else None
        self.set_rows(n_rows)
        self.set_values(n_values)

    @property
    def n_values(self) -> int:
        """Number of values of all rows."""
        return int(self.indptr[self.n_rows])

    def set_rows(self, n: int) -> None:
        """Make room for n rows, or cut the room that is left."""
        self.indptr = _resized(self.indptr, self.n_rows + 1, n + 1)
        self.y = _resized(self.y, self.n_rows, n)
        self.qid = _resized(self.qid, self.n_rows, n)

    def set_values(self, n: int) -> None:
        """Make room for n values, or cut the room that is left."""
        used = self.n_values
        self.indices = _resized(self.indices, used, n)
        self.data = _resized(self.data, used, n)
        self.fields = _resized(self.fields, used, n)

    def cut(self) -> RowArrays:
        """Return these arrays without the room that is left."""
        self.set_rows(self.n_rows)
        self.set_values(self.n_values)
        return self


def _resized(array: Any, used: int, n: int) -> Any:
    if array is None or n == len(array):
        return array
    if n < len(array):
        array.resize(n, refcheck=False)
        return array
    # Growing in place would fill the new room with zeros first.
    larger = np.empty(n, dtype=array.dtype)
    larger[:used] = array[:used]
    return larger


class TextReader:
    """Reader of the rows of one opened source, for one pass."""

    def __init__(self, source: TextSource, file: Any, form: Form, ids: Ids) -> None:
        self._name = source.name
        self._size = source.plain_size
        self._form = form
        self._ids = ids
        self._lines = LineBuffer(file, _io.slack)
        self._line = 1  # number of the line at lines.first
        self._characters = 0  # that were taken
        self.seen = Summary()

    def read_all(self) -> RowArrays:
        """Read every row; with zero_based="auto", find out on the way whether ids begin at 0."""
        arrays = RowArrays(self._form, _FIRST_ROWS, _FIRST_VALUES)
        ids = self._ids
        while self._lines.first < self._lines.last or self._lines.refill():
            self._take(arrays, None)
            if ids.zero_based == "auto" and self.seen.n_values:
                base = int(self.seen.min_id > 0)
                if base != ids.base:
                    arrays.indices[: arrays.n_values] += ids.base - base
                    ids.base = base
        return arrays.cut()

    def read_batches(self, batch_rows: int) -> Iterator[RowArrays]:
        """Read this many rows at a time; the last batch may have fewer."""
        n_values = min(16 * batch_rows, _FIRST_VALUES)
        while True:
            arrays = RowArrays(self._form, min(batch_rows, _FIRST_ROWS), max(n_values, 1))
            while arrays.n_rows < batch_rows and (self._lines.first < self._lines.last or self._lines.refill()):
                self._take(arrays, batch_rows)
            if arrays.n_rows == 0:
                return
            n_values = arrays.n_values + arrays.n_values // 16
            yield arrays.cut()

    def _take(self, arrays: RowArrays, most_rows: int | None) -> None:
        """Take lines from the buffer: all, or until there are `most_rows`."""
        lines = self._lines
        while lines.first < lines.last:
            rows_before, values_before = arrays.n_rows, arrays.n_values
            result = _io.read_rows(lines.text, lines.first, lines.last, self._ids, arrays)
            arrays.n_rows = result.n_rows
            self._line += result.lines
            self._characters += result.position - lines.first
            lines.first = result.position
            seen = self.seen
            seen.n_rows += arrays.n_rows - rows_before
            seen.n_values += arrays.n_values - values_before
            seen.min_id, seen.max_id = min(seen.min_id, result.min_id), max(seen.max_id, result.max_id)
            seen.max_field = max(seen.max_field, result.max_field)
            if result.code == ReadCode.rows_full:
                if arrays.n_rows == most_rows:
                    return
                wanted = self._grown(arrays.n_rows, most_rows)
                arrays.set_rows(wanted if most_rows is None else min(wanted, most_rows))
            elif result.code == ReadCode.values_full:
                arrays.set_values(self._grown(len(arrays.indices), most_rows))
            elif result.code != ReadCode.done:
                self._fail(ReadCode(result.code), result.error_at)

    def _grown(self, n: int, most_rows: int | None) -> int:
        """Return how much room to make: an estimate for the whole file from the part read so far, or double."""
        if most_rows is None and self._size is not None and self._characters:
            return max(2 * n, int(1.02 * n * self._size / self._characters) + 1024)
        return 2 * n

    def _fail(self, code: ReadCode, error_at: int) -> None:
        """Raise an error about the line at lines.first."""
        if code == ReadCode.out_of_memory:
            raise MemoryError(f"not enough memory to sort line {self._line} of {self._name}")
        lines = self._lines
        rest = bytes(lines.text[error_at : lines.text.find(b"\n", error_at)]).split(maxsplit=1)
        quoted = rest[0].decode("utf-8", errors="replace") if rest else ""
        quoted = repr(quoted if len(quoted) <= _LONGEST_QUOTE else quoted[:_LONGEST_QUOTE] + "...")
        reason = self._reason(code, quoted)
        raise TextFormatError(self._name, self._line, error_at - lines.first + 1, reason)

    def _reason(self, code: ReadCode, token: str) -> str:
        ids = self._ids
        other = "libsvm" if self._form.has_fields else "libffm"
        reasons = {
            ReadCode.no_label: f"{token} stands where the label should. For text without labels, pass labels=False",
            ReadCode.bad_label: f"the label {token} is not a number",
            ReadCode.several_labels: f"{token} is more than one label, and a row can have one only. Split such data "
            "into a file for each label",
            ReadCode.bad_qid: f"{token} is not qid: with a whole number behind the colon",
            ReadCode.no_qid: "there is no qid behind the label, and query_id=True asks for one on every line",
            ReadCode.bad_id: f"the id of {token} is not a whole number of at least 0",
            ReadCode.id_too_small: f"the id of {token} is 0, and with zero_based=False ids begin at 1. Pass "
            "zero_based=True if this is no mistake",
            ReadCode.id_too_large: f"the id of {token} is above {ids.max_id}, the last one "
            + (
                "that fits. Renumber or hash the features"
                if ids.n_features is None
                else "that n_features leaves room for"
                + ("" if ids.base else ". If the ids begin at 1, pass zero_based=False")
            ),
            ReadCode.bad_field: f"the field of {token} is not a whole number of at least 0",
            ReadCode.field_too_large: f"the field of {token} is above {MAX_INT32}, the last one that fits",
            ReadCode.no_colon: f"{token} has no colon",
            ReadCode.no_second_colon: f"{token} has one colon only. Is this {other} text",
            ReadCode.second_colon: f"{token} has more than one colon. Is this {other} text",
            ReadCode.bad_value: f"the value of {token} is not a number",
            ReadCode.not_finite: f"{token} is not finite. Leave the value out, or fill in a number",
            ReadCode.too_large: f"{token} is too large for a 32-bit float. Scale it down",
        }
        closing = f'? A line is "{self._form.line}".' if reasons[code].endswith(" text") else "."
        if code in (ReadCode.bad_label, ReadCode.bad_id, ReadCode.no_colon, ReadCode.bad_value, ReadCode.bad_field):
            closing = f'. A line is "{self._form.line}".'
        return reasons[code] + closing
