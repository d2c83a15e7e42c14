"""Progress of sampling: printed lines, a bar, and the user's callback, which may end it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from fastfm_ext._common.checks import is_bool
from fastfm_ext._estimators.listeners import new_bar


@dataclass(frozen=True)
class SweepProgress:
    """Progress of a fit after a sweep, with which a `callback` is called.

    Attributes
    ----------
    sweep : int
        The sweep that has ended, from 1.
    max_sweeps : int
        Most sweeps that there will be.
    is_burn_in : bool
        Whether it was one of the burn-in, which no prediction averages over.
    history : dict of str to list of float
        What `history_` would be if the fit ended here.

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext.bayesian import BayesianFMRegressor
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> def after_fifty(progress):
    ...     return progress.sweep == 50
    >>> model = BayesianFMRegressor(n_factors=2, random_state=0).fit(
    ...     X, X[:, 0] * X[:, 1], callback=after_fifty
    ... )
    >>> model.n_sweeps_
    50
    """

    sweep: int
    max_sweeps: int
    is_burn_in: bool
    history: dict[str, list[float]]


SweepCallback = Callable[[SweepProgress], Any]


class SweepListeners:
    """Those who are told of sampling, from its beginning to its end.

    Parameters
    ----------
    verbose : int or "bar"
    max_sweeps : int
    callback : callable or None

    Raises
    ------
    TypeError
        If `callback` cannot be called.
    ImportError
        If a bar is wanted and tqdm is not installed.
    """

    def __init__(self, verbose: int | str, max_sweeps: int, callback: SweepCallback | None) -> None:
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be a function of one argument; got {callback!r}.")
        self._max_sweeps = max_sweeps
        self._callback = callback
        self._prints = bool(verbose) and not isinstance(verbose, str)
        self._bar = new_bar(total=max_sweeps, unit="sweep") if isinstance(verbose, str) else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()

    def end_sweep(self, get_history: Callable[[], dict[str, list[float]]], n_before: int, *, is_burn_in: bool) -> bool:
        """Tell of a sweep that has ended, `n_before` after others of earlier fits; return whether it is enough.

        The history is asked for only where somebody wants it.
        """
        if not self._prints and self._bar is None and self._callback is None:
            return False
        history = get_history()
        sweep = len(history["seconds"]) - n_before
        words = [f"{name} {values[-1]:.4g}" for name, values in history.items() if name != "seconds"]
        if is_burn_in:
            words.append("burn-in")
        if self._prints:
            seconds = f"{history['seconds'][-1]:.3f} s"
            print("  ".join([f"sweep {sweep:4d}/{self._max_sweeps}", *words, seconds]), flush=True)
        if self._bar is not None:
            self._bar.set_postfix_str(", ".join(words), refresh=False)
            self._bar.update(1)
        if self._callback is None:
            return False
        answer = self._callback(SweepProgress(sweep, self._max_sweeps, is_burn_in, history))
        return is_bool(answer) and bool(answer)  # a function that logs may return anything
