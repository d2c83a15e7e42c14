"""Learning to rank by the kernels: epochs over what users chose, and the vectors of new users."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.csr import Csr, features_in, largest_value, take_rows
from fastfm_ext._engine.gradient import NNZ_PER_CALL
from fastfm_ext._engine.options import Options, StepSizes
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._native import core

LOSSES = core.ranking_losses()

NonFiniteScoreError = core.NonFiniteScoreError


@dataclass(frozen=True)
class Choices:
    """What users chose among items, with the features of both: ``RankingData`` of ``types/ranking.hpp``.

    ``users`` (n_users, n_features) and ``items`` (n_items, n_features) both have values or neither has;
    ``interactions`` (n_users, n_items) holds weights, and ``users_of_interactions`` the row of each. With ``history``,
    users are represented by what they chose, beside their features: item t by feature ``history + t``.
    """

    users: Csr
    items: Csr
    interactions: Csr
    users_of_interactions: NDArray[np.int32]
    history: int | None = None

    @classmethod
    def of(cls, users: Csr, items: Csr, interactions: Csr, history: int | None = None) -> Self:
        # Features beside a history ask how much each item of it counts.
        if (users.data is None) != (items.data is None) or (history is not None and users.nnz):
            users, items = _with_values(users), _with_values(items)
        rows = np.arange(interactions.n_rows, dtype=np.int32)
        return cls(users, items, interactions, np.repeat(rows, np.diff(interactions.indptr)), history)

    @property
    def whole_users(self) -> Csr:
        """The users with all that represents them: features, and what they chose."""
        if self.history is None:
            return self.users
        return with_histories(self.users, self.interactions, self.history, has_values=self.items.data is not None)

    def features_of(self, visited: NDArray[np.int64]) -> NDArray[np.intp]:
        """Return the features that are trained when these interactions, (n_visited,), are visited, ascending.

        Any item may be drawn to stand against a choice.
        """
        users = np.unique(self.users_of_interactions[visited]).astype(np.int64)
        return features_in(self.items, features_in(take_rows(self.whole_users, users), np.zeros(0, dtype=np.intp)))

    @property
    def largest(self) -> tuple[float, float]:
        """The largest absolute feature value, and the largest weight."""
        features = max(largest_value(self.users), largest_value(self.items))
        return features, largest_value(self.interactions)


def with_histories(users: Csr, chosen: Csr, first: int, *, has_values: bool = True) -> Csr:
    """Return rows of users, (n_users, n_features), and in them |H|^(-1/2) for each item of H, what the user chose.

    ``chosen`` is (n_users, n_items), whatever its weights; item t is feature ``first + t``, behind those of the users.
    Without values, each counts 1.
    """
    lengths, n_chosen = np.diff(users.indptr), np.diff(chosen.indptr)
    indptr = np.concatenate(([0], np.cumsum(lengths + n_chosen))).astype(np.int64)
    at = [_places(indptr[:-1], lengths), _places(indptr[:-1] + lengths, n_chosen)]
    indices, data = np.empty(indptr[-1], dtype=np.int32), np.empty(indptr[-1], dtype=np.float32)
    indices[at[0]], indices[at[1]] = users.indices, first + chosen.indices
    if has_values:
        data[at[0]] = 1.0 if users.data is None else users.data
        data[at[1]] = np.repeat(1.0 / np.sqrt(np.maximum(n_chosen, 1)), n_chosen)
    n_features = max(users.n_features, first + chosen.n_features)
    return Csr(indptr, indices, data if has_values else None, n_features)


def _places(begins: NDArray[np.int64], lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the places of rows that begin there, (n_rows,), one row after the other."""
    before = np.cumsum(lengths) - lengths
    places: NDArray[np.int64] = np.repeat(begins - before, lengths) + np.arange(lengths.sum())
    return places


def _with_values(X: Csr) -> Csr:
    return replace(X, data=np.ones(X.nnz, dtype=np.float32)) if X.data is None else X


@dataclass(frozen=True)
class Negatives:
    """How items are drawn to stand against the chosen ones: ``Negatives`` of ``types/ranking.hpp``."""

    n: int
    keep: Float32 | None = None
    alias: NDArray[np.int32] | None = None
    log_q: Float32 | None = None
    seed: int = 0

    @classmethod
    def in_proportion(cls, n: int, weights: NDArray[np.float64]) -> Self:
        """Return negatives that are drawn in proportion to positive weights, one for each item.

        Vose's (1991) way to fill Walker's (1977) table: an item that has too little for its cell is topped up by one
        that has too much.
        """
        scaled = weights / weights.mean()
        keep, alias = scaled.copy(), np.arange(len(weights), dtype=np.int32)
        poor, rich = np.flatnonzero(scaled < 1).tolist(), np.flatnonzero(scaled >= 1).tolist()
        rest = scaled.tolist()
        while poor and rich:
            item, giver = poor.pop(), rich[-1]
            keep[item], alias[item] = rest[item], giver
            rest[giver] -= 1.0 - rest[item]
            if rest[giver] < 1.0:
                poor.append(rich.pop())
        for item in poor + rich:  # 1, up to rounding
            keep[item] = 1.0
        return cls(n, keep.astype(np.float32), alias, np.log(scaled).astype(np.float32))


