"""Similarity of users and items: the inner product of their factors, or the cosine between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastfm_ext._common.arrays import Float32

TINY_SQUARE = np.float32(1e-12)  # as the kernels have it: keeps rows without factors away from 0 / 0


@dataclass(frozen=True)
class Similarity:
    """How the factors of a user and of an item make a score, beside what the item scores by itself.

    Attributes
    ----------
    temperature : float or None
        The score is ``<S_u, S_t> / (temperature |S_u| |S_t|)``; None for the inner product ``<S_u, S_t>``.
    """

    temperature: float | None = None

    @property
    def scale(self) -> float:
        """1 / temperature; 0 for the inner product."""
        return 0.0 if self.temperature is None else 1.0 / self.temperature

    def of_users(self, sum_vx: Float32) -> Float32:
        """Return what stands for users, (n_users, n_factors), in the inner product that is the score."""
        return sum_vx if self.temperature is None else _of_unit_length(sum_vx) * np.float32(self.scale)

    def of_items(self, sum_vx: Float32) -> Float32:
        """Return what stands for items, (n_items, n_factors), in the inner product that is the score."""
        return sum_vx if self.temperature is None else _of_unit_length(sum_vx)


INNER_PRODUCT = Similarity()


def _of_unit_length(rows: Float32) -> Float32:
    # Brought below 1, so that no square is beyond float32.
    rows = rows / np.maximum(np.abs(rows).max(axis=1, keepdims=True, initial=0.0), np.float32(1.0))
    squares: Float32 = np.einsum("rf,rf->r", rows, rows)
    unit: Float32 = rows / np.sqrt(squares + TINY_SQUARE)[:, None]
    return unit
