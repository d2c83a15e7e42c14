"""Shapley values of a factorization machine's score in NumPy, float64, written to be read.

The players of the game are features, or groups of them. A coalition T is worth the mean score of rows that have its
features from the row x, and all others from a background row b,

    v(T) = E_b p(x_T, b_-T),

and the Shapley value of a player is what it adds to the coalitions of those before it, on average over all orders
(Shapley 1953; Lundberg, Lee 2017, with the interventional expectation of Janzing, Minorics, Bloebaum 2020).

p is of the second degree and has no squares, so v is a sum over single features and pairs of them. A pair <v_i, v_j>
x_i x_j adds, of its two players, half of what it adds with the other one there, and half of what it adds without:

    phi_i = E_b (x_i - b_i) [ w_i + 1/2 sum_{j != i} <v_i, v_j> (x_j + b_j) ]
          = E_b (x_i - b_i) [ w_i + 1/2 <v_i, S_x + S_b> - 1/2 |v_i|^2 (x_i + b_i) ],      S_x = sum_i v_i x_i.

Multiplied out, with m = E b, M = E S_b and phi_i^0(b) the contribution to a row b against a background of zeros,

    phi_i = x_i [ w_i + 1/2 <v_i, S_x + M> - 1/2 |v_i|^2 x_i ]  -  1/2 m_i <v_i, S_x>  -  E_b phi_i^0(b),

where the background stands in m, M and a number for each feature alone: O(k nnz) a row and what the background's
features take. No pair weighs more than two players, so a group's value is the sum of those of its features: it is
the same whether features or groups play.

Shapes: ``w`` (n_features,), ``V`` (n_features, k), ``x`` (n_features,), ``B`` (n_background, n_features).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from math import comb

import numpy as np

from fastfm_ext._reference.fm import Array, score_naive


def shapley_values(value: Callable[[list[int]], float], n_players: int) -> Array:
    """Return the Shapley values, (n_players,), of a game by its definition: all coalitions of all others, O(2^n)."""
    phi = np.zeros(n_players)
    for player in range(n_players):
        others = [other for other in range(n_players) if other != player]
        for size in range(n_players):
            weight = 1.0 / (n_players * comb(n_players - 1, size))
            for coalition in combinations(others, size):
                phi[player] += weight * (value([*coalition, player]) - value([*coalition]))
    return phi


def coalition_value(coalition: Sequence[int], x: Array, B: Array, w0: float, w: Array, V: Array) -> float:
    """Return E_b p(x_T, b_-T) for the features T of a coalition."""
    mixed = B.copy()
    mixed[:, list(coalition)] = x[list(coalition)]
    return float(np.mean([score_naive(row, w0, w, V) for row in mixed]))


def naive_contributions(x: Array, B: Array, w0: float, w: Array, V: Array, groups: Sequence[Sequence[int]]) -> Array:
    """Return the Shapley values, (n_groups,), of groups of features, by the definition."""

    def value(coalition: list[int]) -> float:
        return coalition_value([i for group in coalition for i in groups[group]], x, B, w0, w, V)

    return shapley_values(value, len(groups))


def contributions(X: Array, B: Array, w: Array, V: Array) -> Array:
    """Return the Shapley values, (n_samples, n_features), of each row's features, by the closed form."""
    of_zeros = contributions_to_zeros(B, w, V).mean(axis=0)
    m, M = B.mean(axis=0), (B @ V).mean(axis=0)
    S = X @ V
    own: Array = X * (w + 0.5 * (S + M) @ V.T - 0.5 * X * (V**2).sum(axis=1))
    rest: Array = 0.5 * m * (S @ V.T) + of_zeros
    return own - rest


def contributions_to_zeros(X: Array, w: Array, V: Array) -> Array:
    """Return phi^0, (n_samples, n_features): contributions against a background of zeros."""
    values: Array = X * (w + 0.5 * (X @ V) @ V.T - 0.5 * X * (V**2).sum(axis=1))
    return values


def interaction(i: int, j: int, x: Array, B: Array, V: Array) -> float:
    """Return the Shapley interaction index of a pair: E_b <v_i, v_j> (x_i - b_i) (x_j - b_j) (Grabisch, Roubens 1999).

    It is the second difference of v, the same whichever other features are there.
    """
    return float(V[i] @ V[j] * ((x[i] - B[:, i]) * (x[j] - B[:, j])).mean())
