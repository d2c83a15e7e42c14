"""Probabilities of classes from the scores of their factorization machines."""

from __future__ import annotations

import numpy as np

from fastfm_ext._common.arrays import Float32, Float64


def probabilities_of(scores: Float32, *, is_softmax: bool) -> Float64:
    """Return the probability of each class, (n_rows, n_classes).

    Parameters
    ----------
    scores : ndarray of shape (1, n_rows) or (n_classes, n_rows), float32
        Log odds of the second of two classes, or one score for each of more classes.
    is_softmax : bool
        Whether the machines of more than two classes have learned one softmax together, or each one against the rest.

    Returns
    -------
    ndarray of shape (n_rows, n_classes), float64
        Each row adds up to 1.
    """
    exact = scores.astype(np.float64)
    if len(exact) == 1:
        return _of_log_odds(exact[0])
    if is_softmax:
        from scipy.special import softmax  # takes longer to import than to train on few rows

        of_softmax: Float64 = softmax(exact, axis=0).T
        return of_softmax
    # Dividing by the largest first keeps rows apart where every class is improbable.
    log_p = -np.logaddexp(0.0, -exact)
    p = np.exp(log_p - log_p.max(axis=0))
    probabilities: Float64 = (p / p.sum(axis=0)).T
    return probabilities


def _of_log_odds(log_odds: Float64) -> Float64:
    """Return the probabilities of both classes, (n_rows, 2)."""
    odds_against = np.exp(-np.abs(log_odds))  # at most 1, so that nothing overflows
    p = np.stack([odds_against, np.ones_like(odds_against)], axis=1) / (1.0 + odds_against)[:, None]
    return np.where(log_odds[:, None] < 0, p[:, ::-1], p)
