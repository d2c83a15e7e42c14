"""Joined blocks: some blocks of few block rows as one, so that a row of many fields takes fewer looks into tables.

The rows of a table with ten fields have a few hundred different combinations of the smallest ones. A combination is a
block row like others: its S_f are the sums of its members', and its own terms have those between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fastfm_ext._common.arrays import Int32
from fastfm_ext._engine.sweep import BlockedRows, BlockTable

# Combinations of joined blocks: their table has to stay in a cache beside others.
MOST_COMBINATIONS = 2048
# Fewer rows than this for each combination do not pay for adding it up.
ROWS_A_COMBINATION = 8
# Codes of combinations that may occur, of which the table of those that do is made.
MOST_CODES = 1 << 23


@dataclass
class JoinedBlocks:
    """Blocks that are looked up as one.

    Attributes
    ----------
    tables : list of BlockTable
        Of the members.
    combinations : int32 ndarray of shape (n_combinations, n_members)
        Block rows of the members.
    table : BlockTable
        Of the combinations, as of the last `add_up`.
    """

    tables: list[BlockTable]
    combinations: Int32
    table: BlockTable

    def add_up(self) -> None:
        """Bring the table in line with those of the members."""
        S, terms = self.table
        S[...] = 0.0
        terms[...] = 0.0
        for member, table in enumerate(self.tables):
            rows = self.combinations[:, member]
            S += table.S[rows]
            terms[:, 0] += table.terms[rows, 0] - table.terms[rows, 1]
        terms[:, 1] = 0.5 * np.einsum("cf,cf->c", S, S)
        terms[:, 0] += terms[:, 1]


def with_joined(rows: BlockedRows, kept: int | None) -> tuple[BlockedRows, list[JoinedBlocks]]:
    """Return rows whose small blocks are joined, and come last; block number ``kept``, if not None, becomes the first.

    Parameters
    ----------
    rows : BlockedRows
    kept : int or None
        A block that stays as it is.
    """
    others = [number for number in range(len(rows.tables)) if number != kept]
    joined, codes, members = [], [], set()
    for group, codes_of_group in _groups(rows, [number for number in others if rows.values[number] is None]):
        at = np.unique(codes_of_group, return_index=True)[1]
        table = BlockTable.empty(len(at), rows.k)
        joined.append(JoinedBlocks([rows.tables[number] for number in group], rows.ids[at][:, group], table))
        codes.append(codes_of_group)
        members.update(group)
    alone = _chosen(rows, [*([] if kept is None else [kept]), *(number for number in others if number not in members)])
    if not joined:
        return alone, []
    return replace(
        alone,
        ids=np.column_stack([alone.ids, *codes]),
        values=[*alone.values, *([None] * len(joined))],
        tables=[*alone.tables, *(of_group.table for of_group in joined)],
    ), joined


def _groups(rows: BlockedRows, numbers: Sequence[int]) -> Iterator[tuple[list[int], Int32]]:
    """Give groups of blocks that have few combinations, from the smallest on, and the number of each row's, (n_rows,).

    One group after the other takes blocks as long as its combinations stay few; those of one block are left out.
    """
    most = min(MOST_COMBINATIONS, len(rows.ids) // ROWS_A_COMBINATION)
    members: list[int] = []
    codes, n_codes = np.zeros(len(rows.ids), dtype=np.int32), 1
    for number in sorted(numbers, key=lambda number: len(rows.tables[number].S)):
        wider = _combined(codes, n_codes, rows.ids[:, number], len(rows.tables[number].S), most)
        if wider is None and members:
            if len(members) > 1:
                yield members, codes
            members, codes, n_codes = [], np.zeros(len(rows.ids), dtype=np.int32), 1
            wider = _combined(codes, n_codes, rows.ids[:, number], len(rows.tables[number].S), most)
        if wider is None:
            return
        codes, n_codes = wider
        members.append(number)
    if len(members) > 1:
        yield members, codes


def _combined(codes: Int32, n_codes: int, ids: Int32, n_block_rows: int, most: int) -> tuple[Int32, int] | None:
    """Return the number of each row's pair of a code and a block row, and how many occur; None if more than `most`."""
    if n_codes * n_block_rows > MOST_CODES:
        return None
    wider = codes * np.int32(n_block_rows) + ids
    occurs = np.zeros(n_codes * n_block_rows, dtype=bool)
    occurs[wider] = True
    n_occurring = int(np.count_nonzero(occurs))
    if n_occurring > most:
        return None
    return (np.cumsum(occurs, dtype=np.int32) - 1)[wider], n_occurring


def _chosen(rows: BlockedRows, numbers: Sequence[int]) -> BlockedRows:
    """Return the rows with these blocks alone, in this order."""
    return replace(
        rows,
        ids=np.ascontiguousarray(rows.ids[:, numbers]),
        values=[rows.values[number] for number in numbers],
        tables=[rows.tables[number] for number in numbers],
    )
