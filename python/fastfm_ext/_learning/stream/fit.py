"""A streamed fit under way: epochs over buffers, the cache, checkpoints, validation, progress."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import effective_n_jobs

from fastfm_ext._common.interrupt import DeferredInterrupt
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.parameters import NO_FEATURES, Parameters
from fastfm_ext._learning import loop
from fastfm_ext._learning.growth import grown
from fastfm_ext._learning.loop import History, Rows, Schedule
from fastfm_ext._learning.stream.blocks import RowBlocks, RowBlockWriter, concat_rows
from fastfm_ext._learning.stream.buffers import Buffer, Plan, batches_of, cached_buffers, source_buffers
from fastfm_ext._learning.stream.checkpoint import StreamPosition, write_checkpoint
from fastfm_ext._learning.stream.progress import StreamProgress
from fastfm_ext._learning.stream.read_ahead import ReadAhead
from fastfm_ext._learning.stream.rows import RowReader, checksum, handed_over


@dataclass(frozen=True)
class StreamSettings:
    """The arguments of `fit_stream` that say how to train, checked."""

    n_epochs: int
    buffer_rows: int
    read_ahead: int
    cache: str | None
    checkpoint: str | None
    checkpoint_every: float
    listeners: tuple[Callable[[StreamProgress], None], ...]


class StreamFit:
    """Trains an estimator's parameters on a stream from a position on.

    Parameters
    ----------
    estimator : estimator of rows with targets
        Knows the units of target and features; given its parameters at each checkpoint and at the end.
    outputs : list of Parameters
        For features of unit size; changed in place.
    stream : iterable or callable
    validation : iterable, callable or None
    position : StreamPosition
    settings : StreamSettings
    interrupt : DeferredInterrupt
    begun : iterator, optional
        The first epoch's batches, where some have been looked at already: the fit is a new one. Else it is taken up
        again from a checkpoint.
    """

    def __init__(
        self,
        estimator: Any,
        outputs: list[Parameters],
        stream: Any,
        validation: Any,
        position: StreamPosition,
        settings: StreamSettings,
        interrupt: DeferredInterrupt,
        begun: Iterator[Any] | None = None,
    ) -> None:
        self.estimator = estimator
        self.outputs = outputs
        self.position = position
        self.is_published = False  # whether the estimator has what was learned, and can be used
        self._begun = begun
        self._stream = stream
        self._validation = validation
        self._settings = settings
        self._interrupt = interrupt
        self._options = estimator._options()
        self._rng = np.random.default_rng()
        self._rng.bit_generator.state = position.generator
        self._last_checkpoint = time.monotonic()
        self._between_steps = True
        self._is_resumed = begun is None
        self._last_rows = Rows(Csr(np.zeros(1, np.int64), NO_FEATURES, None, 0), np.zeros((1, 0), np.float32), None)
        self._resumed_rows, self._resumed_at = position.rows, time.perf_counter()

    # --- the run -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Train to the end.

        Raises
        ------
        KeyboardInterrupt
            With the estimator trained as far as it went, and a checkpoint written where one is wanted.
        DivergenceError
            With the parameters of the best epoch, if one was validated.
        ValueError, OSError
        """
        schedule = self._schedule()
        validate = None if self._validation is None else self._validate
        done = False
        try:
            if self._begun is not None and self._settings.checkpoint is not None:
                self._write_checkpoint()  # it holds what chance has decided, and the name of the cache
            loop.run_epochs(
                self.outputs, lambda epoch: self._run_epoch(epoch, schedule), validate, schedule, self.position.run
            )
        except KeyboardInterrupt:
            if self._settings.checkpoint is not None and self._between_steps:
                self._write_checkpoint()
            self._publish(self.position.run.best or self.outputs)
            self.is_published = True
            raise
        else:
            self._publish(self.outputs)
            self.is_published = done = True
        finally:
            self._remove_cache(done=done)
        self.position.run.raise_divergence()

    def _schedule(self) -> Schedule:
        estimator = self.estimator
        return Schedule(
            max_iter=self._settings.n_epochs,
            n_iter_no_change=estimator.n_iter_no_change,
            tol=estimator.tol * estimator._target_unit() ** 2,
            shuffle=estimator.shuffle,
            n_threads=effective_n_jobs(estimator.n_jobs),
            learning_rate=estimator._chosen().learning_rate,
            typical_loss=self.position.typical_loss,
            report=self._end_of_epoch,
        )

    def _run_epoch(self, epoch: int, schedule: Schedule) -> float:
        position = self.position
        self._resumed_rows, self._resumed_at = position.rows, time.perf_counter()
        buffers = self._buffers(epoch, position.buffers)
        with ReadAhead(buffers, self._settings.read_ahead, self._interrupt.check) as reader:
            for buffer in reader:
                if buffer is not None:
                    self._train_on(buffer, epoch, schedule)
                self._interrupt.check()
        if not position.weight_sum:
            raise ValueError(
                f"batches gave no rows in epoch {epoch}. For several epochs it must be an iterable that can be gone "
                "through again, or a function that begins anew; or name a folder as cache."
            )
        loss = position.loss_sum / position.weight_sum
        self._between_steps = False  # until the history has all of this epoch
        position.begin_next_epoch()
        return loss

    def _train_on(self, buffer: Buffer, epoch: int, schedule: Schedule) -> None:
        started = time.perf_counter()
        position = self.position
        self._between_steps = False
        self._last_rows = buffer.rows
        if buffer.n_features > len(self.outputs[0].w_records):
            self._grow(buffer.n_features)
        loss = loop.run_epoch(epoch, self.outputs, buffer, self._options, schedule)
        position.loss_sum += loss * buffer.total_weight
        position.weight_sum += buffer.total_weight
        position.rows += buffer.rows.X.n_rows
        position.buffers += 1
        position.seconds += time.perf_counter() - started
        self._between_steps = True
        self._tell(epoch)
        if self._settings.checkpoint is not None and self._is_due():
            self._write_checkpoint()

    def _grow(self, n_features: int) -> None:
        """Give the parameters, and those of the best epoch, the same new features."""
        state = self._rng.bit_generator.state
        for outputs in (self.outputs, self.position.run.best):
            self._rng.bit_generator.state = state
            outputs[:] = [grown(params, n_features, self._options, self._rng) for params in outputs]
        self.position.generator = dict(self._rng.bit_generator.state)
        self.estimator.n_features_in_ = n_features

    # --- rows --------------------------------------------------------------------------------------------------------

    def _buffers(self, epoch: int, first: int) -> Iterator[Buffer | None]:
        """Yield the buffers of an epoch; None for one that has been trained on before. Runs in the reading thread."""
        path = self._cache_path()
        if path is None or epoch == 1:
            yield from self._from_source(epoch, first, path if epoch == 1 else None)
            return
        if not os.path.exists(path):  # the fit goes on where the cache has been lost
            yield from self._from_source(epoch, None, path)
        with RowBlocks(path) as blocks:
            n_outputs, n_features = len(self.outputs), len(self.outputs[0].w_records)
            yield from cached_buffers(blocks, self._plan(), epoch, first, n_outputs, n_features)

    def _from_source(self, epoch: int, first: int | None, cache: str | None) -> Iterator[Buffer | None]:
        """Yield the buffers of an epoch over the source, None for those before `first`, or for all if that is None."""
        begun, self._begun = self._begun, None
        batches = batches_of(self._stream) if begun is None else begun
        rows = RowReader(self.estimator).rows(batches)
        plan = self._plan()
        writer = None if cache is None else RowBlockWriter(cache)
        try:
            if first != 0 or (epoch == 1 and self._is_resumed):
                rows = self._checked_beginning(rows, plan.buffer_rows)
            yield from source_buffers(rows, plan, epoch, first, writer)
            if writer is not None:
                writer.finish()
        finally:
            if writer is not None:
                writer.abandon()
            close = getattr(batches, "close", None)
            if close is not None:
                close()

    def _checked_beginning(self, rows: Iterator[Rows], n_rows: int) -> Iterator[Rows]:
        """Yield all rows, once the first ones are found to be those that the fit began with.

        Raises
        ------
        ValueError
            If they are others.
        """
        beginning = list(_until(rows, n_rows))
        if not beginning or checksum(concat_rows(beginning), n_rows) != self.position.first_rows:
            raise ValueError(
                f"The stream begins with other rows than when the fit was started (checkpoint: "
                f"{self._settings.checkpoint}). To go on, and to fill a lost cache again, it must give the same rows "
                "in the same order. Delete the checkpoint (or name another) to train anew."
            )
        yield from handed_over(beginning)
        yield from rows

    def _plan(self) -> Plan:
        return Plan(
            buffer_rows=self._settings.buffer_rows,
            shuffle=bool(self.estimator.shuffle),
            seed=self.position.seed,
            n_threads=effective_n_jobs(self.estimator.n_jobs),
            record_bytes=self.outputs[0].record_bytes,
        )

    # --- validation --------------------------------------------------------------------------------------------------

    def _validate(self, epoch: int) -> float:
        """Return the mean loss of the validation rows."""
        loss_sum = weight_sum = 0.0
        n_threads = effective_n_jobs(self.estimator.n_jobs)
        reader = RowReader(self.estimator)
        with ReadAhead(reader.rows(batches_of(self._validation)), self._settings.read_ahead) as parts:
            for rows in parts:
                if rows.X.n_features > len(self.outputs[0].w_records):
                    self._grow(rows.X.n_features)
                loss = loop.mean_loss(self.outputs, rows, self._options.loss, n_threads)
                weight = rows.X.n_rows if rows.sample_weight is None else rows.sample_weight.sum(dtype=np.float64)
                loss_sum += loss * float(weight)
                weight_sum += float(weight)
        if not weight_sum:
            raise ValueError(f"validation gave no rows in epoch {epoch}; it is gone through after each epoch.")
        if not np.isfinite(loss_sum):
            raise loop.divergence("the validation loss became NaN or infinite", epoch, rows, self._schedule())
        return loss_sum / weight_sum

    # --- what comes of it --------------------------------------------------------------------------------------------

    def _end_of_epoch(self, epoch: int, history: History) -> None:
        run = self.position.run
        is_last = epoch == self._settings.n_epochs or run.monitor.epochs_without_gain >= self.estimator.n_iter_no_change
        if self._settings.checkpoint is not None and (is_last or self._is_due()):
            self._write_checkpoint()
        if self.estimator.verbose:
            self.estimator._print_progress(0, epoch, history, self._settings.n_epochs)

    def _is_due(self) -> bool:
        return time.monotonic() - self._last_checkpoint >= self._settings.checkpoint_every

    def _write_checkpoint(self) -> None:
        assert self._settings.checkpoint is not None
        self._publish(self.outputs)
        try:
            write_checkpoint(self._settings.checkpoint, self.estimator, self.position)
        finally:
            self.estimator._to_unit_size(self.outputs)
        self._last_checkpoint = time.monotonic()

    def _publish(self, outputs: list[Parameters]) -> None:
        """Let the estimator have these parameters, in the user's units, and what it tells about the training."""
        whole = self.position.run.history
        n_epochs = len(whole.seconds)  # an epoch that was broken off does not count
        history = History(whole.train_loss[:n_epochs], whole.val_loss[:n_epochs], whole.seconds, whole.best_epoch)
        self.estimator._to_user_units(outputs, self._last_rows, self._schedule(), n_epochs + 1)
        self.estimator._keep(outputs, history)

    def _tell(self, epoch: int) -> None:
        position = self.position
        seconds = time.perf_counter() - self._resumed_at
        n_rows = position.rows_of_epoch or getattr(self._stream, "n_rows", None)
        rate = (position.rows - self._resumed_rows) / seconds if seconds > 0 else 0.0
        progress = StreamProgress(epoch, self._settings.n_epochs, position.rows, n_rows, rate)
        for listener in self._settings.listeners:
            listener(progress)

    def _cache_path(self) -> str | None:
        cache = self._settings.cache
        return None if cache is None else os.path.join(cache, self.position.cache_name)

    def _remove_cache(self, *, done: bool) -> None:
        """Remove the cache, unless a later run may go on with it."""
        path = self._cache_path()
        if path is not None and (done or self._settings.checkpoint is None) and os.path.exists(path):
            os.unlink(path)


def _until(rows: Iterator[Rows], n_rows: int) -> Iterator[Rows]:
    """Yield rows until there are ``n_rows`` of them."""
    n = 0
    while n < n_rows and (part := next(rows, None)) is not None:
        n += part.X.n_rows
        yield part
