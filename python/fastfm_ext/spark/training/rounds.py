"""Rounds of an epoch: workers train apart for a round, and are merged after each.

The more rounds, the less is lost by training apart, and the more often the parameters travel. To send the record of a
feature, to fetch it from a worker and to merge it takes as long as some 200 steps on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Int64

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Rounds of an epoch: as many as there are workers, or as keep a worker's share of a round below `ROWS_OF_ROUND`, within
# these limits. On MovieLens 1M, 8 workers lost less than half as much in 8 rounds as in 4.
FEWEST_ROUNDS, MOST_ROUNDS = 4, 16
ROWS_OF_ROUND = 250_000
# Where the parameters take more bytes than this, rounds are few enough for so many visits of a worker to each feature
# between two merges, on average.
BYTES_OF_SMALL_MODEL = 1 << 24
VISITS_OF_ROUND = 500
FEWEST_ROUNDS_OF_LARGE_MODEL = 2
# Rounds take whole blocks where each worker has this many for a round; else all blocks, and a share of each.
_BLOCKS_OF_ROUND = 4


class Contents(NamedTuple):
    """What the partitions hold.

    Attributes
    ----------
    n_rows_of : ndarray of shape (n_partitions,)
        Samples to train on.
    blocks_of : dict
        The numbers of the blocks to train on, by partition.
    nnz : int
        Nonzeros of the samples, all together.
    features : ndarray of shape (n_touched,)
        Features that rows have.
    """

    n_rows_of: Int64
    blocks_of: dict[int, list[int]]
    nnz: int
    features: NDArray[np.intp]


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
    def of(cls, n: int | None, contents: Contents, record_bytes: int, seed: int | None) -> Rounds:
        """Choose the rounds.

        Parameters
        ----------
        n : int, optional
            Default: by the rows of the largest partition and by the size of the model; 1 for a single partition.
        contents : Contents
        record_bytes : int
            Bytes of a feature's parameters.
        seed : int or None
        """
        numbers_of = contents.blocks_of.values()
        n = n or _rounds_for(contents, record_bytes)
        takes_whole = n > 1 and all(len(numbers) >= _BLOCKS_OF_ROUND * n for numbers in numbers_of)
        blocks = {number for numbers in numbers_of for number in numbers} if takes_whole else set()
        return cls(n, tuple(sorted(blocks)), seed)

    def blocks_of(self, frame: DataFrame, epoch: int, number: int) -> DataFrame:
        """Return the blocks of a round, from 0, of a frame of packed rows."""
        if not self.blocks:
            return frame
        from pyspark.sql import functions

        # Rows are mixed over blocks, so an epoch can take neighbors together, from another first block each time. Of
        # ranges, Spark sees which of the rows that it keeps it need not read.
        blocks = np.array(self.blocks, dtype=np.int64)
        if self.seed is not None:
            blocks = np.roll(blocks, -int(np.random.default_rng([self.seed, epoch]).integers(len(blocks))))
        chosen = Share(number, self.n).of(blocks)
        block = functions.col("block")
        ranges = np.split(chosen, np.flatnonzero(np.diff(chosen) < 0) + 1)
        return frame.where(reduce(or_, (block.between(int(some[0]), int(some[-1])) for some in ranges)))

    def share(self, number: int) -> Share:
        """Return the share of each of these blocks that a round visits."""
        return Share(0, 1) if self.blocks else Share(number, self.n)


def _rounds_for(contents: Contents, record_bytes: int) -> int:
    """Return the rounds that suit rows and model."""
    n_workers, n_touched = len(contents.blocks_of), len(contents.features)
    if n_workers <= 1:
        return 1
    largest = int(contents.n_rows_of.max(initial=0))
    n = int(np.clip(max(n_workers, -(-largest // ROWS_OF_ROUND)), FEWEST_ROUNDS, MOST_ROUNDS))
    if n_touched * record_bytes <= BYTES_OF_SMALL_MODEL:
        return n
    affordable = contents.nnz // (n_workers * n_touched * VISITS_OF_ROUND)
    return min(n, max(FEWEST_ROUNDS_OF_LARGE_MODEL, affordable))
