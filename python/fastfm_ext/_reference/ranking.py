"""Learning to rank in NumPy, float64, written to be read: what the ranking kernels are checked against.

A factorization machine that ranks items t for a user u scores them, in the notation of Rendle (2010), by

    score(u, t) = own(t) + <S_u, S_t>,    S_u = sum_{i in u} v_i x_i,    S_t = sum_{i in t} v_i x_i
    own(t)      = sum_{i in t} w_i x_i + 1/2 sum_f [ S_tf^2 - sum_{i in t} v_if^2 x_i^2 ]

and learns from what users chose against items drawn from the others. Everything here is dense and slow on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from fastfm_ext._reference.fm import AdaGrad, Array, ReferenceSizes

MASK = 2**64 - 1
MOST_MISSES = 64


# --- scores ----------------------------------------------------------------------------------------------------------


def score(x_user: Array, x_item: Array, w: Array, V: Array) -> float:
    """Score an item for a user."""
    S_u, S_t = V.T @ x_user, V.T @ x_item
    own = w @ x_item + 0.5 * (S_t @ S_t - np.sum(V**2 * x_item[:, None] ** 2))
    return float(own + S_u @ S_t)


def score_gradients(x_user: Array, x_item: Array, V: Array) -> tuple[Array, Array, Array]:
    """Return the derivatives in w, and in V on the item's side and on the user's: their sum is dscore/dV."""
    S_u, S_t = V.T @ x_user, V.T @ x_item
    item_side = x_item[:, None] * (S_u + S_t - V * x_item[:, None])
    user_side = x_user[:, None] * S_t
    return x_item, item_side, user_side


# --- losses: functions of the scores p of chosen items, with weights a, and s of drawn ones --------------------------


def bpr(p: Array, s: Array, a: Array) -> tuple[float, Array, Array]:
    """Return the mean over drawn items of log(1 + e^(s - p)), and its derivatives (Rendle et al. 2009)."""
    difference = p[:, None] - s
    slopes = -a[:, None] / len(s) * expit(-difference)
    value = np.sum(a * np.logaddexp(0.0, -difference).mean(axis=1))
    return float(value), slopes.sum(axis=1), -slopes.sum(axis=0)


def softmax(p: Array, s: Array, a: Array) -> tuple[float, Array, Array]:
    """Return log(e^p + sum e^s) - p, and its derivatives (Jean et al. 2015); the scores come less log q."""
    log_all = np.array([logsumexp([p_c, *s]) for p_c in p])
    shares = np.exp(s - log_all[:, None])
    return float(np.sum(a * (log_all - p))), a * np.expm1(p - log_all), a @ shares


def warp(p: float, s: float, n_tried: int, n_others: int) -> tuple[float, float]:
    """Return log(rank) (1 - p + s) and its derivative in s, the rank estimated from the tries (Weston et al. 2011)."""
    weight = np.log(max(1, (n_others - 1) // n_tried))
    return float(weight * (1 - p + s)), float(weight)


# --- drawing items that the user has not chosen ----------------------------------------------------------------------


class SplitMix64:
    """Random numbers of 64 bits (Steele, Lea, Flood 2014)."""

    GAMMA = 0x9E3779B97F4A7C15

    def __init__(self, seed: int) -> None:
        self.state = seed & MASK

    @classmethod
    def of(cls, seed: int, stream: int) -> SplitMix64:
        """Return stream number `stream` of this seed."""
        return cls(cls(seed + stream * cls.GAMMA).next())

    def next(self) -> int:
        """Return the next number."""
        self.state = (self.state + self.GAMMA) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)


def stream_of(history: list[int]) -> int:
    """Return the number of the stream that draws items for a history, (n_items,), whoever else is folded in."""
    number = 0
    for item in history:
        number = SplitMix64(number ^ item).next()
    return number


@dataclass
class Alias:
    """Unequal probabilities in one draw: item j, or alias[j] with probability 1 - keep[j] (Walker 1977)."""

    keep: Array
    alias: NDArray[np.int32]
    log_q: Array  # log(n_items q)


def draw_other(random: SplitMix64, n_items: int, chosen: set[int], table: Alias | None = None) -> int:
    """Draw an item that is not among the chosen ones."""
    for _ in range(MOST_MISSES):
        bits = random.next()
        item = ((bits >> 32) * n_items) >> 32
        if table is not None and ((bits & 0xFFFFFFFF) >> 8) * 2.0**-24 >= table.keep[item]:
            item = int(table.alias[item])
        if item not in chosen:
            return item
    others = [item for item in range(n_items) if item not in chosen]
    return others[((random.next() >> 32) * len(others)) >> 32]


# --- one visit at a time ---------------------------------------------------------------------------------------------


@dataclass
class Ranker:
    """A ranking machine and its training with AdaGrad; `choices` (n_users, n_items) holds weights, 0 for not chosen.

    A visit goes to some chosen items of one user. Its objective is the loss plus ``l2/2 (A |theta_u|^2 + sum_c a_c
    |theta_c|^2 + A/n sum_j |theta_j|^2)`` over the features of the user, the chosen and the drawn items; A = sum_c a_c.
    """

    w: Array
    V: Array
    loss: str = "bpr"
    n_negatives: int = 1
    sizes_w: ReferenceSizes = field(default_factory=ReferenceSizes)
    sizes_V: ReferenceSizes = field(default_factory=ReferenceSizes)
    fit_linear: bool = True
    table: Alias | None = None
    n_positives: int = 1  # k-OS WARP learns, of so many choices of the user, the one of the kth highest score
    kth: int = 1

    def __post_init__(self) -> None:
        self.narrowest = np.inf  # the least difference of two scores that decided something
        self.state_w = AdaGrad.begin(self.w, self.sizes_w)
        self.state_V = AdaGrad.begin(self.V, self.sizes_V)

    def epoch(
        self, X_user: Array, X_item: Array, choices: Array, visits: Iterable[tuple[int, list[int]]], seed: int
    ) -> float:
        """Make these visits, (user, chosen items) each; return the sum of the losses seen on the way."""
        total = 0.0
        for number, (u, items) in enumerate(visits):
            random = SplitMix64.of(seed, number)
            chosen = set(np.flatnonzero(choices[u]).tolist())
            a = choices[u, items]
            if self.loss in ("warp", "warp-kos"):
                value, items, drawn, g = self._warp(X_user[u], X_item, items[0], choices[u], random)
                a = choices[u, items]
            else:
                drawn = [draw_other(random, len(X_item), chosen, self.table) for _ in range(self.n_negatives)]
                p, s = self._scores(X_user[u], X_item, items), self._scores(X_user[u], X_item, drawn)
                value, g_p, g_s = (bpr if self.loss == "bpr" else softmax)(p, s, a)
                g = [*g_p, *g_s]
            total += value
            if drawn:
                shares = [*a, *[a.sum() / len(drawn)] * len(drawn)]
                self._step(X_user[u], X_item[[*items, *drawn]], np.array(g), shares, a.sum())
        return total

    def _scores(self, x_user: Array, X_item: Array, items: list[int]) -> Array:
        scores = np.array([score(x_user, X_item[t], self.w, self.V) for t in items])
        corrects = self.loss == "softmax" and self.table is not None
        return scores - self.table.log_q[items] if corrects and self.table is not None else scores

    def _warp(
        self, x_user: Array, X_item: Array, item: int, weights: Array, random: SplitMix64
    ) -> tuple[float, list[int], list[int], list[float]]:
        """Return the loss, the item that is learned, the one that stands against it, if any, and the derivatives."""
        own = np.flatnonzero(weights)
        chosen = set(own.tolist())
        first = draw_other(random, len(X_item), chosen, self.table)
        places = [((random.next() >> 32) * len(own)) >> 32 for _ in range(self.n_positives - 1)]
        items = [item, *own[places].tolist()]
        scores = np.array([score(x_user, X_item[t], self.w, self.V) for t in items])
        place = np.argsort(-scores, kind="stable")[self.kth - 1]  # Weston, Yee, Weiss (2013)
        self.narrowest = min([self.narrowest, *np.diff(np.unique(scores))])
        item, p, a = items[place], float(scores[place]), float(weights[items[place]])
        for n_tried in range(1, self.n_negatives + 1):
            t = first if n_tried == 1 else draw_other(random, len(X_item), chosen, self.table)
            s = score(x_user, X_item[t], self.w, self.V)
            self.narrowest = min(self.narrowest, abs(s - (p - 1)))
            if s > p - 1:
                value, g = warp(p, s, n_tried, len(X_item) - len(chosen))
                return a * value, [item], [t], [-a * g, a * g]
        return 0.0, [item], [], []

    def _step(self, x_user: Array, x_items: Array, g: Array, shares: list[float], A: float) -> None:
        """Step on the items one after the other, then on the user."""
        S_u = self.V.T @ x_user
        gradient = np.zeros_like(S_u)
        for x, g_t, share in zip(x_items, g, shares, strict=True):
            i, S_t = np.flatnonzero(x), self.V.T @ x
            gradient += g_t * S_t
            if self.fit_linear:
                self.w[i], self.state_w[:, i] = AdaGrad.step(
                    self.w[i], g_t * x[i], self.state_w[:, i], self.sizes_w, share
                )
            self._step_V(i, g_t * x[i, None] * (S_u + S_t - self.V[i] * x[i, None]), share)
        i = np.flatnonzero(x_user)
        self._step_V(i, x_user[i, None] * gradient, A)

    def _step_V(self, i: NDArray[np.intp], g: Array, share: float) -> None:
        self.V[i], self.state_V[:, i] = AdaGrad.step(self.V[i], g, self.state_V[:, i], self.sizes_V, share)
