"""From the items of an index before a change to those after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Change:
    """Which items stay, and which are new.

    Attributes
    ----------
    source : ndarray of shape (n_items,), int64
        For each item after the change, which of those before it is, with the same vector; -1 for a new one.
    new : ndarray of shape (n_new, d), float32
        The vectors of the new items, in their order.
    """

    source: Int64
    new: Float32

    def __len__(self) -> int:
        return len(self.source)

    def of_each(self, before: npt.NDArray[Any], of_new: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return what belongs to each item, from what belonged to those before and what belongs to the new ones."""
        stays = self.source >= 0
        result = np.empty((len(self.source), *before.shape[1:]), dtype=before.dtype)
        result[stays] = before[self.source[stays]]
        result[~stays] = of_new
        return result
