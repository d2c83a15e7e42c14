"""The factorization machine as one would write it with NumPy and SciPy for speed: what the kernels are timed against.

Sparse, float32 and vectorised as far as the algorithm lets one, in the notation of Rendle (2010) that ``_reference.py``
has too. ``_reference.py`` is dense and slow on purpose, and so no rival; the tests here check that all three agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import expit

from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters


def to_scipy(X: Csr) -> Any:
    """Return X as a SciPy ``csr_array``, in which the ones of an engine's matrix without values are written out."""
    data = np.ones(X.nnz, dtype=np.float32) if X.data is None else X.data
    # SciPy would widen the indices to the type of indptr, and read twice the bytes.
    indptr = X.indptr.astype(np.int32) if X.nnz < 2**31 else X.indptr
    return sp.csr_array((data, X.indices, indptr), shape=(X.n_rows, X.n_features))


def squared_values(X: Any) -> Any:
    """Return the matrix of x^2, with the structure of X."""
    return sp.csr_array((X.data**2, X.indices, X.indptr), shape=X.shape)


def row_sums_of_squares(A: Float32) -> Float32:
    """Return the sum over f of A_rf^2, without a temporary of A's size: (n_rows,)."""
    sums: Float32 = np.einsum("rf,rf->r", A, A)
    return sums


def predict(X: Any, w0: float, w: Float32, V: Float32) -> Float32:
    """Score every row of a ``csr_array`` by lemma 3.1 of Rendle (2010): (n_rows,).

    The second term needs V only through sum_f v_if^2, so it is a product with a vector, not with a matrix.
    """
    pairs = row_sums_of_squares(X @ V) - squared_values(X) @ row_sums_of_squares(V)
    p: Float32 = np.float32(w0) + X @ w + np.float32(0.5) * pairs
    return p


def loss_gradient(loss: str, y: Any, p: Any) -> Any:
    """Return dL/dp, for numbers and arrays alike."""
    return (p if loss == "squared" else expit(p)) - y


@dataclass(frozen=True)
class Batch:
    """Some rows with the columns cut down to the features in them, so that a step touches only these.

    Attributes
    ----------
    features : ndarray of shape (n_present,)
        The features that occur, in ascending order; column c of ``X`` is feature ``features[c]``.
    X : csr_array of shape (batch_size, n_present)
    y : ndarray of shape (batch_size,)
    presence : ndarray of shape (n_present,)
        The share of the rows that hold the feature.
    """

    features: NDArray[np.intp]
    X: Any
    y: Float32
    presence: Float32


def batches(X: Any, y: Float32, batch_size: int) -> Iterator[Batch]:
    """Cut the rows of a ``csr_array`` into batches of ``batch_size``; the last may be smaller."""
    # Marking features in a table is some ten times faster than sorting them with np.unique.
    present = np.zeros(X.shape[1], dtype=bool)
    column = np.empty(X.shape[1], dtype=np.int32)
    for first in range(0, len(y), batch_size):
        rows, targets = X[first : first + batch_size], y[first : first + batch_size]
        present[rows.indices] = True
        features = np.flatnonzero(present)
        present[features] = False
        column[features] = np.arange(len(features), dtype=np.int32)
        columns = column.take(rows.indices)
        presence = (np.bincount(columns) / len(targets)).astype(np.float32)
        cut = sp.csr_array((rows.data, columns, rows.indptr), shape=(len(targets), len(features)))
        yield Batch(features, cut, targets, presence)


