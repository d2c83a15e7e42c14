"""Rows to learn from with rows that are held out, in blocks that both share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastfm_ext import BlockMatrix


@dataclass(frozen=True)
class Rows:
    """Rows to learn from, and after them those that are held out.

    Attributes
    ----------
    X : BlockMatrix of shape (n_train + n_held_out, n_features)
    y : ndarray of shape (n_train + n_held_out,)
        Numbers; 0 and 1 with `has_classes`.
    n_train : int
    has_classes : bool
    has_relations : bool
        Whether blocks have rows of several features: else they are one-hot fields.
    """

    X: BlockMatrix
    y: NDArray[np.float64]
    n_train: int
    has_classes: bool = False
    has_relations: bool = False

    @property
    def train_y(self) -> NDArray[np.float64]:
        """Targets to learn from."""
        return self.y[: self.n_train]

    @property
    def held_out_y(self) -> NDArray[np.float64]:
        """Targets that are held out."""
        return self.y[self.n_train :]
