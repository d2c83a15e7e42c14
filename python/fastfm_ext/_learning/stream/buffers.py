"""Buffers of rows of a stream, in the order in which an epoch trains on them.

A buffer holds the same number of rows whatever the size of the batches, so that batches of any size train the same
model. Its rows are shuffled by a generator of its own, seeded by the run, the epoch and the buffer's number: whoever
goes on in the middle of an epoch needs no state of a generator.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastfm_ext import _engine
from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.orders import permutation
from fastfm_ext._engine.parameters import FeatureRecord
from fastfm_ext._learning.l2 import counts_of
from fastfm_ext._learning.samples import Samples, concat_samples, slice_samples
from fastfm_ext._learning.stream.blocks import RowCache, RowCacheWriter

# A buffer is this many blocks of the cache: the more, the better the cache's rows mix from epoch to epoch.
BLOCKS_OF_A_BUFFER = 16


@dataclass(frozen=True)
class Plan:
    """How rows become buffers."""

    buffer_rows: int
    shuffle: bool
    seed: int
    n_threads: int
    record: FeatureRecord  # of a feature's parameters
    counts_visits: bool = False  # whether L2 depends on them

    @property
    def block_rows(self) -> int:
        return -(-self.buffer_rows // BLOCKS_OF_A_BUFFER)


class Buffer:
    """Samples that are trained on in one go, in the order in which they lie: `RowVisits` of an epoch."""

    def __init__(self, samples: Samples, plan: Plan, epoch: int, number: int) -> None:
        if plan.shuffle:
            rng = np.random.default_rng([plan.seed, epoch, number])
            samples = samples.take(permutation(samples.X.n_rows, rng))
        self.l2_scale: Float32 | None = None
        self.total_weight = samples.total_weight()
        self.visit_counts = counts_of(samples) if plan.counts_visits else None
        self.hot_features = _engine.hot_features(samples.X, plan.record, plan.n_threads)
        self.samples = samples

    def orders(self) -> Iterable[None]:
        """Give None once: the rows have been brought into the order of the visits."""
        return (None,)


def source_buffers(
    samples: Iterable[Samples], plan: Plan, epoch: int, first: int | None, writer: RowCacheWriter | None
) -> Iterator[Buffer | None]:
    """Yield the buffers of an epoch over the source from number ``first`` on, before that None; all go to the cache.

    Where ``first`` is None, only the cache is wanted.
    """
    for number, buffer in enumerate(_cut(samples, plan.buffer_rows)):
        if writer is not None:
            for begin in range(0, buffer.X.n_rows, plan.block_rows):
                writer.append(slice_samples(buffer, begin, min(begin + plan.block_rows, buffer.X.n_rows)))
        yield None if first is None or number < first else Buffer(buffer, plan, epoch, number)


def cached_buffers(
    blocks: RowCache, plan: Plan, epoch: int, first: int, n_scorers: int, n_features: int
) -> Iterator[Buffer]:
    """Yield the buffers of an epoch over the cache, from number ``first`` on: blocks in random order if shuffled."""
    order: NDArray[np.int64] = np.arange(len(blocks))
    if plan.shuffle:
        order = permutation(len(blocks), np.random.default_rng([plan.seed, epoch]))
    for number, begin in enumerate(range(0, len(order), BLOCKS_OF_A_BUFFER)):
        if number >= first:
            chosen = order[begin : begin + BLOCKS_OF_A_BUFFER]
            yield Buffer(blocks.read(chosen.tolist(), n_scorers, n_features), plan, epoch, number)


def _cut(batches: Iterable[Samples], n_rows: int) -> Iterator[Samples]:
    """Yield the rows of all batches in pieces of ``n_rows``; the last may be shorter."""
    waiting: list[Samples] = []
    n_waiting = 0
    for batch in batches:
        waiting.append(batch)
        n_waiting += batch.X.n_rows
        if n_waiting < n_rows:
            continue
        whole = concat_samples(waiting)
        waiting.clear()
        for begin in range(0, n_waiting - n_rows + 1, n_rows):
            yield slice_samples(whole, begin, begin + n_rows)
        n_waiting %= n_rows
        if n_waiting:
            waiting.append(slice_samples(whole, whole.X.n_rows - n_waiting, whole.X.n_rows))
        del whole
    if n_waiting:
        yield concat_samples(waiting)
