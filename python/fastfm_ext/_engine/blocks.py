"""Blocks of columns by their distinct rows, which a sampler visits once each instead of once for every row.

Of a million ratings the users' columns have no more distinct rows than there are users. Rendle, "Scaling Factorization
Machines to Relational Data" (2013), calls them relations. A field of one entry a row is the smallest block: its
distinct rows are its features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import AnyArray, Float32, Int32, Int64
from fastfm_ext._engine.csr import Csr, RowStarts, take_rows
from fastfm_ext._engine.scipy_matrices import as_scipy
from fastfm_ext._native import tables

# A side is a block of its own if it has at most this part of the rows.
FEW_BLOCK_ROWS = 0.25
# More fields than this are not found in a matrix, but multi-valued ones whose columns meet each other.
MOST_FIELDS_FOUND = 256

_BITS = NDArray[np.uint64]


@dataclass(frozen=True)
class Block:
    """Some columns by their distinct rows: row r has the entries of block row ``ids[r]``, times ``values[r]``.

    Attributes
    ----------
    features : int32 ndarray of shape (n_block_features,)
        The model's numbers of these columns, ascending.
    ids : int32 ndarray of shape (n_rows,)
        Block row of each row.
    n_block_rows : int
    values : float32 ndarray of shape (n_rows,), or None
        Factor by which the row multiplies the block row; None where all are 1.
    X : Csr of shape (n_block_rows, n_block_features), or None
        The block rows, by places in `features`. None: block row b < n_block_features has the feature of this place
        alone, with the value 1, and block row n_block_features, if there is one, is empty.
    own : int32 ndarray of shape (n_block_rows,), or None
        In the centered form, the feature that each block row has for itself, beside those of `X`. No two features of
        such a block interact. None: the block is a part of a factorization machine as it is written.
    """

    features: Int32
    ids: Int32
    n_block_rows: int
    values: Float32 | None = None
    X: Csr | None = None
    own: Int32 | None = None

    @classmethod
    def of_rows(cls, features: Int32, ids: Int32, X: Csr) -> Block:
        """Return the block of these block rows; they become its features where none has two entries."""
        lengths = np.diff(X.indptr)
        if lengths.max(initial=0) > 1:
            return cls(features, ids, X.n_rows, None, X)
        places = np.full(X.n_rows, X.n_features, dtype=np.int32)
        places[lengths > 0] = X.indices
        values = None
        if X.data is not None:
            values = np.ones(X.n_rows, dtype=np.float32)
            values[lengths > 0] = X.data
            values = values[ids]
        has_empty = bool((lengths == 0).any())
        return cls(features, places[ids], X.n_features + has_empty, values)

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self.features)

    @property
    def n_entries(self) -> Int64:
        """Number of entries of each row, (n_rows,)."""
        return np.diff(self.rows.indptr).astype(np.int64)[self.ids]

    @property
    def rows(self) -> Csr:
        """The block rows as a matrix, also where `X` is None; without their own features."""
        if self.X is not None:
            return self.X
        indptr = np.minimum(np.arange(self.n_block_rows + 1, dtype=np.int32), np.int32(self.n_features))
        return Csr(indptr, np.arange(self.n_features, dtype=np.int32), None, self.n_features)


@dataclass(frozen=True)
class Blocks:
    """A matrix whose columns are in blocks, each in one.

    Attributes
    ----------
    n_rows, n_features : int
    blocks : tuple of Block
        Together they hold every feature once, also one that no row has; in the order of their first features.
    groups : int32 ndarray of shape (n_features,)
        Group of each feature, from 0 on: its field. The features of a group share a prior.
    """

    n_rows: int
    n_features: int
    blocks: tuple[Block, ...]
    groups: Int32

    @property
    def n_groups(self) -> int:
        """One more than the largest group."""
        return int(self.groups.max(initial=-1)) + 1

    @property
    def nnz(self) -> int:
        """Number of entries of the matrix."""
        return sum(int(block.n_entries.sum()) for block in self.blocks)

    def take(self, rows: Any) -> Blocks:
        """Return the given rows: numbers, a mask of shape (n_rows,), or a slice."""
        blocks = tuple(
            replace(b, ids=b.ids[rows], values=None if b.values is None else b.values[rows]) for b in self.blocks
        )
        n_rows = len(blocks[0].ids)
        return replace(self, n_rows=n_rows, blocks=blocks)

    def expanded(self) -> Csr:
        """Return the matrix, (n_rows, n_features), of blocks that are not centered."""
        counts = [block.n_entries for block in self.blocks]
        nnz = sum(int(count.sum()) for count in counts)
        n = self.n_rows + 1
        indptr: RowStarts = np.zeros(n, dtype=np.int32) if nnz < 2**31 else np.zeros(n, dtype=np.int64)
        np.cumsum(np.sum(counts, axis=0), out=indptr[1:])
        indices = np.empty(nnz, dtype=np.int32)
        has_values = any(block.values is not None or block.rows.data is not None for block in self.blocks)
        data = np.ones(nnz, dtype=np.float32) if has_values else None
        begins = indptr[:-1].astype(np.int64)
        for block, count in zip(self.blocks, counts, strict=True):
            rows = take_rows(block.rows, block.ids.astype(np.int64))
            at = np.arange(rows.nnz) + np.repeat(begins - rows.indptr[:-1], count)
            indices[at] = block.features[rows.indices]
            if data is not None and block.values is not None:
                data[at] = np.repeat(block.values, count)
            if data is not None and rows.data is not None:
                data[at] *= rows.data
            begins += count
        if data is not None and (data == 1).all():
            data = None
        return _ascending(Csr(indptr, indices, data, self.n_features))


def _ascending(X: Csr) -> Csr:
    """Return X with the columns of each row in order."""
    matrix = as_scipy(X)
    matrix.sort_indices()
    return Csr(X.indptr, matrix.indices, None if X.data is None else matrix.data, X.n_features)


@dataclass(frozen=True)
class _Entries:
    """Entries of the columns of one block, row after row.

    ``rows`` and ``places`` have shape (n_entries,): row, and place of the column in `features`; ``values`` is None
    where all are 1.
    """

    features: Int32
    rows: NDArray[np.integer]
    places: Int32
    values: Float32 | None


def split(X: Csr, fields: Int32 | None = None, sides: Int32 | None = None) -> Blocks:
    """Put the columns of X in blocks.

    A field of at most one entry a row is a block of its features. One of several entries a row is a block of its
    distinct rows, and so are the fields of a side together, if they have far fewer distinct rows than X has rows.

    Parameters
    ----------
    X : Csr of shape (n_rows, n_features)
        Columns ascend within each row.
    fields : int32 ndarray of shape (n_features,), or None
        Field of each feature, from 0 on; None to have them found by `fields_found`.
    sides : int32 ndarray of shape (n_fields,), or None
        Side of each field, -1 for a field that stays alone, as all do with None.

    Returns
    -------
    Blocks
        Its groups are the fields.
    """
    if fields is None:
        fields = fields_found(X)
    n_fields = int(fields.max(initial=-1)) + 1
    units = np.arange(n_fields, dtype=np.int32)  # blocks if nothing else is asked for
    blocks: list[Block] = []
    if sides is not None:
        first_of_side = np.array([np.argmax(sides == side) for side in sides], dtype=np.int32)
        of_sides = np.where(sides < 0, units, first_of_side)
        alone = np.bincount(of_sides, minlength=n_fields)[of_sides] == 1
        blocks = [
            block
            for entries in _entries_of_units(X, of_sides[fields], n_fields, np.flatnonzero(~alone))
            if (block := _distinct(entries, X.n_rows)).n_block_rows <= FEW_BLOCK_ROWS * X.n_rows
        ]
    in_block = np.zeros(len(fields), dtype=bool)
    for block in blocks:
        in_block[block.features] = True
    left = np.setdiff1d(units, fields[in_block])
    blocks += [_block_of_field(entries, X.n_rows) for entries in _entries_of_units(X, fields, n_fields, left)]
    return Blocks(X.n_rows, X.n_features, tuple(sorted(blocks, key=lambda block: block.features[0])), fields)


def _entries_of_units(X: Csr, units: Int32, n_units: int, wanted: NDArray[np.integer]) -> Iterator[_Entries]:
    """Give the entries of each wanted unit that has columns; ``units`` (n_features,) is that of each column."""
    if not len(wanted):
        return
    features_of = _in_parts(units, n_units)
    place = np.empty(len(units), dtype=np.int32)
    for features in features_of:
        place[features] = np.arange(len(features))
    entries_of = _in_parts(units[X.indices], n_units)
    row_of = np.repeat(np.arange(X.n_rows), np.diff(X.indptr))
    for unit in wanted:
        features, at = features_of[unit], entries_of[unit]
        if len(features):
            values = None if X.data is None else X.data[at]
            if values is not None and (values == 1).all():
                values = None
            yield _Entries(features.astype(np.int32), row_of[at], place[X.indices[at]], values)


def _in_parts(units: Int32, n_units: int) -> list[NDArray[np.intp]]:
    """Return where each unit stands in ``units``, ascending."""
    short = units.astype(np.uint8 if n_units <= 2**8 else np.uint16 if n_units <= 2**16 else np.uint32)
    order = np.argsort(short, kind="stable")  # by counting, for short numbers
    stops = np.cumsum(np.bincount(units, minlength=n_units))
    return np.split(order, stops[:-1]) if n_units else []


def _block_of_field(entries: _Entries, n_rows: int) -> Block:
    """Return the block of the features, if no row has two of them; else that of the distinct rows."""
    rows, n_features = entries.rows, len(entries.features)
    if not (rows[1:] > rows[:-1]).all():
        return _distinct(entries, n_rows)
    if len(rows) == n_rows:
        return Block(entries.features, entries.places, n_features, entries.values)
    ids = np.full(n_rows, n_features, dtype=np.int32)
    ids[rows] = entries.places
    values = None
    if entries.values is not None:
        values = np.ones(n_rows, dtype=np.float32)
        values[rows] = entries.values
    return Block(entries.features, ids, n_features + 1, values)


# --- distinct rows ---------------------------------------------------------------------------------------------------


def _distinct(entries: _Entries, n_rows: int) -> Block:
    """Return the block of the distinct rows, in the order in which they first occur.

    Rows are the same if two sums of 64 bits over their entries are: of different rows a pair is, by chance, one in
    2^128.
    """
    indptr: RowStarts = np.zeros(n_rows + 1, dtype=np.int64)
    np.cumsum(np.bincount(entries.rows, minlength=n_rows), out=indptr[1:])
    if len(entries.rows) < 2**31:
        indptr = indptr.astype(np.int32)
    X = Csr(indptr, entries.places, entries.values, len(entries.features))
    ids, first = _coded(_row_sums(_random_bits(X, np.uint64(0x9E3779B97F4A7C15)), X.indptr))
    second = _row_sums(_random_bits(X, np.uint64(0xD1B54A32D192ED03)), X.indptr)
    if (second != second[first][ids]).any():
        pairs = ids.astype(np.int64) * n_rows + _coded(second)[0]
        ids, first = _coded(pairs)
    return Block(entries.features, ids, len(first), None, take_rows(X, first))


def _random_bits(X: Csr, salt: np.uint64) -> _BITS:
    """Return 64 bits for each entry, (nnz,), that its column and value choose."""
    if X.data is None:
        bits: _BITS = _mixed(np.arange(X.n_features, dtype=np.uint64), salt)[X.indices]
        return bits
    values = X.data.view(np.uint32).astype(np.uint64) << np.uint64(32)
    return _mixed(values | X.indices.astype(np.uint64), salt)


def _mixed(bits: _BITS, salt: np.uint64) -> _BITS:
    """Return 64 random bits for each number: the finalizer of Steele, Lea, Flood, "Fast Splittable PRNGs" (2014)."""
    z = bits + salt
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z


def _row_sums(bits: _BITS, indptr: RowStarts) -> _BITS:
    """Return the sum of each row's numbers, (n_rows,), modulo 2^64."""
    sums = np.zeros(len(bits) + 1, dtype=np.uint64)
    np.cumsum(bits, out=sums[1:])
    before = sums[indptr]
    return before[1:] - before[:-1]


