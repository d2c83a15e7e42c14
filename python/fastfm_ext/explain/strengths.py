"""Strengths of fields: how strongly a fitted model lets the features of each pair of fields interact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from fastfm_ext._common.arrays import AnyArray, Float64, object_array
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext.explain.opened import Columns, OpenedModel, typical_sizes

ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class FieldStrengths:
    """How strongly the features of each pair of fields interact.

    Attributes
    ----------
    names : object ndarray of shape (n_fields,)
    values : ndarray of shape (n_fields, n_fields)
        Symmetric; on the diagonal, features of one field.
    measure : {"R", "M", "interactions"}
        What the values are: see `field_strengths`.

    Examples
    --------
    >>> from fastfm_ext import FMRegressor
    >>> from fastfm_ext.explain import field_strengths
    >>> model = FMRegressor.from_parameters(0.0, [0.0] * 3, [[1.0], [2.0], [-3.0]])
    >>> found = field_strengths(model, fields=["user", "user", "film"])
    >>> found.names.tolist(), found.measure
    (['film', 'user'], 'interactions')
    """

    names: AnyArray
    values: Float64
    measure: str


def field_strengths(model: Any, encoder: Any = None, *, fields: ArrayLike | None = None) -> FieldStrengths:
    """Tell how strongly the features of each pair of fields interact in a fitted model.

    - Of an FwFM, ``R``: the weight of the pair of fields, 1 at the beginning, of any sign.
    - Of an FmFM or FvFM, ``"M"``: ``|M| / sqrt(k)``, the Frobenius norm of the pair's matrix beside the identity's.
    - Of an FFM and an FM, ``"interactions"``: the root of the mean square of what a pair of features adds, one of each
      field, over all pairs of features that rows have trained; of values of 1, or of the size that numeric ones have.

    It tells what the parameters say, whatever rows there are: `field_interactions` averages over rows.

    Parameters
    ----------
    model : fitted estimator, or a Pipeline that ends with one
        Of rows with targets. Of a Pipeline, the encoder is taken, too.
    encoder : FMEncoder, optional
        The one that has encoded the rows; it names the fields.
    fields : array-like of shape (n_features,), optional
        For a factorization machine, in place of the encoder: the field of each feature. Without both, each feature is
        a field.

    Returns
    -------
    FieldStrengths
        Of more than two classes, the mean over these.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    ValueError
        If the encoder or the fields are of another number of features than the model, or `fields` are given for a model
        that has its own.

    References
    ----------
    Pan et al., "Field-weighted Factorization Machines for Click-Through Rate Prediction in Display Advertising" (WWW
    2018). Sun et al., "FM^2: Field-matrixed Factorization Machines for Recommender Systems" (WWW 2021).

    Examples
    --------
    >>> from fastfm_ext import FMRegressor
    >>> from fastfm_ext.explain import field_strengths
    >>> model = FMRegressor.from_parameters(0.0, [0.0] * 3, [[1.0], [2.0], [-3.0]])
    >>> field_strengths(model, fields=["user", "user", "film"]).values.round(2).tolist()
    [[0.0, 4.74], [4.74, 2.0]]
    """
    opened = OpenedModel.of(model, encoder)
    estimator = opened.estimator
    check_is_fitted(estimator, "_scorers")
    estimator = estimator._as_it_is()
    with estimator._scorers.access.reading():
        scorers: list[Parameters] = list(estimator._scorers)
        names, of_feature = _fields(opened, scorers[0], fields)
        sizes = typical_sizes(estimator, scorers[0].n_features)
        found = [_strengths(params, of_feature, len(names), sizes) for params in scorers]
    measure = "interactions"
    if "R" in scorers[0].tables:
        measure = "R" if scorers[0].R.ndim == 2 else "M"
    return FieldStrengths(names, np.mean(found, axis=0), measure)


def _fields(opened: OpenedModel, params: Parameters, fields: ArrayLike | None) -> tuple[AnyArray, NDArray[np.integer]]:
    """Return the names of the fields, (n_fields,), and the number of each feature's, (n_features,)."""
    model, encoder = opened.estimator, opened.encoder
    if params.fields.of_feature is None:
        columns = Columns.of(opened, params.n_features, fields).as_groups
        assert columns.group_of is not None
        return columns.names, columns.group_of
    opened.refuse_fields(fields)
    of_feature, names = params.fields.of_feature, model.field_names_
    is_encoders = encoder is not None and np.array_equal(names[of_feature], encoder.fields_)
    shown = [encoder.field_names_[number] for number in names] if is_encoders else map(str, names.tolist())
    return object_array(shown), of_feature


def _strengths(params: Parameters, of_feature: NDArray[np.integer], n_fields: int, sizes: Float64) -> Float64:
    if "R" in params.tables:
        R = params.R.astype(np.float64)
        of_pair = tuple(range(2, R.ndim))
        return np.sqrt(np.square(R).sum(axis=of_pair) / max(params.n_factors, 1)) if of_pair else R
    return _root_mean_squares(params, of_feature, n_fields, sizes)


def _root_mean_squares(params: Parameters, of_feature: NDArray[np.integer], n_fields: int, sizes: Float64) -> Float64:
    """Return the root mean square of <v_i, v_j> for each pair of fields, (n_fields, n_fields), 0 where there is none.

    Over all i of F and j of G, the sum of squares is the inner product of the matrices sum_i v_i v_i' and
    sum_j v_j v_j', so that no pair is looked at by itself.
    """
    k = params.n_factors
    squares = np.zeros((n_fields, n_fields, k, k))  # [F, G] sums v v' of the vectors of F for G
    own, counts = np.zeros(n_fields), np.zeros(n_fields)
    for field in range(n_fields):
        features = np.flatnonzero(of_feature == field)
        for first in range(0, len(features), ROWS_AT_ONCE):
            some = features[first : first + ROWS_AT_ONCE]
            V = params.V[some].astype(np.float64) * sizes[some].reshape((-1,) + (1,) * (params.V.ndim - 1))
            if V.ndim == 2:
                squares[field] += V.T @ V
            else:
                squares[field] += np.einsum("iGf,iGg->Gfg", V, V, optimize=True)
            within = V if V.ndim == 2 else V[:, field]
            own[field] += np.square((within**2).sum(axis=1)).sum()
            counts[field] += V.reshape(len(V), -1).any(axis=1).sum()
    sums = np.einsum("FGfg,GFfg->FG", squares, squares, optimize=True)
    n_pairs = np.outer(counts, counts)
    np.fill_diagonal(sums, np.diag(sums) - own)
    np.fill_diagonal(n_pairs, counts * (counts - 1))
    means = np.divide(sums, n_pairs, out=np.zeros_like(sums), where=n_pairs > 0)
    strengths: Float64 = np.sqrt(np.maximum(means, 0.0))
    return strengths
