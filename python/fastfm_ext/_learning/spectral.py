"""Spectral start of a ranking model: factors from a singular value decomposition of what users chose.

Features i of users and j of items that meet in ``a_ij = sum |x_ui| r_ut |x_tj|`` choices make a matrix A; of ids alone,
A is that of the interactions. Of its normalised form ``D_user^(-1/2) A D_item^(-1/2) ~ U s W^T``, with the sums of rows
and columns as D, each feature takes its row of ``U s^(1/2)`` or ``W s^(1/2)``, brought to the same length. Where users
are represented by what they chose, A has a row for each user; an item begins in histories at its own vector.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastfm_ext._common.arrays import Float32
from fastfm_ext._common.sparse import sparse as sp
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._engine.ranking import Choices
from fastfm_ext._engine.scipy_matrices import as_scipy

POWER_ITERATIONS, OVERSAMPLES = 3, 10
LENGTH = 0.1  # of a feature's factors, as a multiple of sqrt(n_factors)


def start_spectrally(params: Parameters, choices: Choices, rng: np.random.Generator) -> None:
    """Add the spectral start to the factors of all features that have been chosen, or have chosen, in place."""
    users, items = (abs(as_scipy(X)) for X in (choices.users, choices.items))
    chosen = abs(as_scipy(choices.interactions))
    if choices.history is not None:
        users = sp.eye_array(chosen.shape[0], dtype=np.float32, format="csr")
    user_scale, item_scale = _root_of_sums(users, chosen, items), _root_of_sums(items, chosen.T, users)
    k = min(params.n_factors, int(np.count_nonzero(user_scale)) - 1, int(np.count_nonzero(item_scale)) - 1)
    if k < 1:
        return
    users, items = users @ sp.diags_array(user_scale), items @ sp.diags_array(item_scale)

    def meet(Y: Float32) -> Any:
        return users.T @ (chosen @ (items @ Y))

    def meet_back(Y: Float32) -> Any:
        return items.T @ (chosen.T @ (users @ Y))

    U, s, Wt = _svd(meet, meet_back, k, items.shape[1], rng)
    length = LENGTH * np.sqrt(params.n_factors)
    of_users, of_items = (
        _of_length(rows * np.sqrt(s), length) * (scale > 0)[:, None]
        for rows, scale in ((U, user_scale), (Wt.T, item_scale))
    )
    params.V[:, :k] += of_items
    if choices.history is None:
        params.V[:, :k] += of_users
    else:
        histories = slice(choices.history, choices.history + chosen.shape[1])
        params.V[histories, :k] += _of_length(as_scipy(choices.items) @ of_items, length)


def _svd(
    meet: Callable[[Float32], Any], meet_back: Callable[[Float32], Any], k: int, n: int, rng: np.random.Generator
) -> tuple[Float32, Float32, Float32]:
    """Return the k largest singular values of a matrix of n columns, known by its products, with their vectors.

    Halko, Martinsson, Tropp, "Finding Structure with Randomness" (SIAM Review 2011), algorithms 4.4 and 5.1.
    scikit-learn's `randomized_svd` wants the matrix itself, which rows of many features would make dense.
    """
    Q = rng.standard_normal((n, k + OVERSAMPLES), dtype=np.float32)
    for _ in range(POWER_ITERATIONS):
        Q = np.linalg.qr(meet(Q))[0]
        Q = np.linalg.qr(meet_back(Q))[0]
    Q = np.linalg.qr(meet(Q))[0]
    U, s, Wt = np.linalg.svd(meet_back(Q).T, full_matrices=False)
    return (Q @ U)[:, :k], s[:k], Wt[:k]


def _root_of_sums(rows: sp.csr_array, chosen: sp.csr_array, others: sp.csr_array) -> Float32:
    """Return 1 / sqrt(sum_j a_ij) for each feature i of the rows, (n_features,); 0 where there is nothing."""
    sums = rows.T @ (chosen @ others.sum(axis=1))
    roots = np.sqrt(sums.astype(np.float64))
    scale: Float32 = np.divide(1.0, roots, out=np.zeros(len(sums)), where=sums > 0).astype(np.float32)
    return scale


def _of_length(rows: Float32, length: float) -> Float32:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Float32 = np.divide(rows * length, lengths, out=np.zeros_like(rows), where=lengths > 1e-8)
    return scaled
