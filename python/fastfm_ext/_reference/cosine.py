"""Softmax over cosines in NumPy, float64, written to be read: what its kernel is checked against.

Item t scores for user u, at the temperature T,

    score(u, t) = own(t) + <S_u, S_t> / (T |S_u| |S_t|),    own(t) = sum_{i in t} w_i x_i,    S = sum_i v_i x_i

and the loss of a tile of visits, which share the items j that are drawn for it, is

    sum_visits sum_c a_c [ log( e^(p_c) + sum_j n_j e^(s_j) ) - p_c ]

over the choices c of each visit, with weights a_c, and the drawn items that the user has not chosen. n_j is how many
items a drawn one stands for: n_items / n over n_items q_j. Everything here is dense and slow on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from fastfm_ext._reference.fm import AdaGrad, Array, ReferenceSizes
from fastfm_ext._reference.ranking import Alias, SplitMix64

Visits = Sequence[tuple[int, list[int]]]  # (user, chosen items) each

TINY_SQUARE = 1e-12


def unit(S: Array) -> tuple[Array, Array]:
    """Return the rows at length 1, and 1 / |S| of each."""
    norms = 1.0 / np.sqrt(np.sum(S**2, axis=-1, keepdims=True) + TINY_SQUARE)
    return S * norms, norms


def draw(n_items: int, n: int, table: Alias | None, random: SplitMix64) -> tuple[NDArray[np.int64], Array]:
    """Draw items for a tile; return those, each once, and the logarithm of how many items each stands for."""
    if n >= n_items:
        return np.arange(n_items), np.zeros(n_items)
    counts: dict[int, int] = {}
    for _ in range(n):
        bits = random.next()
        item = ((bits >> 32) * n_items) >> 32
        if table is not None and ((bits & 0xFFFFFFFF) >> 8) * 2.0**-24 >= table.keep[item]:
            item = int(table.alias[item])
        counts[item] = counts.get(item, 0) + 1
    items = np.array(list(counts))
    log_q = 0.0 if table is None else table.log_q[items]
    return items, np.log(np.array(list(counts.values())) * n_items / n) - log_q


@dataclass
class CosineRanker:
    """A ranking machine by cosines and its training with AdaGrad; `choices` (n_users, n_items) holds weights.

    Each tile is one step on the sum of its gradients, with the L2 of `ranking.Ranker`.
    """

    w: Array
    V: Array
    temperature: float
    n_negatives: int
    sizes_w: ReferenceSizes = field(default_factory=ReferenceSizes)
    sizes_V: ReferenceSizes = field(default_factory=ReferenceSizes)
    fit_linear: bool = True
    table: Alias | None = None
    history: int | None = None  # the feature of item 0 in histories, where users are represented by what they chose

    def __post_init__(self) -> None:
        self.state_w = AdaGrad.begin(self.w, self.sizes_w)
        self.state_V = AdaGrad.begin(self.V, self.sizes_V)

    def epoch(self, X_user: Array, X_item: Array, choices: Array, visits: Visits, seed: int, tile_visits: int) -> float:
        """Make these visits, so many in a tile; return the sum of the losses seen on the way."""
        total = 0.0
        for number, first in enumerate(range(0, len(visits), tile_visits)):
            random = SplitMix64.of(seed, number)
            tile = visits[first : first + tile_visits]
            drawn, log_n = draw(len(X_item), self.n_negatives, self.table, random)
            value, g_w, g_V = self.loss(X_user, X_item, choices, tile, drawn, log_n)
            total += value
            self._step(X_user, X_item, choices, tile, drawn, log_n, g_w, g_V)
        return total

    def rows(self, X_user: Array, choices: Array, tile: Visits) -> Array:
        """Return a row for each visit: the user's features, and |H|^(-1/2) for each item of the history.

        H is what the user chose, without the choices of the visit (FISM: Kabbur, Ning, Karypis 2013).
        """
        X = X_user[[u for u, _ in tile]].copy()
        if self.history is not None:
            for x, (u, items) in zip(X, tile, strict=True):
                H = np.setdiff1d(np.flatnonzero(choices[u]), items)
                x[self.history + H] = max(len(H), 1) ** -0.5
        return X

    def loss(
        self,
        X_user: Array,
        X_item: Array,
        choices: Array,
        tile: Visits,
        drawn: NDArray[np.int64],
        log_n: Array,
    ) -> tuple[float, Array, Array]:
        """Return the loss of a tile, and its derivatives in w and V."""
        T = self.temperature
        X = self.rows(X_user, choices, tile)
        U, norms_u = unit(X @ self.V)
        items_unit, norms_t = unit(X_item @ self.V)
        scores = X_item @ self.w + U @ items_unit.T / T
        value, G = 0.0, np.zeros_like(scores)
        for visit, (u, items) in enumerate(tile):
            others = choices[u, drawn] == 0
            j, a, p = drawn[others], choices[u, items], scores[visit, items]
            s = scores[visit, j] + log_n[others]
            log_all = np.array([logsumexp([p_c, *s]) for p_c in p])
            value += float(np.sum(a * (log_all - p)))
            G[visit, items] += a * np.expm1(p - log_all)
            G[visit, j] += a @ np.exp(s - log_all[:, None])
        C_u, C_t = G @ items_unit, G.T @ U
        dS_u = (C_u - U * np.sum(U * C_u, axis=1, keepdims=True)) * norms_u / T
        dS_t = (C_t - items_unit * np.sum(items_unit * C_t, axis=1, keepdims=True)) * norms_t / T
        return value, X_item.T @ G.sum(axis=0), X.T @ dS_u + X_item.T @ dS_t

    def _step(
        self,
        X_user: Array,
        X_item: Array,
        choices: Array,
        tile: Visits,
        drawn: NDArray[np.int64],
        log_n: Array,
        g_w: Array,
        g_V: Array,
    ) -> None:
        """Step once on each feature, with the L2 of all rows of the tile that have it."""
        of_visits, of_items = np.zeros(len(tile)), np.zeros(len(X_item))
        for visit, (u, items) in enumerate(tile):
            of_visits[visit] = choices[u, items].sum()
            of_items[items] += choices[u, items]
        n_times = np.exp(log_n + (0.0 if self.table is None else self.table.log_q[drawn]))
        if self.n_negatives >= len(X_item):
            n_times = np.ones(len(drawn))
        of_items[drawn] += of_visits.sum() * n_times / n_times.sum()
        paid_items = (X_item != 0).T @ of_items
        paid = (self.rows(X_user, choices, tile) != 0).T @ of_visits + paid_items
        for i in np.flatnonzero(paid).tolist():
            if self.fit_linear:
                self._step_w(i, g_w[i], paid_items[i])
            at = slice(i, i + 1)
            self.V[at], self.state_V[:, at] = AdaGrad.step(
                self.V[at], g_V[at], self.state_V[:, at], self.sizes_V, paid[i]
            )

    def _step_w(self, i: int, g: float, paid: float) -> None:
        at = slice(i, i + 1)
        self.w[at], self.state_w[:, at] = AdaGrad.step(
            self.w[at], np.atleast_1d(g), self.state_w[:, at], self.sizes_w, paid
        )
