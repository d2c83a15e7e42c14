"""Held-out data: rows or choices that are kept from training, and how well a model does on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastfm_ext import _engine
from fastfm_ext._common.arrays import Bools, Int64
from fastfm_ext._common.sparse import sparse as sp
from fastfm_ext._engine import csr
from fastfm_ext._engine.csr import Csr, largest_value
from fastfm_ext._engine.orders import permutation
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._engine.ranking import Choices
from fastfm_ext._engine.search import MAX_NORM, ItemLists, PackedItems, norms, top_n
from fastfm_ext._learning.losses import Loss
from fastfm_ext._learning.mean_loss import mean_loss
from fastfm_ext._learning.samples import Samples
from fastfm_ext._learning.similarity import INNER_PRODUCT, Similarity
from fastfm_ext.metrics.hits import hits_in_matrix, mean_over_users, per_user

# A validation looks at no more users than this, taken at random, so that it stays cheap beside an epoch.
VALIDATION_USERS = 5_000


# --- rows ------------------------------------------------------------------------------------------------------------


class RowSplit(NamedTuple):
    """Rows to train on, as numbers (n_trained,) in random order; and rows that are held out."""

    trained: Int64
    held_out: Samples


def hold_out_rows(
    samples: Samples, n_held_out: int, strata: NDArray[np.integer] | None, rng: np.random.Generator
) -> RowSplit:
    """RowSplit rows at random into those to train on and those held out.

    Parameters
    ----------
    samples : Samples
    n_held_out : int
    strata : ndarray of shape (n_rows,), or None
        Small integers; the held-out rows have the same share of each.
    rng : Generator

    Returns
    -------
    RowSplit
    """
    n = samples.X.n_rows
    in_random_order, by_stratum = _orders(n, strata, rng)
    held_out = by_stratum[(2 * np.arange(n_held_out) + 1) * n // (2 * n_held_out)]
    return _split(samples, in_random_order, held_out)


def fold_rows(
    samples: Samples, n_folds: int, strata: NDArray[np.integer] | None, rng: np.random.Generator
) -> list[RowSplit]:
    """Return splits that hold out each row once, at random; each with about the same share of each stratum."""
    in_random_order, by_stratum = _orders(samples.X.n_rows, strata, rng)
    parts = [np.ascontiguousarray(by_stratum[fold::n_folds]) for fold in range(n_folds)]
    return [_split(samples, in_random_order, part) for part in parts]


def _orders(n: int, strata: NDArray[np.integer] | None, rng: np.random.Generator) -> tuple[Int64, Int64]:
    """Return n row numbers in random order; and stratum by stratum, at random within each."""
    in_random_order = permutation(n, rng)
    if strata is None:
        return in_random_order, in_random_order
    return in_random_order, in_random_order[np.argsort(strata[in_random_order], kind="stable")]


def _split(samples: Samples, in_random_order: Int64, held_out: Int64) -> RowSplit:
    kept = np.ones(len(in_random_order), dtype=bool)
    kept[held_out] = False
    return RowSplit(in_random_order[kept[in_random_order]], samples.take(held_out))


@dataclass(frozen=True)
class HeldOutSamples:
    """Held-out rows, on which models are compared by the mean loss; `offset` is added to the scores."""

    samples: Samples
    loss: Loss
    delta: float
    offset: float = 0.0
    higher_is_better = False
    subject = "the validation loss"

    @property
    def largest(self) -> tuple[float, float]:
        """The largest absolute feature value, and the largest weight."""
        return self.samples.largest

    def value(self, scorers: list[Parameters], n_threads: int) -> float:
        """Return the mean loss, summed over the scorers."""
        return mean_loss(scorers, self.samples, self.loss, self.delta, n_threads, self.offset)


# --- choices ---------------------------------------------------------------------------------------------------------


def without(interactions: Csr, left_out: Bools) -> Csr:
    """Return the interactions, (n_users, n_items), without those that `left_out`, (nnz,), marks."""
    kept = ~left_out
    counts = np.concatenate(([0], np.cumsum(kept)))
    data = None if interactions.data is None else interactions.data[kept]
    return Csr(counts[interactions.indptr].astype(np.int64), interactions.indices[kept], data, interactions.n_features)


def mark_held_out(interactions: Csr, share: float, rng: np.random.Generator) -> Bools:
    """Mark about this share of each user's interactions at random, (nnz,); each user keeps at least one."""
    lengths = np.diff(interactions.indptr)
    order, place = _each_users_at_random(interactions, rng)
    # Rounded up or down at random, so that users with few interactions give their share, too.
    wanted = np.floor(lengths * share + rng.random(len(lengths)))
    marked = np.zeros(interactions.nnz, dtype=bool)
    marked[order] = place < np.repeat(np.minimum(wanted, lengths - 1), lengths)
    return marked