def _coded(numbers: AnyArray) -> tuple[Int32, Int64]:
    """Return the code of each number of 64 bits, (n_rows,), and the first row that has each code, ascending."""
    codes = np.empty(len(numbers), dtype=np.int32)
    first = np.empty(len(numbers), dtype=np.int64)
    n_distinct = tables.code_ints(numbers.view(np.int64), None, codes, first)
    return codes, first[:n_distinct].copy()


# --- fields ----------------------------------------------------------------------------------------------------------


def fields_found(X: Csr) -> Int32:
    """Return a field for each column of X, (n_features,), such that few fields hold two entries of a row.

    Columns join the current field one after the other, until one shares a row with a column of that field: there the
    next field begins. More than 256 fields are taken for none, and all columns are one.
    """
    latest = np.full(X.n_features, -1, dtype=np.int32)  # column that stands just before this one in a row
    follows = np.ones(X.nnz, dtype=bool)
    starts: RowStarts = X.indptr[:-1]
    follows[starts[starts < X.nnz]] = False
    at = np.flatnonzero(follows)
    np.maximum.at(latest, X.indices[at], X.indices[at - 1])
    fields = np.zeros(X.n_features, dtype=np.int32)
    start = 0
    for _ in range(MOST_FIELDS_FOUND):
        meets = latest[start:] >= start
        step = int(np.argmax(meets)) if len(meets) else 0
        if not step:
            return fields
        start += step
        fields[start:] += 1
    return np.zeros(X.n_features, dtype=np.int32)
