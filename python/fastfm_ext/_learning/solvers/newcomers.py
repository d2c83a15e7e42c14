"""Rows that came after training, solved exactly: least squares for a feature that only this row has.

    min over z, b  of  sum_{t chosen} c_t (p_t - 1)^2 + a0 sum_t p_t^2 + m (l2_V |z|^2 + l2_w b^2)
    p_t = q_t + <z, S_t + K> + b,     q_t = own(t) + K_own + <K, S_t>,     m = sum_{t chosen} c_t + a0 n

over the rows t of the other side. K and K_own are what the row's known features add up to; z and b are the factors and
the weight of the feature, whose value is 1. The row's vector is K + z. <z, K> are an item's pairs of the feature with
those known; a user has no pairs, and in the brackets its K is 0. See `_reference/implicit_als.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve

from fastfm_ext._common.arrays import Float32, Float64
from fastfm_ext._engine.csr import Csr


@dataclass(frozen=True)
class WholeDataTerms:
    """Terms of the problem.

    Attributes
    ----------
    unobserved_weight : float
        a0.
    l2_w, l2_V : float
    fit_linear : bool
        Whether b is sought.
    """

    unobserved_weight: float
    l2_w: float
    l2_V: float
    fit_linear: bool


@dataclass(frozen=True)
class KnownRows:
    """Vectors and own scores of rows.

    Attributes
    ----------
    factors : ndarray of shape (n, n_factors)
    own : ndarray of shape (n,)
    """

    factors: Float32
    own: Float32


def solve_newcomers(
    chosen: Csr, others: KnownRows, known: KnownRows, terms: WholeDataTerms, *, have_pairs: bool
) -> KnownRows:
    """Return the rows that chose the ``others`` of `chosen`, (n_rows, n_others), from what is `known` of them.

    ``have_pairs`` says that the new feature has pair terms with those that are known: the rows are items. Rows without
    a choice stay as they are known.
    """
    z_others = np.column_stack([others.factors, np.ones(len(others.own))]).astype(np.float64)
    own_others = others.own.astype(np.float64)
    moments = z_others.T @ z_others, z_others.T @ own_others
    factors, own = known.factors.astype(np.float32), known.own.astype(np.float32)
    for row in np.flatnonzero(np.diff(chosen.indptr)):
        begin, end = chosen.indptr[row : row + 2]
        items = chosen.indices[begin:end]
        weights = np.ones(end - begin) if chosen.data is None else chosen.data[begin:end].astype(np.float64)
        K = np.append(known.factors[row], known.own[row]).astype(np.float64)
        shift = K[:-1] if have_pairs else np.zeros(len(K) - 1)
        step = _solve(z_others[items], own_others[items], weights, moments, K, shift, len(others.own), terms)
        factors[row] = K[:-1] + step[:-1]
        own[row] = K[-1] + step[-1] + step[:-1] @ shift
    return KnownRows(factors, own)


def _solve(
    z: Float64,
    own: Float64,
    weights: Float64,
    moments: tuple[Float64, Float64],
    K: Float64,
    shift: Float64,
    n_others: int,
    terms: WholeDataTerms,
) -> Float64:
    """Return [z, b] of one row, from the vectors ``z``, (n, k + 1), and own scores of what it chose."""
    a0 = terms.unobserved_weight
    turn = np.eye(len(K))
    turn[:-1, -1] = shift  # the design of each of the others is its vector, and the shift
    design = z @ turn.T
    gram = design.T @ (weights[:, None] * design) + a0 * turn @ moments[0] @ turn.T
    q = own + z @ K
    right = design.T @ (weights * (1 - q)) - a0 * turn @ (moments[0] @ K + moments[1])
    mass = weights.sum() + a0 * n_others
    gram[np.diag_indices_from(gram)] += mass * np.append(np.full(len(K) - 1, terms.l2_V), terms.l2_w)
    sought = len(K) if terms.fit_linear else len(K) - 1
    step = np.zeros(len(K))
    step[:sought] = solve(gram[:sought, :sought], right[:sought], assume_a="pos")
    return step
