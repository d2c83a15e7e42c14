"""What users chose: checked, split, and how well a model ranks what was held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils.validation import check_array

from fastfm_ext import _engine
from fastfm_ext._common.checks import errors_that_name
from fastfm_ext._engine import csr as _csr
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._engine.ranking import Choices
from fastfm_ext._engine.search import MAX_NORM, ItemLists, PackedItems, norms, top_n
from fastfm_ext._validation.matrices import canonical_csr, check_not_misread, checked_csr
from fastfm_ext.metrics.hits import hits_in_matrix, mean_over_users, per_user

# A validation looks at no more users than this, taken at random, so that it stays cheap beside an epoch.
VALIDATION_USERS = 5_000


def to_interactions(
    interactions: Any, n_users: int, n_items: int, name: str = "interactions", *, may_be_empty: bool = False
) -> Csr:
    """Return weights of what users chose, (n_users, n_items), as the kernels read them; explicit zeros are dropped.

    Raises
    ------
    ValueError
        For another shape, negative, NaN or infinite values, and, unless it may be so, for no interaction at all.
    """
    if sp.issparse(interactions):
        matrix = checked_csr(interactions, name)
    else:
        check_not_misread(interactions, name)
        with errors_that_name(name):
            matrix = sp.csr_array(check_array(interactions, dtype=np.float64, input_name=name))
    if matrix.shape != (n_users, n_items):
        raise ValueError(
            f"{name} must have a row for each row of X_user and a column for each row of X_item, ({n_users}, "
            f"{n_items}); got shape {matrix.shape}."
        )
    if matrix.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold numbers, the weights of interactions; got dtype {matrix.dtype}.")
    with np.errstate(over="ignore"):
        matrix = matrix.astype(np.float32)
    if matrix.nnz and not np.isfinite([matrix.data.min(), matrix.data.max()]).all():
        raise ValueError(f"{name} has a value that is NaN or infinite in float32; leave it out, or use a weight.")
    if matrix.nnz and matrix.data.min() < 0:
        u, t = (int(a[matrix.data.argmin()]) for a in matrix.tocoo().coords)
        raise ValueError(
            f"{name} must not be negative: values are weights of what was chosen; user {u} has {matrix.data.min()} for "
            f"item {t}. Leave out what was not liked."
        )
    csr = canonical_csr(matrix)
    if csr.nnz == 0 and not may_be_empty:
        raise ValueError(f"{name} has no value above 0; there is nothing to learn from.")
    return csr


def without(interactions: Csr, left_out: NDArray[np.bool_]) -> Csr:
    """Return the interactions without those that are marked."""
    kept = ~left_out
    counts = np.concatenate(([0], np.cumsum(kept)))
    data = None if interactions.data is None else interactions.data[kept]
    return Csr(counts[interactions.indptr].astype(np.int64), interactions.indices[kept], data, interactions.n_features)


def mark_held_out(interactions: Csr, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Mark about this share of each user's interactions at random; each user keeps at least one."""
    lengths = np.diff(interactions.indptr)
    users = np.repeat(np.arange(interactions.n_rows), lengths)
    order = np.lexsort((rng.random(interactions.nnz), users))
    place = np.arange(interactions.nnz) - np.repeat(interactions.indptr[:-1], lengths)
    # Rounded up or down at random, so that users with few interactions give their share, too.
    wanted = np.floor(lengths * share + rng.random(len(lengths)))
    marked = np.zeros(interactions.nnz, dtype=bool)
    marked[order] = place < np.repeat(np.minimum(wanted, lengths - 1), lengths)
    return marked


def to_visit(choices: Choices) -> NDArray[np.int64]:
    """Return the interactions of users for whom there is an item to draw."""
    lengths = np.diff(choices.interactions.indptr)
    numbers = np.arange(choices.interactions.nnz, dtype=np.int64)
    if (lengths < choices.items.n_rows).all():
        return numbers
    kept = numbers[(lengths < choices.items.n_rows)[choices.users_of_interactions]]
    if not len(kept):
        raise ValueError("interactions has a choice of every item for every user; there is nothing to tell apart.")
    return kept


@dataclass(frozen=True)
class HeldOut:
    """Held-out interactions of some users, to be found among all items that they do not have in training.

    ``users`` and ``items`` hold features, ``seen`` and ``relevant`` (n_users, n_items) what the users chose.
    """

    users: Csr
    items: Csr
    seen: ItemLists
    relevant: sp.csr_array
    metric: str
    k: int

    @classmethod
    def of(cls, choices: Choices, relevant: Csr, metric: str, rng: np.random.Generator) -> Self:
        """Take users at random who have anything held out; ``metric`` is "recall@k" or "ndcg@k"."""
        users = np.flatnonzero(np.diff(relevant.indptr)).astype(np.int64)
        if len(users) > VALIDATION_USERS:
            users = np.sort(rng.choice(users, VALIDATION_USERS, replace=False))
        features, seen, wanted = (_csr.take_rows(X, users) for X in (choices.users, choices.interactions, relevant))
        ones = np.ones(wanted.nnz, dtype=np.int8)
        matrix = sp.csr_array((ones, wanted.indices, wanted.indptr), shape=(wanted.n_rows, wanted.n_features))
        matrix.sort_indices()
        name, _, k = metric.partition("@")
        places = min(int(k), choices.items.n_rows)  # more places change nothing, and each takes memory
        known = ItemLists(seen.indptr.astype(np.int64), seen.indices, may_get=False)
        return cls(features, choices.items, known, matrix, name, places)

    def mean(self, params: Parameters, n_threads: int) -> float:
        """Return the mean of the metric over the users; NaN if a score is, or may be."""
        own, item_sums = _engine.pool(self.items, params, n_threads)
        user_sums = _engine.pool(self.users, params, n_threads)[1]
        items = np.concatenate([own[:, None], item_sums], axis=1)
        users = np.concatenate([np.ones((len(user_sums), 1), dtype=np.float32), user_sums], axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            if not all((norms(vectors) < MAX_NORM).all() for vectors in (users, items)):
                return float("nan")
        ranked, _ = top_n(users, PackedItems.of(items), self.k, self.seen, None, n_threads)
        return mean_over_users(per_user(self.metric, hits_in_matrix(ranked, self.relevant), self.k), "a held-out item")