def mark_folds(interactions: Csr, n_folds: int, rng: np.random.Generator) -> list[Bools]:
    """Mark each interaction, (nnz,), in one fold at random, but the only one of a user in none."""
    lengths = np.diff(interactions.indptr)
    order, place = _each_users_at_random(interactions, rng)
    first = rng.integers(n_folds, size=len(lengths))  # so that users with few interactions do not share a fold
    fold = np.empty(interactions.nnz, dtype=np.int64)
    fold[order] = (place + np.repeat(first, lengths)) % n_folds
    fold[np.repeat(lengths == 1, lengths)] = -1
    return [fold == number for number in range(n_folds)]


def _each_users_at_random(interactions: Csr, rng: np.random.Generator) -> tuple[Int64, Int64]:
    """Return the numbers of the interactions user by user, at random within each; and the place of each there."""
    lengths = np.diff(interactions.indptr)
    users = np.repeat(np.arange(interactions.n_rows), lengths)
    order = np.lexsort((rng.random(interactions.nnz), users))
    return order, np.arange(interactions.nnz) - np.repeat(interactions.indptr[:-1], lengths)


def to_visit(choices: Choices) -> Int64:
    """Return the numbers of the interactions whose users have an item to draw, (n_visited,)."""
    lengths = np.diff(choices.interactions.indptr)
    numbers = np.arange(choices.interactions.nnz, dtype=np.int64)
    if (lengths < choices.items.n_rows).all():
        return numbers
    kept = numbers[(lengths < choices.items.n_rows)[choices.users_of_interactions]]
    if not len(kept):
        raise ValueError("interactions has a choice of every item for every user; there is nothing to tell apart.")
    return kept


@dataclass(frozen=True)
class HeldOutChoices:
    """Held-out interactions of some users, to be found among all items that they do not have in training.

    ``users`` and ``items`` hold features, ``seen`` and ``relevant`` (n_users, n_items) what the users chose.
    """

    users: Csr
    items: Csr
    seen: ItemLists
    relevant: sp.csr_array
    metric: str
    k: int
    similarity: Similarity = INNER_PRODUCT
    higher_is_better = True
    subject = "a score of the validation"

    @classmethod
    def of(cls, choices: Choices, relevant: Csr, metric: str, rng: np.random.Generator) -> Self:
        """Take users at random who have anything held out; ``metric`` is "recall@k" or "ndcg@k"."""
        users = np.flatnonzero(np.diff(relevant.indptr)).astype(np.int64)
        if len(users) > VALIDATION_USERS:
            users = np.sort(rng.choice(users, VALIDATION_USERS, replace=False))
        features, seen, wanted = (
            csr.take_rows(X, users) for X in (choices.whole_users, choices.interactions, relevant)
        )
        ones = np.ones(wanted.nnz, dtype=np.int8)
        matrix = sp.csr_array((ones, wanted.indices, wanted.indptr), shape=(wanted.n_rows, wanted.n_features))
        matrix.sort_indices()
        name, _, k = metric.partition("@")
        places = min(int(k), choices.items.n_rows)  # more places change nothing, and each takes memory
        known = ItemLists(seen.indptr.astype(np.int64), seen.indices, may_get=False)
        return cls(features, choices.items, known, matrix, name, places)

    @property
    def largest(self) -> tuple[float, float]:
        """The largest absolute feature value; weights play no part."""
        return max(largest_value(self.users), largest_value(self.items)), 1.0

    def value(self, scorers: list[Parameters], n_threads: int) -> float:
        """Return the mean of the metric over the users; NaN if a score is, or may be."""
        params = scorers[0]
        pool = _engine.pool if self.similarity.temperature is None else _engine.pool_apart
        own, item_sums = pool(self.items, params, n_threads)
        item_sums = self.similarity.of_items(item_sums)
        user_sums = self.similarity.of_users(_engine.pool(self.users, params, n_threads)[1])
        items = np.concatenate([own[:, None], item_sums], axis=1)
        users = np.concatenate([np.ones((len(user_sums), 1), dtype=np.float32), user_sums], axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            if not all((norms(vectors) < MAX_NORM).all() for vectors in (users, items)):
                return float("nan")
        ranked, _ = top_n(users, PackedItems.of(items), self.k, self.seen, None, n_threads)
        return mean_over_users(per_user(self.metric, hits_in_matrix(ranked, self.relevant), self.k), "a held-out item")
