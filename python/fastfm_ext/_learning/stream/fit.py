"""Streamed fit: epochs over buffers, growth, validation, checkpoints, progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastfm_ext._common.arrays import Float32
from fastfm_ext._common.interrupt import DeferredInterrupt
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.gradient import NO_FEATURES
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.divergence import DivergenceError
from fastfm_ext._learning.learner import Learner, Terms
from fastfm_ext._learning.loop import History, run_epochs
from fastfm_ext._learning.mean_loss import mean_loss
from fastfm_ext._learning.progressive import ProgressiveLog
from fastfm_ext._learning.samples import Samples
from fastfm_ext._learning.solvers.descent import descend
from fastfm_ext._learning.stream.batches import BatchReader, batches_of
from fastfm_ext._learning.stream.buffers import Buffer
from fastfm_ext._learning.stream.checkpoint import Checkpoints, StreamPosition
from fastfm_ext._learning.stream.progress import StreamProgress
from fastfm_ext._learning.stream.read_ahead import ReadAhead
from fastfm_ext._learning.stream.source import BufferSource


@dataclass(frozen=True)
class StreamSettings:
    """Arguments of `fit_stream` that say how to train, checked."""

    n_epochs: int
    buffer_rows: int
    read_ahead: int
    cache: str | None
    checkpoint: str | None
    checkpoint_every: float
    end_buffer: Callable[[StreamProgress], None]  # called after each buffer
    end_epoch: Callable[[int, History], bool]  # called after each epoch; True ends the training
    end_period: Callable[[dict[str, Any]], None]  # called with the figures of each period of the first epoch


class StreamFit:
    """Trains parameters on a stream from a position on.

    Parameters
    ----------
    learner : Learner
        Reads the rows, and gets the parameters in the end.
    scorers : list of Parameters
        In the units of training; changed in place.
    terms : Terms
    source : BufferSource
    validation : iterable, callable or None
    position : StreamPosition
    settings : StreamSettings
    interrupt : DeferredInterrupt
    """

    def __init__(
        self,
        learner: Learner,
        scorers: list[Parameters],
        terms: Terms,
        source: BufferSource,
        validation: Any,
        position: StreamPosition,
        settings: StreamSettings,
        interrupt: DeferredInterrupt,
    ) -> None:
        self.scorers = scorers
        self.position = position
        self._learner = learner
        self._terms = terms._replace(schedule=replace(terms.schedule, report=self._end_of_epoch))
        self._report = terms.schedule.report
        self._source = source
        self._validation = validation
        self._settings = settings
        self._interrupt = interrupt
        self._checkpoints = Checkpoints(settings.checkpoint, settings.checkpoint_every)
        self._is_between_steps = True  # whether position and parameters fit together
        self._last_samples = Samples(
            Csr(np.zeros(1, np.int64), NO_FEATURES, None, 0), np.zeros((1, 0), np.float32), None
        )
        self._progressive = ProgressiveLog.restored(terms.loss, terms.options.delta, position.progressive)
        self._resumed_rows, self._resumed_at = position.rows, time.perf_counter()

    # --- the run -----------------------------------------------------------------------------------------------------

    def run(self, *, is_new: bool) -> KeyboardInterrupt | DivergenceError | None:
        """Train to the end, and let the learner keep the model.

        Parameters
        ----------
        is_new : bool
            Whether there is no checkpoint yet; the first one stores the seed and the cache's name.

        Returns
        -------
        KeyboardInterrupt, DivergenceError or None
            What ended the training early. The learner has the parameters of the best epoch, if one was validated; else
            after Ctrl-C the last ones.

        Raises
        ------
        DivergenceError
            If there is no best epoch.
        ValueError, OSError
        """
        run = self.position.run
        validate = None if self._validation is None else self._validate
        interrupt = None
        is_kept = False
        try:
            if is_new:
                self._write_checkpoint()
            run_epochs(self.scorers, self._run_epoch, validate, self._terms.schedule, run)
            self._keep(self.scorers)
            is_kept = True
        except KeyboardInterrupt as error:
            interrupt = error
            if self._is_between_steps:
                self._write_checkpoint()
            self._keep(run.best or self.scorers)
        finally:
            # A later run goes on with the cache if there is a checkpoint.
            if is_kept or self._settings.checkpoint is None:
                self._source.remove_cache()
        return interrupt or run.divergence

    def _run_epoch(self, epoch: int) -> float:
        position = self.position
        self._resumed_rows, self._resumed_at = position.rows, time.perf_counter()
        n_features = self.scorers[0].n_features
        buffers = self._source.buffers(epoch, position.buffers, len(self.scorers), n_features)
        with ReadAhead(buffers, self._settings.read_ahead, self._interrupt.check) as reader:
            for buffer in reader:
                if buffer is not None:
                    self._train_on(buffer, epoch)
                self._interrupt.check()
        self._end_periods(self._progressive.end())
        if not position.weight_sum:
            raise ValueError(
                f"batches gave no rows in epoch {epoch}. For several epochs it must be an iterable that can be gone "
                "through again, or a function that begins anew; or name a folder as cache."
            )
        loss = position.loss_sum / position.weight_sum
        self._is_between_steps = False  # until the history has all of this epoch
        position.begin_next_epoch()
        return loss

    def _train_on(self, buffer: Buffer, epoch: int) -> None:
        started = time.perf_counter()
        position, terms = self.position, self._terms
        self._is_between_steps = False
        self._last_samples = buffer.samples
        self._grow_to(buffer.samples.X.n_features)
        for number, params in enumerate(self.scorers):
            params.draw_fresh(buffer.samples.X.indices, terms.options, (position.seed, number))
        if buffer.visit_counts is not None:
            buffer.l2_scale = self._learner.l2_scale(buffer.visit_counts, self.scorers[0].n_features)
        scores = self._progressive.room(buffer.samples) if epoch == 1 else None
        loss = descend(epoch, self.scorers, buffer, terms.options, terms.schedule.n_threads, terms.guard, scores)
        if epoch == 1:
            self._tally(buffer.samples, scores, loss)
        position.loss_sum += loss * buffer.total_weight
        position.weight_sum += buffer.total_weight
        position.rows += buffer.samples.X.n_rows
        position.buffers += 1
        position.seconds += time.perf_counter() - started
        self._is_between_steps = True
        self._tell(epoch, loss)
        if self._checkpoints.is_due:
            self._write_checkpoint()

    def _tally(self, samples: Samples, scores: Float32 | None, loss: float) -> None:
        """Add rows to the figures of their periods; without any, a buffer is one."""
        assert samples.numbers is not None
        labels, codes = self._source.periods.of(samples.numbers)
        if labels == [None]:
            labels, codes = [self.position.buffers + 1], np.zeros(len(codes), dtype=np.intp)
        self._end_periods(self._progressive.add(samples, scores, loss, labels, codes))

    def _end_periods(self, ended: list[dict[str, Any]]) -> None:
        for figures in ended if self._source.periods.are_named else []:
            self._settings.end_period(figures)

    def _grow_to(self, n_features: int) -> None:
        """Give the parameters, and those of the best epoch, the same new features, if there are any."""
        if n_features <= self.scorers[0].n_features:
            return
        fields = self._learner.fields_of(n_features)
        for scorers in (self.scorers, self.position.run.best):
            scorers[:] = [params.grown(n_features, self._terms.options, fields) for params in scorers]
        self._learner.n_features = n_features

    def _validate(self, epoch: int) -> float:
        """Return the mean loss of the validation rows."""
        loss_sum = weight_sum = 0.0
        terms = self._terms
        for samples in self._validation_samples():
            self._grow_to(samples.X.n_features)
            n_threads = terms.schedule.n_threads
            offset = terms.units.score_offset
            loss = mean_loss(self.scorers, samples, terms.loss, terms.options.delta, n_threads, offset)
            loss_sum += loss * samples.total_weight()
            weight_sum += samples.total_weight()
            self._last_samples = samples
        if not weight_sum:
            raise ValueError(f"validation gave no rows in epoch {epoch}; it is gone through after each epoch.")
        if not np.isfinite(loss_sum):
            raise terms.guard.error("the validation loss became NaN or infinite", epoch, self._last_samples)
        return loss_sum / weight_sum

    def _validation_samples(self) -> Iterator[Samples]:
        reader = BatchReader(self._learner, self._learner.units.centers)
        samples = reader.samples(batches_of(self._validation), to_train=False)
        with ReadAhead(samples, self._settings.read_ahead) as parts:
            yield from parts

    # --- what comes of it --------------------------------------------------------------------------------------------

    def _end_of_epoch(self, epoch: int, history: History) -> bool:
        schedule = self._terms.schedule
        ends = self._report is not None and self._report(epoch, history)
        is_last = ends or epoch == schedule.max_iter
        is_last = is_last or self.position.run.monitor.epochs_without_gain >= schedule.n_iter_no_change
        if is_last or self._checkpoints.is_due:
            self._write_checkpoint()
        return ends

    def _write_checkpoint(self) -> None:
        if self._checkpoints.are_wanted:
            scorers, history = self._terms.units.copies_for_user(self.scorers), self._history()
            self._check_finite(scorers)
            self.position.progressive = self._progressive.state()
            self._checkpoints.write(self._learner.model(scorers, history, self._progressive.figures()), self.position)

    def _keep(self, scorers: list[Parameters]) -> None:
        """Let the learner have these parameters."""
        self._terms.units.to_user(scorers)
        self._check_finite(scorers)
        self._learner.keep(scorers, self._history(), self._progressive.figures())

    def _history(self) -> History:
        return self.position.run.history.of_whole_epochs()

    def _check_finite(self, scorers: list[Parameters]) -> None:
        if not all(params.is_finite() for params in scorers):
            epoch = len(self.position.run.history.seconds) + 1
            raise self._terms.guard.error("a parameter became NaN or infinite", epoch, self._last_samples)

    def _tell(self, epoch: int, loss: float) -> None:
        position = self.position
        seconds = time.perf_counter() - self._resumed_at
        n_rows = position.rows_of_epoch or self._source.n_rows
        rate = (position.rows - self._resumed_rows) / seconds if seconds > 0 else 0.0
        self._settings.end_buffer(StreamProgress(epoch, self._settings.n_epochs, position.rows, n_rows, rate, loss))
