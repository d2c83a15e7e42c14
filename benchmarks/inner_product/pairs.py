"""Pairs of vectors whose inner product ranks: as the model scores, without parts of it, and by other similarities."""

from __future__ import annotations

import numpy as np

from fastfm_ext._common.arrays import Float32

from .models import Parts

Pair = tuple[Float32, Float32]

WHOLE = "user_vector, item_vector"
LINEAR = "without pairs within the item"
FACTORS = "sums of factors alone"
COSINE_OF_FACTORS = "cosine of the sums"
COSINE = "cosine of the whole vectors"
DISTANCE = "distance of the whole vectors"
PADDED = "distance, items padded to one length"


def pairs_of(parts: Parts) -> dict[str, Pair]:
    """Return users and items for each way to rank; where items have no pairs within, none without these."""
    naive = parts.user_factors, parts.item_factors
    pairs = {WHOLE: (parts.users, parts.items)}
    if not np.allclose(parts.items[:, 0], parts.linear, atol=1e-5):
        pairs[LINEAR] = parts.users, np.column_stack([parts.linear, parts.item_factors])
    return pairs | {
        FACTORS: naive,
        COSINE_OF_FACTORS: by_cosine(*naive),
        COSINE: by_cosine(parts.users, parts.items),
        DISTANCE: by_distance(parts.users, parts.items),
        PADDED: by_distance(*padded(parts.users, parts.items)),
    }


def by_cosine(users: Float32, items: Float32) -> Pair:
    """Return vectors whose inner product ranks by the cosine."""
    return users, normalised(items)


def normalised(vectors: Float32) -> Float32:
    """Bring each vector to length 1; zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def by_distance(users: Float32, items: Float32) -> Pair:
    """Return vectors whose inner product ranks by the distance: its negative square but for what is the user's own."""
    squares = np.square(items, dtype=np.float64).sum(axis=1).astype(np.float32)
    return np.column_stack([2 * users, np.full(len(users), -1, np.float32)]), np.column_stack([items, squares])


def padded(users: Float32, items: Float32) -> Pair:
    """Bring all items to one length by one more coordinate, which is 0 for users (Bachrach et al. 2014, section 3).

    Distances and cosines then rank as the inner product does.
    """
    squares = np.square(items, dtype=np.float64).sum(axis=1)
    rest = np.sqrt(squares.max() - squares).astype(np.float32)
    return np.column_stack([users, np.zeros(len(users), np.float32)]), np.column_stack([items, rest])
