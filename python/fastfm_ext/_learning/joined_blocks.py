"""Joined blocks: some blocks of few block rows as one, so that a row of many fields takes fewer looks into tables.

The rows of a table with ten fields have a few hundred different combinations of the smallest ones. A combination is a
block row like others: its S_f are the sums of its members', and its own terms have those between them.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def with_joined(rows: BlockedRows, kept: int | None) -> tuple[BlockedRows, JoinedBlocks | None]:
    """Return rows whose smallest blocks are one, the last; block number ``kept``, if not None, becomes the first.

    Parameters
    ----------
    rows : BlockedRows
    kept : int or None
        A block that stays as it is.
    """
    others = [number for number in range(len(rows.tables)) if number != kept]
    members, codes = _members(rows, [number for number in others if rows.values[number] is None])
    first = [] if kept is None else [kept]
    if len(members) < 2:
        return _chosen(rows, first + others), None
    at = np.unique(codes, return_index=True)[1]
    combinations = rows.ids[at][:, members]
    table = BlockTable.empty(len(at), rows.k)
    joined = JoinedBlocks([rows.tables[number] for number in members], combinations, table)
    alone = _chosen(rows, first + [number for number in others if number not in members])
    ids = np.column_stack([alone.ids, codes])
    return replace(alone, ids=ids, values=[*alone.values, None], tables=[*alone.tables, table]), joined


def _members(rows: BlockedRows, numbers: Sequence[int]) -> tuple[list[int], Int32]:
    """Return the smallest blocks that have few combinations, and the number of each row's, (n_rows,)."""
    most = min(MOST_COMBINATIONS, len(rows.ids) // ROWS_A_COMBINATION)
    codes, n_codes, members = np.zeros(len(rows.ids), dtype=np.int32), 1, []
    for number in sorted(numbers, key=lambda number: len(rows.tables[number].S)):
        n_block_rows = len(rows.tables[number].S)
        if n_codes * n_block_rows > MOST_CODES:
            break
        wider = codes * np.int32(n_block_rows) + rows.ids[:, number]
        occurs = np.zeros(n_codes * n_block_rows, dtype=bool)
        occurs[wider] = True
        if np.count_nonzero(occurs) > most:
            break
        codes, n_codes = (np.cumsum(occurs, dtype=np.int32) - 1)[wider], int(np.count_nonzero(occurs))
        members.append(number)
    return members, codes


def _chosen(rows: BlockedRows, numbers: Sequence[int]) -> BlockedRows:
    """Return the rows with these blocks alone, in this order."""
    return replace(
        rows,
        ids=np.ascontiguousarray(rows.ids[:, numbers]),
        values=[rows.values[number] for number in numbers],
        tables=[rows.tables[number] for number in numbers],
    )
