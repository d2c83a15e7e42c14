"""Interactions of fields: how much the scores of rows vary by each pair of columns together, and by each alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from joblib import effective_n_jobs
from numpy.typing import ArrayLike

from fastfm_ext._common.arrays import AnyArray, Float64
from fastfm_ext._engine.csr import Csr, take_rows
from fastfm_ext._engine.field_contributions import pulled, tagged_vectors
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext.explain.games import Games, PlayedMachine
from fastfm_ext.explain.opened import Columns, OpenedModel

MOST_COLUMNS = 1000
# Sums of factors and products of columns in memory at a time.
NUMBERS_AT_ONCE = 1 << 23


@dataclass(frozen=True)
class FieldInteractions:
    """How much scores vary by columns, and by pairs of them.

    Attributes
    ----------
    names : object ndarray of shape (n_columns,)
    values : ndarray of shape (n_columns, n_columns)
        Off the diagonal the mean size of the interaction of two columns, which is symmetric; on the diagonal that of
        what a column adds alone.

    Examples
    --------
    >>> from fastfm_ext import FMRegressor
    >>> from fastfm_ext.explain import field_interactions
    >>> model = FMRegressor.from_parameters(0.0, [1.0, 0.0], [[2.0], [2.0]])
    >>> found = field_interactions(model, [[1, 1], [-1, 1], [1, -1], [-1, -1]])
    >>> found.names.tolist(), found.values[0, 1].item()
    (['0', '1'], 4.0)
    """

    names: AnyArray
    values: Float64


def field_interactions(
    model: Any,
    X: Any,
    background: Any = None,
    *,
    encoder: Any = None,
    fields: ArrayLike | None = None,
    n_jobs: int | None = None,
) -> FieldInteractions:
    """Measure how much the scores of rows vary by each pair of columns together.

    The interaction of columns g and h in a row is ``E_b <S_g(x) - S_g(b), S_h(x) - S_h(b)>``, with the sum ``S_g`` of
    ``v_i x_i`` over the features of g: what both add beyond what each adds without the other, which is the Shapley
    interaction index. A contribution is what the column adds alone, and half of each of its interactions. Exact.

    Parameters
    ----------
    model : FMRegressor, FMClassifier, field-aware or Bayesian estimator, or a Pipeline that ends with one
        Fitted. Of Bayesian models, the one machine of `w0_`, `w_` and `V_`.
    X : {array-like, sparse matrix, data frame} of shape (n_rows, n_features)
        The rows to average over.
    background : of the kind of X, of shape (n_background, n_features), optional
        As for `contributions`. Default: X.
    encoder : FMEncoder, optional
        As for `contributions`. Without columns, each feature is one.
    fields : array-like of shape (n_features,), optional
        As for `contributions`.
    n_jobs : int, optional
        Threads; -1 takes all cores.

    Returns
    -------
    FieldInteractions
        Of more than two classes, the mean over these.

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
    Grabisch, Roubens, "An axiomatic approach to the concept of interaction among players in cooperative games"
    (International Journal of Game Theory 1999).

    Examples
    --------
    >>> from fastfm_ext import FMRegressor
    >>> from fastfm_ext.explain import field_interactions
    >>> model = FMRegressor.from_parameters(0.0, [1.0, 0.0], [[2.0], [2.0]])
    >>> field_interactions(model, [[1, 1], [-1, 1], [1, -1], [-1, -1]]).values.tolist()
    [[1.0, 4.0], [4.0, 0.0]]
    """
    opened = OpenedModel.of(model, encoder)
    estimator = opened.scorer("field_interactions")
    estimator._draws = None  # of the one machine
    columns = Columns.of(opened, estimator._scorers[0].n_features, fields).as_groups
    if len(columns) > MOST_COLUMNS:
        raise ValueError(
            f"field_interactions compares all pairs of columns, and there are {len(columns):,}, more than "
            f"{MOST_COLUMNS:,}. Give the encoder or fields; top_interactions finds pairs among any number of features."
        )
    rows = opened.rows(X)
    given = rows if background is None else opened.rows(background, "background")
    with estimator._scorers.access.reading():
        games = Games.of(estimator, given, columns, effective_n_jobs(n_jobs))
        csr = games.rows_of(rows)
        sizes = [_mean_sizes(csr, games, score.machine) for score in games.scores]
    return FieldInteractions(columns.names, np.mean(sizes, axis=0))


def _mean_sizes(X: Csr, games: Games, machine: PlayedMachine) -> Float64:
    """Return the mean sizes (n_columns, n_columns) of the interactions in rows, of what is alone on the diagonal."""
    assert games.B is not None
    fields = FieldSums.of(games.columns, machine.params)
    M, moment = fields.moments(games.B)
    total = np.zeros(moment.shape)
    diagonal = np.arange(len(total))
    for some in fields.pieces(X):
        S = fields.sums(some)
        T = fields.pulled(S)
        crossed = np.einsum("rgf,hf->rgh", T, M)
        pairs = np.einsum("rgf,rhf->rgh", S, T) - crossed - crossed.transpose(0, 2, 1) + moment
        pairs[:, diagonal, diagonal] = 0.0
        alone = machine.values(some, games.n_threads).parts[0] - 0.5 * pairs.sum(axis=2)
        pairs[:, diagonal, diagonal] = alone
        total += np.abs(pairs).sum(axis=0) / X.n_rows
    return total


@dataclass(frozen=True)
class FieldSums:
    """Sums of the factors of each column in rows.

    Attributes
    ----------
    features : list of ndarray
        Those of each column.
    V : ndarray or csr_array of shape (n_features, n_factors), float64
        Of a model with fields, each vector at the place of its field among those of all fields.
    params : Parameters
    """

    features: list[AnyArray]
    V: Any
    params: Parameters

    @classmethod
    def of(cls, columns: Columns, params: Parameters) -> Self:
        """Find the features of each column."""
        features = [np.flatnonzero(columns.group_of == g) for g in range(len(columns))]
        V = tagged_vectors(params) if params.model.has_fields else params.V.astype(np.float64)
        return cls(features, V, params)

    def sums(self, X: Csr) -> Float64:
        """Return the sums S_g of rows: (n_rows, n_columns, n_factors)."""
        data = np.ones(X.nnz, dtype=np.float32) if X.data is None else X.data
        by_feature = sp.csr_array((data, X.indices, X.indptr), shape=(X.n_rows, X.n_features)).tocsc()
        sums = [by_feature[:, features] @ self.V[features] for features in self.features]
        return np.stack([each.toarray() if sp.issparse(each) else each for each in sums], axis=1)

    def pulled(self, S: Float64) -> Float64:
        """Return what meets the factors of other columns in the product of two, (n_rows, n_columns, n_factors)."""
        if not self.params.model.has_fields:
            return S
        return pulled(S.reshape(-1, self.params.fields.n, S.shape[2] // self.params.fields.n), self.params).reshape(
            S.shape
        )

    def moments(self, B: Csr) -> tuple[Float64, Float64]:
        """Return E S_g, (n_columns, n_factors), and E <S_g, S_h>, (n_columns, n_columns), of rows."""
        n = len(self.features)
        M, moment = np.zeros((n, self.V.shape[1])), np.zeros((n, n))
        for some in self.pieces(B):
            S = self.sums(some)
            M += S.sum(axis=0) / B.n_rows
            moment += np.tensordot(S, self.pulled(S), axes=((0, 2), (0, 2))) / B.n_rows
        return M, moment

    def pieces(self, X: Csr) -> Iterator[Csr]:
        """Give all rows, some at a time."""
        n = len(self.features)
        at_once = max(1, NUMBERS_AT_ONCE // max(1, n * (self.V.shape[1] + 3 * n)))
        for first in range(0, X.n_rows, at_once):
            yield take_rows(X, np.arange(first, min(first + at_once, X.n_rows), dtype=np.int64))
