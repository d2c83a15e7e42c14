"""Interactions of a fitted model: the pairs of features whose products weigh most."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from fastfm_ext._common.arrays import Float32
from fastfm_ext._common.checks import is_integer
from fastfm_ext._engine.field_vectors import PairVectors, vectors_of_pairs
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext.explain.opened import Columns, OpenedModel, typical_sizes
from fastfm_ext.explain.pairs import Pair, strongest_between, strongest_pairs


class Interaction(NamedTuple):
    """A pair of features, and what a model adds to its score where both are there.

    Attributes
    ----------
    first, second : str
        Names of the features.
    value : float
        ``<v_i, v_j> x_i x_j`` with the typical sizes x_i and x_j of the two features' values; of a field-aware model,
        with what it has in place of the product of vectors.
    i, j : int
        Numbers of the features.
    label : object
        The class whose score this is, for a classifier of more than two classes; else None.

    Examples
    --------
    >>> from fastfm_ext import FMRegressor, top_interactions
    >>> model = FMRegressor.from_parameters(0.0, [0.0] * 3, [[1.0], [2.0], [-3.0]])
    >>> pair = top_interactions(model, n=1)[0]
    >>> pair.first, pair.second, pair.value
    ('1', '2', -6.0)
    """

    first: str
    second: str
    value: float
    i: int
    j: int
    label: Any = None


def top_interactions(
    model: Any, n: int = 20, encoder: Any = None, *, fields: ArrayLike | None = None, n_jobs: int | None = None
) -> list[Interaction]:
    """Find the pairs of features with the largest interactions of a fitted model.

    The strength of a pair is ``|<v_i, v_j>| x_i x_j``, and of a field-aware model, whose pairs of one field are left
    out, that of what it has in place of ``<v_i, v_j>``: see `FFMRegressor` and the others. The sizes x are 1 but for
    features whose values training scaled to unit size, for which they are typical: the power of two next to the root
    mean square of the feature's values. Rows are taken as they are, also where `normalize` scales them.

    Exact, over all pairs. Features are compared in the order of the lengths of their vectors, and those too short for a
    pair among the first are left out, so memory is that of V and time usually far below that of all pairs.

    Parameters
    ----------
    model : FMRegressor, FMClassifier, FMRanker, field-aware estimator, or a Pipeline that ends with one
        Fitted. Of a Pipeline, the encoder is taken, too.
    n : int, default=20
        Number of pairs; for a classifier of more than two classes, for each class.
    encoder : FMEncoder, optional
        The one that has encoded the rows. Names the features, and leaves out pairs of the same field, of which rows
        never have two (but for columns with several values a cell).
    fields : array-like of shape (n_features,), optional
        In place of the encoder: the field of each feature, of which only pairs of different ones count. A field-aware
        model has its own.
    n_jobs : int, optional
        Threads; -1 takes all cores.

    Returns
    -------
    list of Interaction
        By falling strength; fewer than `n` if there are not so many pairs with an interaction. A data frame of them is
        ``pandas.DataFrame(top_interactions(model))``.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    ValueError
        If `n` is not positive, the encoder or the fields are of another number of features than the model, or `fields`
        are given for a model that has its own.

    References
    ----------
    Rendle, "Factorization Machines" (ICDM 2010), equation 1.

    Examples
    --------
    >>> from fastfm_ext import FMRegressor
    >>> from fastfm_ext.explain import top_interactions
    >>> model = FMRegressor.from_parameters(0.0, [0.0] * 3, [[1.0, 0.0], [2.0, 0.0], [-3.0, 1.0]])
    >>> [(pair.first, pair.second, pair.value) for pair in top_interactions(model, n=2)]
    [('1', '2', -6.0), ('0', '2', -3.0)]
    """
    opened = OpenedModel.of(model, encoder)
    model = opened.estimator
    if not is_integer(1)(n):
        raise ValueError(f"n must be a positive integer, got {n!r}")
    check_is_fitted(model, "_scorers")
    opened.check_form("top_interactions")
    opened.refuse_fields(fields)
    columns = Columns.of(opened, model.w_.shape[-1], fields)
    strongest = _pairs_of_fields if hasattr(model, "field_names_") else _pairs
    of_classes = strongest(model, columns, int(n), effective_n_jobs(n_jobs))
    labels = [None] if len(of_classes) == 1 else model.classes_
    names = columns.feature_names
    return [
        Interaction(str(names[i]), str(names[j]), value, i, j, label)
        for label, pairs in zip(labels, of_classes, strict=True)
        for i, j, value in pairs
    ]


def _pairs(model: Any, columns: Columns, n: int, n_threads: int) -> list[list[Pair]]:
    """Return the strongest pairs of features of a factorization machine, for each class of more than two."""
    V: Float32 = model.V_
    sizes = typical_sizes(model, columns.n_features)
    fields = None if columns.group_of is None else columns.group_of.astype(np.int64)
    return [
        strongest_pairs(vectors * sizes[:, None], n, fields, n_threads) for vectors in (V if V.ndim == 3 else V[None])
    ]


def _pairs_of_fields(model: Any, columns: Columns, n: int, n_threads: int) -> list[list[Pair]]:
    """Return the strongest pairs of features of different fields of a model with fields, for each class."""
    model = model._as_it_is()
    sizes = typical_sizes(model, columns.n_features)

    def of_typical_values(params: Parameters) -> Iterator[PairVectors]:
        for features, vectors, others, vectors_of_others in vectors_of_pairs(params):
            yield PairVectors(
                features, vectors * sizes[features, None], others, vectors_of_others * sizes[others, None]
            )

    with model._scorers.access.reading():
        return [strongest_between(of_typical_values(params), n, n_threads) for params in model._scorers]