@dataclass
class NumpyFm:
    """Parameters of one factorization machine with intercept and linear part, and its three ways to train.

    The objective is the kernels': each row's loss and the L2 of the row's own features.
    """

    w0: float
    w: Float32
    V: Float32
    options: Options
    acc_w0: float
    acc_w: Float32
    acc_V: Float32

    @classmethod
    def like(cls, params: Parameters, options: Options) -> Self:
        """Start from a copy of the engine's parameters, with AdaGrad's sums at their first values."""
        acc_w = np.full_like(params.w, options.initial_acc_w, order="C")
        acc_V = np.full_like(params.V, options.initial_acc_V, order="C")
        w, V = params.w.copy(order="C"), params.V.copy(order="C")
        return cls(params.w0, w, V, options, options.initial_acc_w, acc_w, acc_V)

    def predict(self, X: Any) -> Float32:
        """Return the score of every row: (n_rows,)."""
        return predict(X, self.w0, self.w, self.V)

    def epoch(self, X: Any, y: Float32) -> None:
        """Visit the rows one by one, as the kernels do: SGD or AdaGrad, as the options say."""
        adagrad = self.options.solver == "adagrad"
        # Lists, because taking numbers out of an array one at a time is slow.
        for y_r, (first, last) in zip(y.tolist(), pairwise(X.indptr.tolist()), strict=True):
            i, x = X.indices[first:last], X.data[first:last]
            w_i, V_i = self.w.take(i), self.V.take(i, axis=0)
            S = x @ V_i
            vx = V_i * x[:, None]
            p = self.w0 + float(w_i @ x) + 0.5 * float(S @ S - np.vdot(vx, vx))
            g = float(loss_gradient(self.options.loss, y_r, p))
            gx = g * x
            G_w = gx + self.options.l2_w * w_i
            G_V = gx[:, None] * (S - vx) + self.options.l2_V * V_i
            if adagrad:
                self._adagrad_step(i, w_i, V_i, g, G_w, G_V)
            else:
                self.w0 -= self.options.learning_rate_w * g
                self.w[i] = w_i - self.options.learning_rate_w * G_w
                self.V[i] = V_i - self.options.learning_rate_V * G_V

    def minibatch_epoch(self, X: Any, y: Float32, batch_size: int) -> None:
        """Take one AdaGrad step for every batch of rows, on the mean of the rows' gradients.

        Cutting the batches is a part of it: rows that are shuffled before each epoch need it each time.
        """
        for batch in batches(X, y, batch_size):
            i, X_squared = batch.features, squared_values(batch.X)
            w_i, V_i = self.w.take(i), self.V.take(i, axis=0)
            S = batch.X @ V_i
            pairs = row_sums_of_squares(S) - X_squared @ row_sums_of_squares(V_i)
            p = np.float32(self.w0) + batch.X @ w_i + np.float32(0.5) * pairs
            g = loss_gradient(self.options.loss, batch.y, p) / np.float32(len(batch.y))
            S *= g[:, None]
            G_w = batch.X.T @ g + self.options.l2_w * batch.presence * w_i
            decay = X_squared.T @ g - self.options.l2_V * batch.presence
            G_V = batch.X.T @ S
            G_V -= decay[:, None] * V_i
            self._adagrad_step(i, w_i, V_i, float(g.sum()), G_w, G_V)

    def _adagrad_step(
        self, i: NDArray[Any], w_i: Float32, V_i: Float32, G_w0: float, G_w: Float32, G_V: Float32
    ) -> None:
        """Step on the gradients of w0 and of the features i, whose parameters are w_i and V_i; overwrite all four."""
        self.acc_w0 += G_w0**2
        self.w0 -= self.options.learning_rate_w * G_w0 / self.acc_w0**0.5
        _scale_by_adagrad(self.acc_w, i, G_w, self.options.learning_rate_w)
        _scale_by_adagrad(self.acc_V, i, G_V, self.options.learning_rate_V)
        w_i -= G_w
        V_i -= G_V
        self.w[i] = w_i
        self.V[i] = V_i


def _scale_by_adagrad(acc: Float32, i: NDArray[Any], G: Float32, rate: float) -> None:
    """Add G^2 to the sums of the features i and turn G into the step, in place (Duchi, Hazan, Singer 2011)."""
    acc_i = acc.take(i, axis=0)
    acc_i += G**2
    acc[i] = acc_i
    np.sqrt(acc_i, out=acc_i)
    G /= acc_i
    G *= rate
