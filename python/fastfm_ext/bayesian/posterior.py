"""Scores of rows by the draws of a posterior, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fastfm_ext._common.arrays import Float64
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext.bayesian.draws import PosteriorDraws
from fastfm_ext.bayesian.rows import Rows, check_scores, columns_of, narrowed, part_of, scores_of

# Scores that are in memory at a time.
SCORES_AT_ONCE = 1 << 23


def score_draws(
    X: Rows, means: Sequence[Parameters], draws: list[PosteriorDraws] | None, shares: list[float], n_threads: int
) -> Iterator[tuple[slice, Float64]]:
    """Give the scores of all draws, of some rows after the others.

    Their average is that of the mean parameters and of a share of the covariance term (see `covariance_share`): every
    draw of a row is moved by the same step.

    Parameters
    ----------
    X : Csr or Blocks
        Centered rows.
    means : sequence of Parameters
        Of each score.
    draws : list of PosteriorDraws or None
        Of each score; None where only the means are kept.
    shares : list of float
        Of each score.
    n_threads : int

    Yields
    ------
    rows : slice
    scores : ndarray of shape (n_scores, n_draws, n_rows)
    """
    n_draws = 1 if draws is None else len(draws[0])
    at_once = max(1, SCORES_AT_ONCE // (n_draws * len(means)))
    for first in range(0, X.n_rows, at_once):
        rows = slice(first, min(first + at_once, X.n_rows))
        part = part_of(X, rows)
        X_used, columns = narrowed(part)
        scores = np.empty((len(means), n_draws, part.n_rows))
        for number, mean in enumerate(means):
            of_mean = scores_of(X_used, columns_of(mean, columns), n_threads)
            check_scores(of_mean, part)
            if draws is None:
                scores[number, 0] = of_mean
                continue
            for m, params in enumerate(draws[number].all_parameters(mean, columns)):
                scores[number, m] = scores_of(X_used, params, n_threads)
            scores[number] += (1.0 - shares[number]) * (of_mean - scores[number].mean(axis=0))
        yield rows, scores


def covariance_share(X: Rows, mean: Parameters, draws: PosteriorDraws) -> float:
    """Return the part of the draws' covariance term that predictions are best off with, by these rows.

    The average of M draws is the score of the mean parameters plus ``sum_{i<j} x_i x_j cov(v_i, v_j)``, a term that is
    small, and that M draws know to within its spread over sqrt(M). So it is shrunk by the part of its mean square that
    is not chance (James, Stein 1961).
    """
    n = len(draws)
    if n < 2:
        return 0.0
    nothing = np.zeros((1, 1), dtype=np.float32)
    terms = np.empty((n, X.n_rows))
    X_used, columns = narrowed(X)
    for m, params in enumerate(draws.all_parameters(mean, columns)):
        V = params.V - (mean.V if columns is None else mean.V[columns])
        w = np.zeros((len(V), 1), dtype=np.float32)
        terms[m] = scores_of(X_used, Parameters.of(mean.n_factors, w0=nothing, w=w, V=V))
    size = float((terms.mean(axis=0) ** 2).mean())
    chance = float(terms.var(axis=0, ddof=1).mean()) / n
    return 0.0 if size <= chance else 1.0 - chance / size
