"""Blocks of an encoded table: the distinct rows of a side's columns are found by their codes, and encoded once."""

import numpy as np

from fastfm_ext._common.arrays import Int32, Int64
from fastfm_ext._engine.blocks import FEW_BLOCK_ROWS, Block, Blocks
from fastfm_ext._tables.coding import code_ints
from fastfm_ext._validation.matrices import canonical_csr
from fastfm_ext.encoding.assemble import Entries, EntryKind, assemble_rows
from fastfm_ext.encoding.columns.base import ColumnsByName
from fastfm_ext.encoding.layout import Layout

# Their columns repeat together. A context has as many distinct rows as its columns have combinations.
_SIDES = ("user", "item")


def blocks_of_rows(layout: Layout, columns: ColumnsByName, n_rows: int) -> Blocks:
    """Encode the rows, (n_rows, layout.n_features)."""
    with_features = [field for field, features in enumerate(layout.features) if len(features)]
    blocks: list[Block] = []
    alone = set(with_features)
    for side in _SIDES:
        fields = [field for field in with_features if layout.groups[field] == side]
        block = _block_of_fields(layout, fields, columns, FEW_BLOCK_ROWS * n_rows) if len(fields) > 1 else None
        if block is not None:
            blocks.append(block)
            alone -= set(fields)
    for field in sorted(alone):
        block = _block_of_fields(layout, [field], columns, n_rows)
        assert block is not None
        blocks.append(block)
    blocks.sort(key=lambda block: block.features[0])
    return Blocks(n_rows, layout.n_features, tuple(blocks), layout.fields)


def _block_of_fields(layout: Layout, fields: list[int], columns: ColumnsByName, most: float) -> Block | None:
    """Return the block of these fields; None if they have more distinct rows than `most`."""
    features = np.sort(np.concatenate([layout.features[field] for field in fields]))
    places = [np.searchsorted(features, layout.features[field]).astype(np.int32) for field in fields]
    entries = [layout.fitted[field].entries(columns, place) for field, place in zip(fields, places, strict=True)]
    ids, first = _distinct_rows(entries)
    if len(first) > most:
        return None
    taken = [_rows_of(column, first) for column in entries]
    rows = assemble_rows(taken, len(first), len(features), sort=not layout.is_side_by_side)
    return Block.of_rows(features, ids, canonical_csr(rows))


def _distinct_rows(entries: list[Entries]) -> tuple[Int32, Int64]:
    """Return the number (n_rows,) of each row among those whose codes differ, and the first row of each number."""
    ids: Int32 | None = None
    first = np.zeros(0, dtype=np.int64)
    for column in entries:
        codes = column.codes
        if column.kind == EntryKind.NUMBER:
            assert column.values is not None
            codes = column.values.view(np.int32)
        assert codes is not None
        pairs = codes if ids is None else ids.astype(np.int64) << 32 | codes.view(np.uint32)
        ids, first = code_ints(pairs)
    assert ids is not None
    return ids, first


def _rows_of(column: Entries, rows: Int64) -> Entries:
    """Return the entries of some rows."""
    if column.kind == EntryKind.NUMBER:
        assert column.values is not None
        return column._replace(values=column.values[rows])
    assert column.codes is not None
    return column._replace(codes=column.codes[rows])
