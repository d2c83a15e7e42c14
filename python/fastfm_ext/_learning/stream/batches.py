"""Batches of a stream: their parts, and the samples that come of them, whatever their width."""

from __future__ import annotations

import copy
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float64
from fastfm_ext._common.checks import kind_of
from fastfm_ext._common.sparse import is_sparse
from fastfm_ext._common.sparse import sparse as sp
from fastfm_ext._engine.centers import NO_CENTERS, Centers
from fastfm_ext._engine.csr import Csr
from fastfm_ext._learning.learner import Learner
from fastfm_ext._learning.progressive import Periods
from fastfm_ext._learning.samples import Samples, concat_csr, concat_weights, slice_samples
from fastfm_ext._validation.matrices import checked_csr
from fastfm_ext._validation.rows import CountedRows, counted_rows, numeric_values


class Batch(NamedTuple):
    """A batch that knows where it comes from; streams may as well give tuples ``(X, y[, sample_weight[, period]])``."""

    X: Any
    y: Any
    sample_weight: Any
    where: str
    period: Any = None


def batches_of(stream: Any) -> Iterator[Any]:
    """Begin the stream: call it if it is a function, else iterate over it.

    Raises
    ------
    TypeError
        If it is neither.
    """
    started = stream() if callable(stream) else stream
    try:
        return iter(started)
    except TypeError:
        given = f"a function that returned {kind_of(started)}" if callable(stream) else kind_of(started)
        raise TypeError(
            "batches must be an iterable of (X, y) or (X, y, sample_weight), or a function without arguments that "
            f"returns one; got {given}."
        ) from None


def parts_of(batch: Any, number: int) -> Batch:
    """Return a batch with a name for messages.

    Raises
    ------
    TypeError
        If it is no tuple of X, y and perhaps sample_weight.
    """
    if isinstance(batch, Batch):
        return batch
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3, 4):
        given = kind_of(batch) + (f" of length {len(batch)}" if isinstance(batch, tuple | list) else "")
        raise TypeError(f"batch {number} of the stream must be a tuple (X, y) or (X, y, sample_weight); got {given}.")
    X, y, weight, period = [*batch, None, None][:4]
    return Batch(X, y, weight, f"batch {number} of the stream", period)


class BatchReader:
    """Turns batches into samples as wide as the widest batch so far.

    It validates with a copy of the estimator, whose number of features it changes: it reads in a thread of its own,
    ahead of the training.
    """

    def __init__(self, learner: Learner, centers: Centers) -> None:
        self._learner = learner
        self._centers = centers
        self._estimator = copy.copy(learner.estimator)

    def samples(self, batches: Iterable[Any], *, to_train: bool, periods: Periods | None = None) -> Iterator[Samples]:
        """Yield the rows of each batch that has any, numbered through the stream.

        `to_train` lets the learner see them, and `periods` learns of which period they are.
        """
        learner, n_before = self._learner, 0
        for number, batch in enumerate(batches):
            part = parts_of(batch, number)
            n_rows = _n_rows(part.X)
            if n_rows and not _weighs_nothing(part.sample_weight):
                with errors_that_tell(part.where):
                    rows = self.count(part)
                    if periods is not None:
                        periods.add(n_before, n_rows, part.period)
                    numbers = np.arange(n_rows, dtype=np.int64) if rows.numbers is None else rows.numbers
                    rows = rows._replace(numbers=numbers + n_before)
                    rows = learner.take_in(rows) if to_train else rows
                    samples = learner.units.samples(rows, learner.encode_target(rows.y, "y"))
                yield samples
            n_before += n_rows

    def count(self, part: Batch) -> CountedRows:
        """Validate a batch of any width."""
        X, y, weight = self._widened(part.X), part.y, part.sample_weight
        check = self._learner.check_target
        return counted_rows(self._estimator, X, y, weight, check, reset=False, centers=self._centers)

    def _widened(self, X: Any) -> Any:
        """Return a sparse X as wide as the widest so far: a batch may lack the last features. Others stay as they are.

        Raises
        ------
        ValueError
            For more columns where these have names.
        """
        if not is_sparse(X) or X.ndim != 2:
            return X
        if X.shape[1] > self._estimator.n_features_in_ and not hasattr(self._estimator, "feature_names_in_"):
            self._estimator.n_features_in_ = X.shape[1]
        if X.shape[1] >= self._estimator.n_features_in_:
            return X
        if X.format != "csr":
            X = checked_csr(X, "X")
        return sp.csr_array((X.data, X.indices, X.indptr), shape=(X.shape[0], self._estimator.n_features_in_))


def first_samples(learner: Learner, batches: Sequence[Any], n_rows: int, *, fitted: bool) -> Samples:
    """Let the learner learn the units from the first rows of a stream, unless it has; return at most ``n_rows`` rows.

    A `fitted` learner knows its features.

    Raises
    ------
    ValueError
        If there is no row, or for rows that cannot be trained on.
    """
    parts: list[CountedRows] = []
    given: list[Any] = []
    reader = BatchReader(learner, learner.units.centers) if fitted else None
    for number, batch in enumerate(batches):
        part = parts_of(batch, number)
        if not _n_rows(part.X) or _weighs_nothing(part.sample_weight):
            continue
        with errors_that_tell(part.where):
            if reader is None:
                first = (part.X, part.y, part.sample_weight)
                parts.append(counted_rows(learner.estimator, *first, learner.check_target, reset=True))
                reader = BatchReader(learner, NO_CENTERS)
            else:
                parts.append(reader.count(part))
        given.append(part.X)
    if not parts:
        raise ValueError("batches holds no rows to train on, or the weights of all of them are 0.")
    rows = _first_of(parts, n_rows)
    if not fitted:
        learner.n_features = rows.X.n_features
    return learner.learned_samples(rows, partial(_numeric_values, parts, given, rows.X))


def _first_of(parts: list[CountedRows], n_rows: int) -> CountedRows:
    """Return the first ``n_rows`` rows of all parts, one below the other."""
    X, weight = concat_csr([part.X for part in parts]), None
    if any(part.sample_weight is not None for part in parts):
        weight = concat_weights([part.sample_weight for part in parts], [part.X.n_rows for part in parts])
    no_targets = np.zeros((1, X.n_rows), dtype=np.float32)
    first = slice_samples(Samples(X, no_targets, weight), 0, min(n_rows, X.n_rows))
    return CountedRows(first.X, np.concatenate([part.y for part in parts])[:n_rows], first.sample_weight, None)


def _numeric_values(parts: list[CountedRows], given: list[Any], first: Csr, columns: NDArray[np.intp]) -> Float64:
    """Return columns of the first rows of all parts in double precision, (n_rows, n_columns)."""
    values = [numeric_values(part, X, first.n_features, columns) for part, X in zip(parts, given, strict=True)]
    return np.concatenate(values)[: first.n_rows]


def checksum(samples: Samples, n_rows: int) -> int:
    """Return a number by which to tell whether the first ``n_rows`` rows are the same as before."""
    samples = slice_samples(samples, 0, min(n_rows, samples.X.n_rows))
    value = zlib.crc32(samples.X.indptr.astype(np.int64).data)
    for array in (samples.X.indices, samples.targets):
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
    """Yield the items of a list, and empty it: batches take memory."""
    waiting = deque(items)
    items.clear()
    while waiting:
        yield waiting.popleft()


@contextmanager
def errors_that_tell(where: str) -> Iterator[None]:
    """Let every TypeError and ValueError raised inside name the batch."""
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
