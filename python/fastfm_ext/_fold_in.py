"""Vectors of users who came after training, from what they chose."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from fastfm_ext import _ranking_engine
from fastfm_ext._engine import Csr, Float32Array, Parameters, StepSizes
from fastfm_ext._interactions import to_interactions
from fastfm_ext._ranking_engine import Negatives

# Measured on Gowalla. The problem is convex and small.
FOLD_IN_STEPS, FOLD_IN_RATE = 40, 0.2
FOLD_IN_NEGATIVES = {"bpr": 64, "warp": 64, "softmax": 256}


class FoldsIn:
    """Mixin of the ranker."""

    _outputs: list[Parameters]
    loss: Any
    _pool: Any
    _chosen: Any

    def fold_in(
        self, history: Any, item_vectors: ArrayLike, X_user: Any = None, *, random_state: int = 0
    ) -> Float32Array:
        """Return the vectors of users who came after training, from what they chose.

        A few steps on the users' factors alone, the items as they are, on the loss of training (BPR's for WARP) with
        its L2: what training would have learned for a feature that only this user has.

        Parameters
        ----------
        history : {array-like of int, sparse matrix of shape (n_users, n_items)}
            The rows of `item_vectors` that one user chose, or weights of what several users chose.
        item_vectors : ndarray of shape (n_items, n_factors + 1)
            What `item_vector` returns for all items; fastest as C-ordered float32.
        X_user : {array-like, sparse matrix} of shape (n_users, n_features), optional
            The features of these users that training knew, without an id.
        random_state : int, default=0
            Seed of the items drawn to stand against the chosen ones.

        Returns
        -------
        ndarray of shape (n_factors + 1,) for one user, or (n_users, n_factors + 1), float32
            User vectors, as those of `user_vector`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            For items that do not exist, an empty history, vectors of another width, or users who chose everything.

        See Also
        --------
        user_vector : For a new user of whom only features are known.
        """
        check_is_fitted(self, "_outputs")
        vectors = _check_vectors(item_vectors, self._outputs[0].n_factors)
        single = not sp.issparse(history)
        if single:
            chosen = _one_history(history, len(vectors))
        else:
            chosen = to_interactions(history, history.shape[0], len(vectors), "history")
        _check_foldable(chosen)
        known = np.zeros((chosen.n_rows, vectors.shape[1] - 1), dtype=np.float32)
        if X_user is not None:
            known = np.ascontiguousarray(self._pool(X_user)[1])
            if len(known) != chosen.n_rows:
                raise ValueError(f"X_user has {len(known)} rows, and history is of {chosen.n_rows} users.")
        negatives = Negatives(FOLD_IN_NEGATIVES[self.loss], seed=int(random_state))
        sizes = StepSizes(FOLD_IN_RATE, 0.0, 0.0, self._chosen().l2_V)
        try:
            sum_user = _ranking_engine.fold_in(vectors, chosen, negatives, known, self.loss, sizes, FOLD_IN_STEPS)
        except _ranking_engine.NonFiniteScoreError:
            raise ValueError("item_vectors has a value that is NaN or infinite, or too large for float32.") from None
        result = np.empty((chosen.n_rows, vectors.shape[1]), dtype=np.float32)
        result[:, 0] = 1.0
        result[:, 1:] = sum_user
        return result[0] if single else result


def _check_vectors(item_vectors: ArrayLike, n_factors: int) -> Float32Array:
    vectors = np.ascontiguousarray(item_vectors, dtype=np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != n_factors + 1 or not len(vectors):
        wanted = f"(n_items, {n_factors + 1}), as item_vector returns them"
        raise ValueError(f"item_vectors must have shape {wanted}; got {vectors.shape}.")
    return vectors


def _one_history(history: Any, n_items: int) -> Csr:
    """Return the items of one user as a matrix of one row."""
    items = np.unique(np.asarray(history))
    if items.dtype.kind not in "iu" or np.ndim(history) != 1:
        raise ValueError(
            "history must be a list of row numbers of item_vectors, or a sparse matrix with a row for each user; got "
            f"an array of shape {np.shape(history)} and type {items.dtype}."
        )
    if len(items) and not (items[0] >= 0 and items[-1] < n_items):
        wrong = items[0] if items[0] < 0 else items[-1]
        raise ValueError(f"history holds item {wrong}, and item_vectors has the items 0 to {n_items - 1}.")
    return Csr(np.array([0, len(items)], dtype=np.int64), items.astype(np.int32), None, n_items)


def _check_foldable(chosen: Csr) -> None:
    lengths = np.diff(chosen.indptr)
    bad = (lengths == 0) | (lengths >= chosen.n_features)
    if bad.any():
        user = int(np.argmax(bad))
        reason = (
            "chose every item" if lengths[user] else "chose nothing; user_vector gives the vector of known features"
        )
        raise ValueError(f"history: user {user} {reason}.")
