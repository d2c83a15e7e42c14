"""Contributions: exact Shapley values of the scores of factorization machines, by their closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from joblib import effective_n_jobs
from numpy.typing import ArrayLike

from fastfm_ext.explain.games import Games
from fastfm_ext.explain.opened import Columns, OpenedModel
from fastfm_ext.explain.result import Contributions


def contributions(
    model: Any,
    X: Any,
    background: Any = None,
    *,
    encoder: Any = None,
    fields: ArrayLike | None = None,
    by_feature: bool = False,
    n_jobs: int | None = None,
) -> Contributions:
    """Take the scores of rows apart into what each column, or each feature, adds to them.

    These are Shapley values, exact, in time O(k nnz): a factorization machine is a polynomial of the second degree, and
    each pair ``<v_i, v_j> x_i x_j`` goes to its two features in halves. They and `base_value` add up to the score.
    The same holds for the pairs of field-aware models, in a time that grows with the fields; of rows that
    ``normalize=True`` has scaled to unit length, what they are then is taken apart.

    What is left out of a row is as in the rows of a background, on average over them (interventional Shapley values):
    the same that ``shap.explainers.Exact`` finds with ``shap.maskers.Independent(background)``. Without background,
    what is left out is 0. With the mean row for a background, products take the mean of each feature apart; with the
    rows themselves they take what goes together in them, as the score of an average row does.

    Parameters
    ----------
    model : FMRegressor, FMClassifier, field-aware or Bayesian estimator, or a Pipeline that ends with one
        Fitted. What is taken apart is the score before the link: log odds of the second class for `FMClassifier`, or
        the score of each of more classes; for Bayesian models that keep draws the mean score over these, a probit for
        classifiers; for others with ``keep="distilled"`` or ``"mean"`` the score of the machine they keep.
    X : {array-like, sparse matrix, data frame} of shape (n_rows, n_features)
        As `predict` takes it.
    background : of the kind of X, of shape (n_background, n_features) or (n_features,), optional
        Rows to compare with, such as those of training. Default: a row of zeros.
    encoder : FMEncoder, optional
        The one that has encoded X: explains by its columns. Of a Pipeline, its own is taken.
    fields : array-like of shape (n_features,), optional
        In place of the encoder: the group of each feature, such as `fields_` of a field-aware model.
    by_feature : bool, default=False
        Whether to explain by feature although columns are known. The value of a column is the sum of those of its
        features.
    n_jobs : int, optional
        Threads; -1 takes all cores.

    Returns
    -------
    Contributions
        ``values`` is (n_rows, n_columns) by column. By feature it is sparse, with the features of X, and with those of
        the background.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    TypeError
        For a ranker, which scores pairs: see `ranking_contributions`.
    ValueError
        If X or the background cannot be predicted, the encoder or the fields are of another number of features, or
        there would be more than a gigabyte of values.

    References
    ----------
    Shapley, "A value for n-person games" (1953). Lundberg, Lee, "A unified approach to interpreting model predictions"
    (NIPS 2017). Janzing, Minorics, Bloebaum, "Feature relevance quantification in explainable AI" (AISTATS 2020).

    Examples
    --------
    >>> from fastfm_ext import FMRegressor
    >>> from fastfm_ext.explain import contributions
    >>> model = FMRegressor.from_parameters(1.0, [2.0, 0.0, 0.0], [[1.0], [3.0], [0.0]])
    >>> found = contributions(model, [[1, 1, 0]])
    >>> found.values.toarray().tolist(), found.base_value
    ([[3.5, 1.5, 0.0]], 1.0)
    >>> found.scores.tolist() == model.predict([[1, 1, 0]]).tolist()
    True
    """
    opened = OpenedModel.of(model, encoder)
    estimator = opened.scorer("contributions")
    columns = Columns.of(opened, estimator._scorers[0].n_features, fields)
    if by_feature:
        columns = columns.of_features
    rows = opened.rows(X)
    given = None if background is None else opened.rows(background, "background")
    with estimator._scorers.access.reading():
        games = Games.of(estimator, given, columns, effective_n_jobs(n_jobs))
        csr = games.rows_of(rows)
        games.check_memory(csr)
        found = list(games.values(csr))
    values = [games.as_matrix(csr, each.parts) for each in found]
    stds = [games.as_matrix(csr, each.stds) for each in found if each.stds is not None]
    bases = np.array([each.base for each in found])
    is_single = len(found) == 1
    return Contributions(
        values=_of_classes(values),
        base_value=float(bases[0]) if is_single else bases,
        names=columns.names,
        classes=None if is_single else estimator.classes_,
        std=_of_classes(stds) if stds else None,
        _X=sp.csr_array(rows if sp.issparse(rows) else np.asarray(rows, dtype=np.float64)),
        _columns=columns,
        _table=None if opened.before is None else X,
    )


def _of_classes(values: list[Any]) -> Any:
    """Return the values of one score as they are, and of several as one array, or as a list of sparse ones."""
    if len(values) == 1:
        return values[0]
    return values if sp.issparse(values[0]) else np.stack(values, axis=2)
