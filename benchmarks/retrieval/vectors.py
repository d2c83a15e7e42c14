"""Vectors to search: those of trained models, and more of their like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fastfm_ext import FMClassifier, FMRegressor
from fastfm_ext._common.arrays import Float32
from real_data import open_data

NEGATIVES = 4  # for each check-in, drawn evenly
MOVIELENS_FACTORS, GOWALLA_FACTORS, GOWALLA_EPOCHS = 16, 64, 8


@dataclass(frozen=True)
class Vectors:
    """Users and items of one model, and who has seen what.

    Attributes
    ----------
    users : ndarray of shape (n_users, d)
    items : ndarray of shape (n_items, d)
    seen : csr_array of shape (n_users, n_items)
    """

    users: Float32
    items: Float32
    seen: sparse.csr_array


def movielens() -> Vectors:
    """Train FMRegressor with 16 factors on all ratings of MovieLens 1M."""
    with open_data("ml-1m/ratings.csv") as file:
        table = np.loadtxt(file, dtype=np.int64, delimiter=",", skiprows=1, usecols=(0, 1, 2))
    users, items = (np.unique(column, return_inverse=True)[1] for column in table.T[:2])
    seen = _matrix(users, items)
    model = FMRegressor(n_factors=MOVIELENS_FACTORS, random_state=0)
    return _vectors(model.fit(_pairs(users, items, seen.shape), table[:, 2]), seen)


def gowalla() -> Vectors:
    """Train FMClassifier with 64 factors on the check-ins of Gowalla's train file and drawn negatives."""
    with open_data("gowalla/train.txt") as file:
        lines = [np.array(line.split(), dtype=np.int64) for line in file]
    users = np.repeat([line[0] for line in lines], [len(line) - 1 for line in lines])
    items = np.concatenate([line[1:] for line in lines])
    seen = _matrix(users, items)
    drawn = np.random.default_rng(0).integers(0, seen.shape[1], NEGATIVES * len(items))
    y = np.repeat([1.0, 0.0], [len(items), len(drawn)])
    pairs = _pairs(np.concatenate([users, np.repeat(users, NEGATIVES)]), np.concatenate([items, drawn]), seen.shape)
    # Larger steps and less L2 than by default: else so few epochs teach little but the items' biases.
    settings = {"learning_rate": 0.1, "l2_w": 0.001, "l2_V": 0.001, "init_stdev": 0.1}
    model = FMClassifier(n_factors=GOWALLA_FACTORS, max_iter=GOWALLA_EPOCHS, random_state=0, **settings)
    return _vectors(model.fit(pairs, y), seen)


def more_like(vectors: Float32, n: int, seed: int = 0) -> Float32:
    """Draw ``n`` vectors: a point between two of the given ones, and noise of 0.3 standard deviations."""
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, len(vectors), (2, n))
    weight = rng.random((n, 1), dtype=np.float32)
    between = weight * vectors[one] + (1 - weight) * vectors[other]
    noise = rng.standard_normal(between.shape, dtype=np.float32)
    return np.ascontiguousarray(between + np.float32(0.3) * vectors.std(axis=0) * noise)


def _matrix(users: NDArray[np.int64], items: NDArray[np.int64]) -> sparse.csr_array:
    return sparse.csr_array((np.ones(len(users), dtype=np.float32), (users, items)))


def _pairs(users: NDArray[np.int64], items: NDArray[np.int64], shape: tuple[int, int]) -> sparse.csr_array:
    indices = np.stack([users, shape[0] + items], axis=1).ravel()
    indptr = np.arange(0, len(indices) + 1, 2)
    return sparse.csr_array((np.ones(len(indices), dtype=np.float32), indices, indptr), shape=(len(users), sum(shape)))


def _vectors(model: FMRegressor | FMClassifier, seen: sparse.csr_array) -> Vectors:
    n_users, n_items = seen.shape
    features = sparse.eye_array(n_users + n_items, format="csr", dtype=np.float32)
    return Vectors(model.user_vector(features[:n_users]), model.item_vector(features[n_users:]), seen)
