"""Buffers of each epoch: from the stream, or from the cache that the first epoch has written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from fastfm_ext._learning.learner import Learner
from fastfm_ext._learning.progressive import Periods
from fastfm_ext._learning.samples import Samples, concat_samples
from fastfm_ext._learning.stream.batches import BatchReader, batches_of, checksum, handed_over
from fastfm_ext._learning.stream.blocks import RowCache, RowCacheWriter
from fastfm_ext._learning.stream.buffers import Buffer, Plan, cached_buffers, source_buffers


class BufferSource:
    """Gives the buffers of any epoch.

    Parameters
    ----------
    learner : Learner
    stream : iterable or callable
    plan : Plan
    first_rows : int
        Checksum of the rows that the fit began with.
    cache : str or None
        The cache's file.
    checkpoint : str or None
        The checkpoint's file, for messages.
    begun : iterator, optional
        The first epoch's batches, where some have been looked at already; else the fit is taken up again.

    Attributes
    ----------
    periods : Periods
        Those of the rows of the first epoch that have been read.
    """

    def __init__(
        self,
        learner: Learner,
        stream: Any,
        plan: Plan,
        first_rows: int,
        cache: str | None,
        checkpoint: str | None,
        begun: Iterator[Any] | None,
    ) -> None:
        self._learner = learner
        self._stream = stream
        self._plan = plan
        self._first_rows = first_rows
        self._cache = cache
        self._checkpoint = checkpoint
        self._begun = begun
        self.periods = Periods()
        self._is_resumed = begun is None

    @property
    def n_rows(self) -> int | None:
        """Rows of the stream, where it knows."""
        n_rows: int | None = getattr(self._stream, "n_rows", None)
        return n_rows

    def buffers(self, epoch: int, first: int, n_scorers: int, n_features: int) -> Iterator[Buffer | None]:
        """Yield the buffers of an epoch; None for one before number `first`. Runs in the reading thread."""
        if self._cache is None or epoch == 1:
            yield from self._from_stream(epoch, first, self._cache if epoch == 1 else None)
            return
        if not os.path.exists(self._cache):  # the fit goes on where the cache has been lost
            yield from self._from_stream(epoch, None, self._cache)
        with RowCache(self._cache) as blocks:
            yield from cached_buffers(blocks, self._plan, epoch, first, n_scorers, n_features)

    def remove_cache(self) -> None:
        """Remove the cache's file, if there is one."""
        if self._cache is not None and os.path.exists(self._cache):
            os.unlink(self._cache)

    def _from_stream(self, epoch: int, first: int | None, cache: str | None) -> Iterator[Buffer | None]:
        """Yield the buffers of an epoch over the stream, None for those before `first`, or for all if that is None."""
        begun, self._begun = self._begun, None
        batches = batches_of(self._stream) if begun is None else begun
        samples = BatchReader(self._learner, self._learner.units.centers).samples(
            batches, to_train=True, periods=self.periods if epoch == 1 else None
        )
        writer = None if cache is None else RowCacheWriter(cache)
        try:
            if first != 0 or (epoch == 1 and self._is_resumed):
                samples = self._checked_beginning(samples, self._plan.buffer_rows)
            yield from source_buffers(samples, self._plan, epoch, first, writer)
            if writer is not None:
                writer.finish()
        finally:
            if writer is not None:
                writer.abandon()
            close = getattr(batches, "close", None)
            if close is not None:
                close()

    def _checked_beginning(self, samples: Iterator[Samples], n_rows: int) -> Iterator[Samples]:
        """Yield all rows, once the first ones are found to be those that the fit began with.

        Raises
        ------
        ValueError
            If they are others.
        """
        beginning = list(_until(samples, n_rows))
        if not beginning or checksum(concat_samples(beginning), n_rows) != self._first_rows:
            raise ValueError(
                f"The stream begins with other rows than when the fit was started (checkpoint: {self._checkpoint}). To "
                "go on, and to fill a lost cache again, it must give the same rows in the same order. Delete the "
                "checkpoint (or name another) to train anew."
            )
        yield from handed_over(beginning)
        yield from samples


def _until(samples: Iterator[Samples], n_rows: int) -> Iterator[Samples]:
    """Yield samples until they have ``n_rows`` rows."""
    n = 0
    while n < n_rows and (part := next(samples, None)) is not None:
        n += part.X.n_rows
        yield part
