"""Passes over libsvm and libffm text: all rows at once, in batches, or only a summary."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastfm_ext._common.arrays import MAX_INT32
from fastfm_ext._common.checks import is_integer, optional
from fastfm_ext._common.sparse import CsrRows
from fastfm_ext._native import text
from fastfm_ext.text_formats.reading import Form, Ids, RowArrays, Summary, TextReader, ZeroBased
from fastfm_ext.text_formats.source import LineBuffer, TextSource

_SCAN_ROWS = 8192
_CALLER = 4  # the level of the stack that reads, by read_libsvm and the like


def checked_ids(zero_based: ZeroBased, n_features: int | None) -> Ids:
    """Return the range of the ids, or raise ValueError for arguments of another kind."""
    if not isinstance(zero_based, bool) and zero_based != "auto":
        raise ValueError(f'zero_based must be True, False or "auto"; got {zero_based!r}.')
    if not optional(is_integer(1))(n_features) or (n_features or 0) > MAX_INT32:
        raise ValueError(f"n_features must be an integer from 1 to {MAX_INT32}, or None; got {n_features!r}.")
    if zero_based == "auto" and n_features is not None:
        raise ValueError(
            'zero_based="auto" guesses from one text where ids begin, and n_features belongs to more than one: the '
            "guess would shift the ids of those without the first feature. Pass zero_based=True or zero_based=False."
        )
    return Ids(zero_based, n_features)


def read(source: TextSource, form: Form, ids: Ids) -> tuple[Any, ...]:
    """Read all rows: `CsrRows`, labels (n_rows,), and as the form has it qid (n_rows,) or fields (n_values,)."""
    with source.open() as file:
        reader = TextReader(source, file, form, ids)
        arrays = reader.read_all()
    if ids.zero_based == "auto":
        _tell_base(source, ids)
    return _parts(arrays, _width(ids, reader.seen), form)


def scan(source: TextSource, form: Form, ids: Ids) -> Summary:
    """Read the whole source once, and return its summary without keeping the rows."""
    with source.open() as file:
        reader = TextReader(source, file, form, ids)
        for _ in reader.read_batches(_SCAN_ROWS):
            pass
    seen = reader.seen
    return seen if seen.n_values else Summary(n_rows=seen.n_rows, min_id=-1)


def first_line(source: Any) -> bytes:
    """Return the first line that is neither blank nor a comment alone, without its comment; empty if there is none."""
    opened = TextSource(source)
    with opened.open() as file:
        lines = LineBuffer(file, text.slack)
        while lines.refill():
            for line in bytes(lines.text[: lines.last]).split(b"\n"):
                if line := line.partition(b"#")[0].strip():
                    return line
            lines.first = lines.last
    return b""


def _width(ids: Ids, seen: Summary) -> int:
    """Return the number of features."""
    if ids.n_features is not None:
        return ids.n_features
    return seen.max_id + 1 - ids.base if seen.n_values else 0


def _tell_base(source: TextSource, ids: Ids) -> None:
    """Warn of a guess that moves every id."""
    if ids.base == 1:
        warnings.warn(
            f'{source.name}: ids are taken to begin at 1, since none is 0 (zero_based="auto"). Pass zero_based=False '
            "for this text and for all that is read beside it.",
            stacklevel=_CALLER,
        )


def batches(source: TextSource, form: Form, ids: Ids, batch_rows: int) -> Iterator[tuple[Any, ...]]:
    """Yield `batch_rows` rows at a time as `read` returns them."""
    if not is_integer(1)(batch_rows):
        raise ValueError(f"batch_rows must be an integer of at least 1; got {batch_rows!r}.")
    if ids.zero_based == "auto" or ids.n_features is None:
        source.check_can_be_read_twice('without n_features, or with zero_based="auto", iteration')
    return _generate_batches(source, form, ids, int(batch_rows))


def _generate_batches(source: TextSource, form: Form, ids: Ids, batch_rows: int) -> Iterator[tuple[Any, ...]]:
    if ids.zero_based == "auto" or ids.n_features is None:
        seen = scan(source, form, ids)
        if ids.zero_based == "auto":
            ids.base = int(not seen.is_zero_based)
            _tell_base(source, ids)
        n_features = _width(ids, seen)
    else:
        n_features = ids.n_features
    with source.open() as file:
        for arrays in TextReader(source, file, form, ids).read_batches(batch_rows):
            yield _parts(arrays, n_features, form)


def with_matrix(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what `read` has read with a `csr_array` of SciPy."""
    rows, *others = parts
    X = rows.to_scipy()
    X.has_canonical_format = True
    return X, *others


def _parts(arrays: RowArrays, n_features: int, form: Form) -> tuple[Any, ...]:
    indptr = arrays.indptr
    if arrays.n_values <= np.iinfo(np.int32).max:
        indptr = indptr.astype(np.int32)
    X = CsrRows(arrays.data, arrays.indices, indptr, (arrays.n_rows, n_features))
    return X, arrays.y, *[arrays.qid] * form.wants_qid, *[arrays.fields] * form.has_fields
