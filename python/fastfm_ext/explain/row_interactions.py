"""Interactions in rows: the pairs of features of a row whose products weigh most in its score."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastfm_ext._common.arrays import AnyArray
from fastfm_ext._common.checks import is_integer
from fastfm_ext._engine.field_contributions import pairs_among
from fastfm_ext._validation.matrices import to_csr
from fastfm_ext.explain.model_interactions import Interaction
from fastfm_ext.explain.opened import Columns, OpenedModel


def interactions(model: Any, X: Any, n: int | None = 10, encoder: Any = None) -> list[list[Interaction]]:
    """Find the pairs of features that weigh most in the score of each row.

    A pair adds ``<v_i, v_j> x_i x_j``, or what a field-aware model has in place of the product of vectors. The score
    is the sum of these, of ``w_i x_i`` and of w0. Where training has centered a numeric column, x is the value less its
    center.

    Parameters
    ----------
    model : FMRegressor, FMClassifier, field-aware or Bayesian estimator, or a Pipeline that ends with one
        Fitted. Of a Pipeline, the encoder is taken, too. Of Bayesian models, the one machine of `w0_`, `w_` and `V_`.
    X : {array-like, sparse matrix, data frame} of shape (n_rows, n_features)
        As `predict` takes it.
    n : int, optional, default=10
        Pairs of a row, for each class of more than two; None for all.
    encoder : FMEncoder, optional
        The one that has encoded X: names the features.

    Returns
    -------
    list of list of Interaction
        Of each row, by falling strength; pairs that add nothing are left out.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    TypeError
        For a ranker, which scores pairs: see `ranking_contributions`.
    ValueError
        If `n` is not positive, X cannot be predicted, or the encoder is of another number of features.

    References
    ----------
    Rendle, "Factorization Machines" (ICDM 2010), equation 1.

    Examples
    --------
    >>> from fastfm_ext import FMRegressor
    >>> from fastfm_ext.explain import interactions
    >>> model = FMRegressor.from_parameters(0.0, [0.0] * 3, [[1.0], [2.0], [-3.0]])
    >>> [
    ...     [(pair.first, pair.second, pair.value) for pair in row]
    ...     for row in interactions(model, [[1, 2, 0], [1, 1, 1]])
    ... ]
    [[('0', '1', 4.0)], [('1', '2', -6.0), ('0', '2', -3.0), ('0', '1', 2.0)]]
    """
    if n is not None and not is_integer(1)(n):
        raise ValueError(f"n must be a positive integer, or None for all pairs; got {n!r}")
    opened = OpenedModel.of(model, encoder)
    estimator = opened.scorer("interactions")
    scorers = estimator._scorers
    names = Columns.of(opened, scorers[0].n_features).feature_names
    labels = [None] if len(scorers) == 1 else estimator.classes_.tolist()
    rows = to_csr(estimator, opened.rows(X), centers=estimator._units.centers)
    found: list[list[Interaction]] = []
    with scorers.access.reading():
        for begin, end in zip(rows.indptr[:-1].tolist(), rows.indptr[1:].tolist(), strict=True):
            features = rows.indices[begin:end]
            x = np.ones(end - begin) if rows.data is None else rows.data[begin:end].astype(np.float64)
            found.append([])
            for label, params in zip(labels, scorers, strict=True):
                values = pairs_among(features, params) * np.outer(x, x)
                found[-1] += _strongest(values, features, names, n, label)
    return found


def _strongest(pairs: AnyArray, features: AnyArray, names: AnyArray, n: int | None, label: Any) -> list[Interaction]:
    """Return the pairs of features with the largest values, of ``pairs`` (n_present, n_present)."""
    first, second = np.triu_indices(len(pairs), 1)
    values = pairs[first, second]
    order = np.argsort(-np.abs(values), kind="stable")
    order = order[values[order] != 0][:n]
    return [
        Interaction(str(names[i]), str(names[j]), float(values[pair]), int(i), int(j), label)
        for pair, i, j in zip(order, features[first[order]], features[second[order]], strict=True)
    ]
