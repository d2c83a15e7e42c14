"""Changes of an index: which of its items stay, and which are new."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastfm_ext._common.arrays import AnyArray, FloatVectors, Int64


@dataclass(frozen=True)
class Change:
    """The items after a change, in terms of those before it.

    Attributes
    ----------
    source : ndarray of shape (n_items,), int64
        Position before the change of each item after it, -1 for a new item. Items that stay keep their vectors.
    new : ndarray of shape (n_new, d), float32 or float16
        Vectors of the new items, in their order.
    """

    source: Int64
    new: FloatVectors

    def __len__(self) -> int:
        return len(self.source)

    def of_each(self, before: AnyArray, of_new: AnyArray) -> AnyArray:
        """Return one row an item, (n_items, ...), out of rows of the earlier items and rows of the new ones."""
        stays = self.source >= 0
        result = np.empty((len(self.source), *before.shape[1:]), dtype=before.dtype)
        result[stays] = before[self.source[stays]]
        result[~stays] = of_new
        return result
