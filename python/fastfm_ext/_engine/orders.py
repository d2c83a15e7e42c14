"""Random orders in which rows are visited."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._engine.csr import Csr
from fastfm_ext._native import core

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

Order = NDArray[np.int64]  # numbers of rows

# Rows of about this many bytes are visited together: a part of a second-level cache.
BLOCK_BYTES = 1 << 17
ORDERED_ROWS = 1 << 17  # put in order at once: the numbers take a small part of the rows' memory
MOST_ROWS_OF_A_BLOCK = 1 << 31  # the generator's numbers have 32 bits
ROWS_AHEAD = 1 << 14  # fewer are put in order before a thread could begin


class OrdersAhead:
    """The random orders of one epoch after the other, each part made while the one before is visited.

    They are those of `block_orders` and would take up to a tenth of the time of an epoch. What they depend on is drawn
    before: a part is drawn when its predecessor is given, and made in a thread of its own.

    Parameters
    ----------
    X : Csr
    rng : Generator
        Nobody else may draw from it between epochs.
    chunks_at_once : int
    """

    def __init__(self, X: Csr, rng: np.random.Generator, chunks_at_once: int) -> None:
        self._parts = _all_parts(X, rng, chunks_at_once)
        self._thread: ThreadPoolExecutor | None = None  # which ends with this object
        if X.n_rows >= ROWS_AHEAD and core.usable_cpus() > 1:
            # Imports the module `logging`, for which small jobs should not wait.
            from concurrent.futures import ThreadPoolExecutor

            self._thread = ThreadPoolExecutor(1, "fastfm-ext-orders")
        self._next = self._begin()

    def epoch(self) -> Iterator[Order]:
        """Give the order of the next epoch's visits in parts."""
        is_last = False
        while not is_last:
            is_last, wait = self._next
            order = wait()
            self._next = self._begin()
            yield order

    def _begin(self) -> tuple[bool, Callable[[], Order]]:
        """Begin to make the next part; return whether it is the last of its epoch, and what waits for it."""
        is_last, part = next(self._parts)
        return is_last, part.rows if self._thread is None else self._thread.submit(part.rows).result


def _all_parts(X: Csr, rng: np.random.Generator, chunks_at_once: int) -> Iterator[tuple[bool, PartOfOrder]]:
    """Draw the parts of all epochs to come, and whether each is the last of its epoch."""
    while True:
        parts = _drawn_blocks(X, rng, chunks_at_once)
        for part in parts:
            yield part is parts[-1], part


def block_orders(X: Csr, rng: np.random.Generator, chunks_at_once: int = 1) -> Iterator[Order]:
    """Give all rows of X in random order, some at a time, near each other where they are near each other in memory.

    Blocks of neighbouring rows are permuted, and the rows inside each block: see ``threads/rows.hpp``. The order does
    not depend on ``chunks_at_once``, by which more rows come at a time.
    """
    return (part.rows() for part in _drawn_blocks(X, rng, chunks_at_once))


def _drawn_blocks(X: Csr, rng: np.random.Generator, chunks_at_once: int) -> list[PartOfOrder]:
    bytes_per_row = 16 + (4 if X.data is None else 8) * X.nnz / X.n_rows
    return _drawn(X.n_rows, max(1, int(BLOCK_BYTES / bytes_per_row)), ORDERED_ROWS, rng, chunks_at_once)


def permutation(n: int, rng: np.random.Generator) -> Order:
    """Return the numbers below n in random order, in a third of the time that NumPy takes."""
    return _drawn(n, MOST_ROWS_OF_A_BLOCK, n, rng)[0].rows()


@dataclass(frozen=True)
class PartOfOrder:
    """Blocks of ``block_rows`` neighbouring rows, some at a time, and the seed of the order inside each."""

    n_rows: int  # of the matrix, whose last block may be smaller
    block_rows: int
    chunks: list[Order]
    seeds: list[int]

    def rows(self) -> Order:
        """Return the rows of these blocks in their random order."""
        sizes = [int(np.minimum(self.block_rows, self.n_rows - some * self.block_rows).sum()) for some in self.chunks]
        order = np.empty(sum(sizes), dtype=np.int64)
        begin = 0
        for some, size, seed in zip(self.chunks, sizes, self.seeds, strict=True):
            core.block_order(some, self.block_rows, self.n_rows, seed, order[begin : begin + size])
            begin += size
        return order


def _drawn(
    n_rows: int, block_rows: int, rows_at_once: int, rng: np.random.Generator, chunks_at_once: int = 1
) -> list[PartOfOrder]:
    block_rows = min(block_rows, MOST_ROWS_OF_A_BLOCK, n_rows)
    blocks = rng.permutation(np.arange(-(-n_rows // block_rows), dtype=np.int64))
    blocks_at_once = -(-rows_at_once // block_rows)
    chunks = [blocks[first : first + blocks_at_once] for first in range(0, len(blocks), blocks_at_once)]
    seeds = [int(rng.integers(2**63)) for _ in chunks]
    some = [slice(first, first + chunks_at_once) for first in range(0, len(chunks), chunks_at_once)]
    return [PartOfOrder(n_rows, block_rows, chunks[part], seeds[part]) for part in some]
