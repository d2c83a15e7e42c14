"""Global importance: how much scores vary by each column, or by each feature."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from joblib import effective_n_jobs
from numpy.typing import ArrayLike

from fastfm_ext._engine.csr import take_rows
from fastfm_ext.explain.games import MOST_VALUES, Games
from fastfm_ext.explain.opened import Columns, OpenedModel

# Values in memory where rows are explained feature by feature.
VALUES_AT_ONCE = MOST_VALUES >> 4


def importance(
    model: Any,
    X: Any,
    background: Any = None,
    *,
    encoder: Any = None,
    fields: ArrayLike | None = None,
    by_feature: bool = False,
    n_jobs: int | None = None,
) -> dict[str, float]:
    """Measure how much the scores of rows vary by each column: the mean size of its contributions.

    Parameters
    ----------
    model : FMRegressor, FMClassifier, field-aware or Bayesian estimator, or a Pipeline that ends with one
        Fitted.
    X : {array-like, sparse matrix, data frame} of shape (n_rows, n_features)
        The rows to average over.
    background : of the kind of X, of shape (n_background, n_features), optional
        As for `contributions`. Default: X, so that what is the same in all rows counts nothing.
    encoder : FMEncoder, optional
        As for `contributions`.
    fields : array-like of shape (n_features,), optional
        As for `contributions`.
    by_feature : bool, default=False
        As for `contributions`.
    n_jobs : int, optional
        Threads; -1 takes all cores.

    Returns
    -------
    dict of str to float
        The mean of ``|phi|`` by name of the column, the largest first, in the unit of the scores. Of more than two
        classes, the mean over these.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    TypeError
        For a ranker.
    ValueError
        As for `contributions`.

    References
    ----------
    Lundberg et al., "From local explanations to global understanding with explainable AI for trees" (Nature Machine
    Intelligence 2020).

    Examples
    --------
    >>> from fastfm_ext import FMRegressor
    >>> from fastfm_ext.explain import importance
    >>> model = FMRegressor.from_parameters(0.0, [3.0, 1.0], [[0.0], [0.0]])
    >>> importance(model, [[1, 1], [0, 1], [1, 0], [0, 0]])
    {'0': 1.5, '1': 0.5}
    """
    opened = OpenedModel.of(model, encoder)
    estimator = opened.scorer("importance")
    columns = Columns.of(opened, estimator._scorers[0].n_features, fields)
    if by_feature:
        columns = columns.of_features
    rows = opened.rows(X)
    given = rows if background is None else opened.rows(background, "background")
    with estimator._scorers.access.reading():
        games = Games.of(estimator, given, columns, effective_n_jobs(n_jobs))
        csr = games.rows_of(rows)
        at_once = max(1, VALUES_AT_ONCE // max(1, games.n_rest))
        total = np.zeros(len(columns))
        for first in range(0, csr.n_rows, at_once):
            numbers = np.arange(first, min(first + at_once, csr.n_rows), dtype=np.int64)
            some = csr if at_once >= csr.n_rows else take_rows(csr, numbers)
            for values in games.values(some):
                matrix = games.as_matrix(some, values.parts)
                size = abs(matrix) if sp.issparse(matrix) else np.abs(matrix)
                total += np.asarray(size.sum(axis=0, dtype=np.float64)) / (csr.n_rows * len(games.scores))
    names, order = columns.names, np.argsort(-total, kind="stable")
    return {str(names[i]): float(total[i]) for i in order}
