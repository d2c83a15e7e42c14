"""Exact search: every item is compared with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastfm_ext._top_n import ItemLists, PackedItems, norms, top_n

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

# When fewer than this part of the items may be returned, they are searched apart: passing over the others would cost
# more than laying these out.
_FEW = 4


class ExactSearch:
    """Items laid out for the kernel.

    Parameters
    ----------
    vectors : ndarray of shape (n_items, d), float32
        C-contiguous, at least one, and so short that no inner product leaves float32.
    """

    def __init__(self, vectors: Float32) -> None:
        self.items = PackedItems.of(vectors)

    def top_n(
        self,
        users: Float32,
        n: int,
        lists: ItemLists | None,
        allowed: npt.NDArray[np.bool_] | None,
        n_threads: int,
    ) -> tuple[Int64, Float32]:
        """Find the `n` best items of each user: see ``_top_n.top_n``."""
        if allowed is None or np.count_nonzero(allowed) * _FEW > len(allowed):
            return top_n(users, self.items, n, lists, allowed, n_threads)
        chosen = np.flatnonzero(allowed)
        if not len(chosen):
            shape = (len(users), n)
            return np.full(shape, -1, dtype=np.int64), np.full(shape, -np.inf, dtype=np.float32)
        few = PackedItems.of(self.items.vectors[chosen])
        positions, scores = top_n(users, few, n, None if lists is None else _among(lists, allowed), None, n_threads)
        return np.where(positions < 0, -1, chosen[positions]), scores


def _among(lists: ItemLists, allowed: npt.NDArray[np.bool_]) -> ItemLists:
    """Return the lists with the allowed items alone, which are numbered from 0 on."""
    kept = allowed[lists.listed]
    numbers = np.cumsum(allowed, dtype=np.int64) - 1
    kept_before = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])
    return ItemLists(kept_before[lists.indptr], numbers[lists.listed[kept]].astype(np.int32), lists.may_get)


def comparable(vectors: Float32, metric: str) -> Float32:
    """Return vectors whose inner products are the wanted similarities."""
    if metric == "inner":
        return np.ascontiguousarray(vectors)
    lengths = norms(vectors)[:, None]
    units: Float32 = np.divide(vectors, lengths, out=np.zeros(vectors.shape), where=lengths > 0).astype(np.float32)
    return units
