"""From the batches of a stream to validated rows, whatever their width."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.csr import Csr
from fastfm_ext._learning.loop import Rows
from fastfm_ext._learning.stream.blocks import concat_csr, concat_weights, slice_rows
from fastfm_ext._learning.stream.buffers import Batch, parts_of
from fastfm_ext._validation.matrices import checked_csr


class RowReader:
    """Turns batches into rows, on a copy of the estimator: it reads in a thread of its own, ahead of the training."""

    def __init__(self, estimator: Any) -> None:
        self._estimator = copy.copy(estimator)

    def rows(self, batches: Iterable[Any]) -> Iterator[Rows]:
        """Yield the rows of each batch that has any, numbered through the stream; as wide as the widest so far."""
        n_before = 0
        for number, batch in enumerate(batches):
            part = parts_of(batch, number)
            n_rows = _n_rows(part.X)
            if n_rows and not _weighs_nothing(part.sample_weight):
                with errors_that_tell(part.where):
                    csr, y, weight, counted = self.counted_rows(part)
                    targets = self._estimator._encode_target(y, "y")
                numbers = np.arange(n_rows, dtype=np.int64) if counted is None else counted
                yield Rows(self._estimator._feature_scale.apply(csr), targets, weight, numbers + n_before)
            n_before += n_rows

    def counted_rows(self, part: Batch) -> tuple[Csr, Any, Float32 | None, NDArray[np.int64] | None]:
        """Do what the estimator does with the rows that it trains on, whatever the width of this batch."""
        rows: tuple[Csr, Any, Float32 | None, NDArray[np.int64] | None] = self._estimator._counted_rows(
            self._widened(part.X), part.y, part.sample_weight, first=False
        )
        return rows

    def _widened(self, X: Any) -> Any:
        """Return a sparse X as wide as the widest so far: a batch may lack the last features. Others stay as they are.

        Raises
        ------
        ValueError
            For more columns where these have names.
        """
        if not sp.issparse(X) or X.ndim != 2:
            return X
        if X.shape[1] > self._estimator.n_features_in_ and not hasattr(self._estimator, "feature_names_in_"):
            self._estimator.n_features_in_ = X.shape[1]
        if X.shape[1] >= self._estimator.n_features_in_:
            return X
        if X.format != "csr":
            X = checked_csr(X, "X")
        return sp.csr_array((X.data, X.indices, X.indptr), shape=(X.shape[0], self._estimator.n_features_in_))


def learn_units(estimator: Any, batches: Sequence[Any], n_rows: int, *, learned: bool) -> Rows:
    """Let the estimator learn the units of target and features from the first rows of a stream, unless it has.

    Returns
    -------
    Rows
        These rows, at most ``n_rows``.

    Raises
    ------
    ValueError
        If there is no row, or for rows that cannot be trained on.
    """
    csrs, ys, weights = [], [], []
    reader = RowReader(estimator) if learned else None
    for number, batch in enumerate(batches):
        part = parts_of(batch, number)
        if not _n_rows(part.X) or _weighs_nothing(part.sample_weight):
            continue
        with errors_that_tell(part.where):
            if reader is None:
                csr, y, weight, _ = estimator._counted_rows(part.X, part.y, part.sample_weight, first=True)
                reader = RowReader(estimator)
            else:
                csr, y, weight, _ = reader.counted_rows(part)
        csrs.append(csr)
        ys.append(y)
        weights.append(weight)
    if not csrs:
        raise ValueError("batches holds no rows to train on.")
    csr, y, weight = concat_csr(csrs), np.concatenate(ys)[:n_rows], None
    if any(w is not None for w in weights):
        weight = concat_weights(weights, [c.n_rows for c in csrs])
    no_targets = np.zeros((1, csr.n_rows), dtype=np.float32)
    first = slice_rows(Rows(csr, no_targets, weight), 0, min(n_rows, csr.n_rows))
    if not learned:
        estimator.n_features_in_ = csr.n_features
        estimator._learn_units(first.X, y, first.sample_weight)
    return replace(first, X=estimator._feature_scale.apply(first.X), targets=estimator._encode_target(y, "y"))


def checksum(rows: Rows, n_rows: int) -> int:
    """Return a number by which to tell whether the first ``n_rows`` rows are what they were."""
    rows = slice_rows(rows, 0, min(n_rows, rows.X.n_rows))
    value = zlib.crc32(rows.X.indptr.astype(np.int64).data)
    for array in (rows.X.indices, rows.targets):
        value = zlib.crc32(np.ascontiguousarray(array).data, value)
    return value


def first_batches(batches: Iterator[Any], n_rows: int) -> list[Batch]:
    """Take batches until they hold ``n_rows`` rows, or there are no more."""
    taken: list[Batch] = []
    n_taken = 0
    for number, batch in enumerate(batches):
        taken.append(parts_of(batch, number))
        n_taken += _n_rows(taken[-1].X)
        if n_taken >= n_rows:
            break
    return taken


def handed_over(items: list[Any]) -> Iterator[Any]:
    """Yield the items, and keep none of them: batches take memory."""
    items.reverse()
    while items:
        yield items.pop()


@contextmanager
def errors_that_tell(where: str) -> Iterator[None]:
    """Let every TypeError and ValueError raised inside say which batch it is about."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise (TypeError if isinstance(error, TypeError) else ValueError)(f"{where}: {error}") from error


def _n_rows(X: Any) -> int:
    if hasattr(X, "shape"):
        return int(X.shape[0]) if len(X.shape) else 1  # a number is refused later, under its name
    return len(X) if hasattr(X, "__len__") else 1


def _weighs_nothing(sample_weight: Any) -> bool:
    """Return whether the weights are all 0, as they may well be in one batch of many."""
    if sample_weight is None:
        return False
    weights = np.asarray(sample_weight)
    return weights.size > 0 and weights.dtype.kind in "fiub" and not weights.any()