@dataclass(frozen=True)
class ChoiceVisits:
    """The order of an epoch: visit v goes to the interactions ``order[begins[v]:begins[v + 1]]`` of one user.

    Without ``begins``, each visit goes to one interaction. With ``n_positives``, it learns the one of ``kth`` highest
    score of this and of others drawn with it from the user's interactions, so many in all (at most 64).
    """

    order: NDArray[np.int64]
    begins: NDArray[np.int64] | None = None
    n_positives: int = 1
    kth: int = 1

    @property
    def n(self) -> int:
        return len(self.order) if self.begins is None else len(self.begins) - 1

    @classmethod
    def at_random(
        cls,
        interactions: NDArray[np.int64],
        users: NDArray[np.int32],
        most: int,
        rng: np.random.Generator,
        *,
        at_once: bool = True,
        fewest: int = 1,
    ) -> Self:
        """Return visits to these interactions in random order, up to ``most`` of one user one after the other.

        ``at_once`` makes them one visit; each user has then at least ``fewest`` visits, or one for each interaction.
        ``users`` are those of the interactions, in ascending order.
        """
        order, begins = np.empty_like(interactions), np.empty(len(interactions) + 1, dtype=np.int64)
        seed = int(rng.integers(2**63))
        n_pieces = core.order_of_visits(interactions, users, most, fewest, seed, order, begins)
        return cls(order, begins[: n_pieces + 1] if at_once and most > 1 else None)


class RankingVisits(NamedTuple):
    """The visits ``first <= v < last`` of a `ChoiceVisits`, of up to ``most`` interactions each."""

    first: int
    last: int
    order: NDArray[np.int64]
    begins: NDArray[np.int64] | None
    most: int
    n_positives: int = 1
    kth: int = 1


def train_epoch(
    choices: Choices,
    visits: ChoiceVisits,
    negatives: Negatives,
    params: Parameters,
    options: Options,
    n_threads: int = 1,
) -> float:
    """Make the visits, one step each; change ``params`` in place; return the weighted sum of the loss.

    Raises
    ------
    NonFiniteScoreError
        When a score is NaN or infinite; ``row`` is the number of the interaction. The parameters hold the steps before.
    """
    most = 1 if visits.begins is None else int(np.diff(visits.begins).max(initial=1))
    nnz = max(choices.users.nnz // choices.users.n_rows, choices.items.nnz // choices.items.n_rows, 1)
    visits_per_call = max(1, NNZ_PER_CALL // (nnz * (most + negatives.n)))
    loss_sum = 0.0
    for first in range(0, visits.n, visits_per_call):
        last = min(first + visits_per_call, visits.n)
        part = RankingVisits(first, last, visits.order, visits.begins, most, visits.n_positives, visits.kth)
        loss_sum += core.ranking_epoch(choices, part, negatives, params, options, n_threads)
    return loss_sum


class Tiling(NamedTuple):
    """How a cosine softmax is trained: ``TileOptions`` of ``types/tile.hpp``, and visits in a tile."""

    temperature: float
    visits: int


def train_tiles(
    choices: Choices,
    visits: ChoiceVisits,
    negatives: Negatives,
    params: Parameters,
    options: Options,
    tiling: Tiling,
    n_threads: int = 1,
) -> float:
    """Make the visits, one step a tile, by cosines; change ``params`` in place; return the weighted sum of the loss.

    ``negatives`` are drawn for each tile; where they are as many as there are items, every item takes part once.

    Raises
    ------
    NonFiniteScoreError
        When a score is NaN or infinite; ``row`` is the number of the interaction. The parameters hold the steps before.
    """
    most = 1 if visits.begins is None else int(np.diff(visits.begins).max(initial=1))
    n = min(negatives.n, choices.items.n_rows)
    tiles_per_call = max(1, NNZ_PER_CALL // (tiling.visits * (n + most)))
    loss_sum = 0.0
    for first in range(0, visits.n, tiles_per_call * tiling.visits):
        last = min(first + tiles_per_call * tiling.visits, visits.n)
        part = RankingVisits(first, last, visits.order, visits.begins, most)
        loss_sum += core.cosine_epoch(choices, part, negatives, params, options, tiling, n_threads)
    return loss_sum


def fold_in(
    item_vectors: Float32,
    histories: Csr,
    negatives: Negatives,
    sum_known: Float32,
    loss: str,
    sizes: StepSizes,
    n_steps: int,
    scale: float = 0.0,
) -> Float32:
    """Return the S_u, (n_users, n_factors), of users who chose the items of ``histories`` (n_users, n_items).

    ``item_vectors`` is (n_items, 1 + n_factors), ``sum_known`` (n_users, n_factors): what known features add up to.
    ``scale`` is 1 / temperature of cosines, whose ``item_vectors`` have factors of length 1; 0 for inner products.

    Raises
    ------
    NonFiniteScoreError
        When a score is NaN or infinite; ``row`` is the user's.
    """
    sum_user = np.empty_like(sum_known)
    if sum_user.size:
        log_share = math.log(len(item_vectors) / negatives.n) if scale else 0.0
        core.fold_in(item_vectors, histories, negatives, sum_known, loss, sizes, scale, log_share, n_steps, sum_user)
    return sum_user
