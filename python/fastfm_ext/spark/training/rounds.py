"""Rounds of an epoch: workers train apart for a round, and are merged after each.

The more rounds, the less is lost by training apart, and the more often the parameters travel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastfm_ext._common.arrays import Int64
from fastfm_ext._engine.csr import permutation

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Rounds of an epoch: as many as keep a worker's share of a round below `ROWS_OF_ROUND`, within these limits.
FEWEST_ROUNDS, MOST_ROUNDS = 4, 16
ROWS_OF_ROUND = 250_000
# Rounds take whole blocks where each worker has this many for a round; else all blocks, and a share of each.
_BLOCKS_OF_ROUND = 4


class Share(NamedTuple):
    """A share of each block's samples, in the random order that they have in an epoch: number ``number`` of ``n``."""

    number: int
    n: int

    def of(self, order: Int64) -> Int64:
        """Return these of the rows, (n_rows,)."""
        first, last = (len(order) * part // self.n for part in (self.number, self.number + 1))
        return order[first:last]


@dataclass(frozen=True)
class Rounds:
    """Rounds of every epoch.

    Attributes
    ----------
    n : int
    blocks : tuple of int
        The numbers that blocks have, where a round takes whole blocks; else empty.
    seed : int or None
        None for no shuffling.
    """

    n: int
    blocks: tuple[int, ...]
    seed: int | None

    @classmethod
    def of(cls, n: int | None, n_rows_of: Int64, blocks_of: dict[int, list[int]], seed: int | None) -> Rounds:
        """Choose the rounds.

        Parameters
        ----------
        n : int, optional
            Default: by the rows of the largest partition; 1 for a single one.
        n_rows_of : ndarray of shape (n_partitions,)
            Samples to train on.
        blocks_of : dict
            The numbers of the blocks to train on, by partition.
        seed : int or None
        """
        if n is None:
            largest = int(n_rows_of.max(initial=0))
            n = 1 if len(blocks_of) <= 1 else int(np.clip(-(-largest // ROWS_OF_ROUND), FEWEST_ROUNDS, MOST_ROUNDS))
        has_enough = all(len(numbers) >= _BLOCKS_OF_ROUND * n for numbers in blocks_of.values())
        blocks = (
            sorted({number for numbers in blocks_of.values() for number in numbers}) if has_enough and n > 1 else []
        )
        return cls(n, tuple(blocks), seed)

    def blocks_of(self, frame: DataFrame, epoch: int, number: int) -> DataFrame:
        """Return the blocks of a round, from 0, of a frame of packed rows."""
        if not self.blocks:
            return frame
        from pyspark.sql import functions

        blocks = np.array(self.blocks, dtype=np.int64)
        if self.seed is not None:
            blocks = blocks[permutation(len(blocks), np.random.default_rng([self.seed, epoch]))]
        chosen = Share(number, self.n).of(blocks)
        return frame.where(functions.col("block").isin(sorted(chosen.tolist())))

    def share(self, number: int) -> Share:
        """Return the share of each of these blocks that a round visits."""
        return Share(0, 1) if self.blocks else Share(number, self.n)
