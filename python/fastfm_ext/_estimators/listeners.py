"""Progress of a fit: printed lines, a bar, and the user's callback, which may end the training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from fastfm_ext._common.checks import is_bool
from fastfm_ext._common.extras import require
from fastfm_ext._learning.loop import History
from fastfm_ext._learning.progressive import words_of
from fastfm_ext._learning.stream.progress import Lines, StreamProgress

# A bar appears after so many seconds: a shorter fit is over before anybody could read it.
BAR_DELAY = 2.0


@dataclass(frozen=True)
class FitProgress:
    """Progress of a fit after an epoch, with which a `callback` is called.

    Attributes
    ----------
    epoch : int
        The epoch that has ended, from 1.
    max_iter : int
        Most epochs that there will be.
    best_epoch : int
        The best epoch so far on the validation rows; without any, the last one.
    history : dict of str to list of float
        What `history_` would be if the fit ended here: one value an epoch.

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext import FMRegressor
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> def below_a_tenth(progress):
    ...     return progress.history["train_loss"][-1] < 0.1
    >>> model = FMRegressor(n_factors=2, random_state=0).fit(
    ...     X, X[:, 0] * X[:, 1], callback=below_a_tenth
    ... )
    >>> model.history_["train_loss"][-1] < 0.1 < model.history_["train_loss"][-2]
    True
    """

    epoch: int
    max_iter: int
    best_epoch: int
    history: dict[str, list[float]]


Callback = Callable[[FitProgress], Any]


class Listeners:
    """Those who are told of a fit, from its beginning to its end.

    Parameters
    ----------
    estimator : FMEstimator
        Says by `verbose` how progress is shown, and puts a history into words and under its public names.
    n_epochs : int
    callback : callable or None
        Called with a `FitProgress` after each epoch.
    progress : callable or None
        Called with a `StreamProgress` after each buffer of a stream.
    is_stream : bool
    epochs_before : int
        Those of earlier calls of `partial_fit`, whose lines go on counting.

    Raises
    ------
    TypeError
        If what is to be called cannot be.
    ImportError
        If a bar is wanted and tqdm is not installed.
    """

    def __init__(
        self,
        estimator: Any,
        n_epochs: int,
        callback: Callback | None = None,
        progress: Callable[[StreamProgress], None] | None = None,
        *,
        is_stream: bool = False,
        epochs_before: int = 0,
    ) -> None:
        for name, given in (("callback", callback), ("progress", progress)):
            if given is not None and not callable(given):
                raise TypeError(f"{name} must be a function of one argument; got {given!r}.")
        self._estimator = estimator
        self._n_epochs = n_epochs
        self._epochs_before = epochs_before
        self._callback = callback
        self._progress = progress
        wants_bar = isinstance(estimator.verbose, str)
        self._prints = bool(estimator.verbose) and not wants_bar
        self._lines = Lines() if is_stream and self._prints else None
        self._bar = (_StreamBar if is_stream else _EpochBar)(n_epochs) if wants_bar else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()

    def expect(self, n_epochs: int) -> None:
        """Learn how many epochs there will be at most."""
        self._n_epochs = n_epochs
        if isinstance(self._bar, _EpochBar):
            self._bar.expect(n_epochs)

    def end_epoch(self, epoch: int, history: History) -> bool:
        """Tell of an epoch that has ended; return whether the callback wants no more."""
        words = self._estimator._in_words(history)
        if self._prints:
            before = self._epochs_before
            number = f"{before + epoch:3d}" if before else f"{epoch:3d}/{self._n_epochs}"
            print("  ".join([f"epoch {number}", *words, f"{history.seconds[-1]:.2f} s"]), flush=True)
        if self._bar is not None:
            self._bar.end_epoch(epoch, ", ".join(words))
        if self._callback is None:
            return False
        so_far = {name: list(values) for name, values in self._estimator._by_name(history).items()}
        answer = self._callback(FitProgress(epoch, self._n_epochs, history.best_epoch, so_far))
        return is_bool(answer) and bool(answer)  # a function that logs may return anything

    def end_refit_epoch(self, n_epochs: int, epoch: int, history: History) -> bool:
        """Tell of an epoch of the refit on all data, which no callback ends."""
        number, words = f"{epoch:3d}/{n_epochs}", self._estimator._in_words(history)
        if self._prints:
            print("  ".join([f"refit {number}", *words, f"{history.seconds[-1]:.2f} s"]), flush=True)
        if isinstance(self._bar, _EpochBar):
            self._bar.end_refit_epoch(f"refit {number}, {', '.join(words)}")
        return False

    def end_period(self, figures: dict[str, Any]) -> None:
        """Tell of a period of the first epoch of a stream that has ended."""
        if self._prints:
            print(f"{figures['period']}  {words_of(figures, self._estimator._loss)}", flush=True)

    def end_buffer(self, progress: StreamProgress) -> None:
        """Tell of a buffer of a stream that has been trained on."""
        if self._progress is not None:
            self._progress(progress)
        if self._lines is not None:
            self._lines(progress, self._estimator._loss.show(progress.loss))
        if isinstance(self._bar, _StreamBar):
            self._bar.end_buffer(progress)


def new_bar(**settings: Any) -> Any:
    """Return a bar that appears only once a fit has taken a while; `settings` are those of tqdm."""
    return require("tqdm.auto", "progress").tqdm(delay=BAR_DELAY, **settings)


class _EpochBar:
    """A bar of epochs."""

    def __init__(self, n_epochs: int) -> None:
        self._bar = new_bar(total=n_epochs, unit="epoch")

    def expect(self, n_epochs: int) -> None:
        self._bar.total = n_epochs

    def end_epoch(self, epoch: int, words: str) -> None:
        self._bar.set_postfix_str(words, refresh=False)
        self._bar.update(epoch - self._bar.n)

    def end_refit_epoch(self, words: str) -> None:
        self._bar.set_postfix_str(words, refresh=False)
        self._bar.update(0)

    def close(self) -> None:
        self._bar.close()


class _StreamBar:
    """A bar of the rows of all epochs; how many they are is often known only after the first."""

    def __init__(self, n_epochs: int) -> None:
        self._n_epochs = n_epochs
        self._bar = new_bar(total=None, unit=" rows", unit_scale=True)

    def end_epoch(self, epoch: int, words: str) -> None:
        self._bar.set_postfix_str(words, refresh=False)

    def end_buffer(self, progress: StreamProgress) -> None:
        before = 0
        if progress.n_rows is not None:
            before = (progress.epoch - 1) * progress.n_rows
            self._bar.total = self._n_epochs * progress.n_rows
        self._bar.set_description_str(f"epoch {progress.epoch}/{self._n_epochs}", refresh=False)
        self._bar.update(before + progress.rows - self._bar.n)

    def close(self) -> None:
        self._bar.close()
