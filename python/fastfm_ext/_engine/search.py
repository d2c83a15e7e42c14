"""Exact top-N by inner product: items in the layout of the kernels, and the search over them.

Everything that comes in here has been validated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32, FloatVectors
from fastfm_ext._engine.parameters import aligned_empty
from fastfm_ext._native import core

# A call of the kernel covers about this many multiplications (some 50 ms), so that Ctrl-C never waits long.
PRODUCTS_PER_CALL = 1 << 31

# Lengths below this keep every inner product inside float32.
MAX_NORM = 1e18


class ItemLists(NamedTuple):
    """For each user a list of items, which are either what the user must not get or all that the user may get.

    Attributes
    ----------
    indptr : ndarray of shape (n_users + 1,), int64
    listed : ndarray, int32
        Those of user u are ``listed[indptr[u]:indptr[u + 1]]``, positions in ascending order, each once.
    may_get : bool
    """

    indptr: NDArray[np.int64]
    listed: NDArray[np.int32]
    may_get: bool

    def of_users(self, users: NDArray[np.int64]) -> ItemLists:
        """Return the lists of these users alone."""
        counts = np.diff(self.indptr)[users]
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        entries = np.repeat(self.indptr[users] - indptr[:-1], counts) + np.arange(indptr[-1])
        return ItemLists(indptr, self.listed[entries], self.may_get)


@dataclass(frozen=True)
class PackedItems:
    """Item vectors as the search reads them (``PackedItems`` of ``types/search.hpp``), beside the vectors themselves.

    Attributes
    ----------
    panels : ndarray of shape (n_panels, d, PANEL_ITEMS), float32 or float16
    positions : ndarray of shape (n_panels * PANEL_ITEMS,), int32
    norms : ndarray of shape (n_panels,), float64
    vectors : ndarray of shape (n_items, d), of the type of `panels`
    list_panels : ndarray of shape (n_lists + 1,), int64, or None
    """

    panels: FloatVectors
    positions: NDArray[np.int32]
    norms: NDArray[np.float64]
    vectors: FloatVectors
    list_panels: NDArray[np.int64] | None = None

    @property
    def largest_norm(self) -> float:
        """Length of the longest vector."""
        return float(self.norms.max())

    @property
    def nbytes(self) -> int:
        """Bytes of what is kept beside the vectors."""
        return self.panels.nbytes + self.positions.nbytes + self.norms.nbytes

    @classmethod
    def of(cls, vectors: FloatVectors) -> Self:
        """Pack C-contiguous vectors, at least one and so short that no inner product leaves float32."""
        lengths = norms(vectors)
        positions = np.full(_panels(len(vectors)) * core.PANEL_ITEMS, -1, dtype=np.int32)
        positions[: len(vectors)] = np.argsort(-lengths, kind="stable")
        return cls(_lay_out(vectors, positions), positions, _longest(lengths, positions), vectors)

    @classmethod
    def in_lists(cls, vectors: FloatVectors, lists: NDArray[np.int32], n_lists: int) -> Self:
        """Pack vectors such that those of a list, numbered from 0 to n_lists - 1, can be searched by themselves."""
        lengths = norms(vectors)
        counts = np.bincount(lists, minlength=n_lists)
        list_panels = np.concatenate([[0], np.cumsum(_panels(counts))]).astype(np.int64)
        order = np.lexsort((-lengths, lists))
        before = np.cumsum(counts) - counts
        places = np.arange(len(vectors)) + (list_panels[:-1] * core.PANEL_ITEMS - before)[lists[order]]
        positions = np.full(list_panels[-1] * core.PANEL_ITEMS, -1, dtype=np.int32)
        positions[places] = order
        return cls(_lay_out(vectors, positions), positions, _longest(lengths, positions), vectors, list_panels)


def _panels(counts: Any) -> Any:
    """Return how many panels so many items fill."""
    return -(-counts // core.PANEL_ITEMS)


def _lay_out(vectors: FloatVectors, positions: NDArray[np.int32]) -> FloatVectors:
    d, width = vectors.shape[1], core.PANEL_ITEMS
    panels = aligned_empty((len(positions) // width, d, width), vectors.dtype)
    # Some panels at a time, whose rows then are still in the cache when they are written in the other order.
    step = max(1, (1 << 16) // (d * width))
    for first in range(0, len(panels), step):
        rows = positions[first * width : (first + step) * width]
        chunk = vectors[rows]
        chunk[rows < 0] = 0.0
        panels[first : first + step] = chunk.reshape(-1, width, d).transpose(0, 2, 1)
    return panels


def _longest(lengths: NDArray[np.float64], positions: NDArray[np.int32]) -> NDArray[np.float64]:
    in_panels = np.where(positions < 0, 0.0, lengths[positions]).reshape(-1, core.PANEL_ITEMS)
    longest: NDArray[np.float64] = in_panels.max(axis=1)
    return longest


class Query(NamedTuple):
    """The users of one call: their vectors (n_users, d), lengths (n_users,), and what each may get.

    ``allowed`` (n_items,) is 0 for what nobody may get; ``probes`` (n_users, n_probes) are lists to search.
    """

    users: Float32
    norms: NDArray[np.float64]
    lists: ItemLists | None
    allowed: NDArray[np.uint8] | None
    probes: NDArray[np.int32] | None


def top_n(
    users: Float32,
    items: PackedItems,
    n: int,
    lists: ItemLists | None = None,
    allowed: NDArray[np.bool_] | None = None,
    n_threads: int = 1,
    probes: NDArray[np.int32] | None = None,
) -> tuple[NDArray[np.int64], Float32]:
    """Find the ``n`` items of largest inner product for each user: see ``threads/search.hpp``.

    Parameters
    ----------
    users : ndarray of shape (n_users, d)
        C-contiguous and so short that no inner product leaves float32.
    items : PackedItems
    n : int
        At least 1.
    lists : ItemLists, optional
    allowed : ndarray of shape (n_items,), optional
        False for what nobody may get.
    n_threads : int, default=1
    probes : ndarray of shape (n_users, n_probes), optional
        The lists that are searched for each user, where items are packed in lists.

    Returns
    -------
    positions : ndarray of shape (n_users, n), int64
        Rows of ``items.vectors``, by decreasing float64 score, then by position; -1 where nothing remains.
    scores : ndarray of shape (n_users, n), float32
        ``-inf`` where nothing remains.
    """
    positions = np.empty((len(users), n), dtype=np.int64)
    scores = np.empty((len(users), n), dtype=np.float32)
    allowed_bytes = None if allowed is None else np.ascontiguousarray(allowed, dtype=bool).view(np.uint8)
    n_rows = max(1, PRODUCTS_PER_CALL // items.vectors.size)
    if probes is not None and items.list_panels is not None:
        n_rows *= max(1, (len(items.list_panels) - 1) // probes.shape[1])
    for first in range(0, len(users), n_rows):
        rows = slice(first, first + n_rows)
        lists_of_rows = None if lists is None else lists._replace(indptr=lists.indptr[first : first + n_rows + 1])
        probes_of_rows = None if probes is None else probes[rows]
        query = Query(users[rows], norms(users[rows]), lists_of_rows, allowed_bytes, probes_of_rows)
        core.top_n(items, query, n_threads, positions[rows], scores[rows])
    return positions, scores


def norms(vectors: FloatVectors) -> NDArray[np.float64]:
    """Return the Euclidean length of each row, computed in float64."""
    lengths: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    return lengths
