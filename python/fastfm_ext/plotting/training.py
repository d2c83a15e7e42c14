"""Displays of training: learning curves of several models, and quality against time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fastfm_ext._common.arrays import Float64, Int64
from fastfm_ext._common.extras import require
from fastfm_ext.plotting.axes import COLORS, in_legend, new_axes, tidy
from fastfm_ext.plotting.display import Display

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Histories = Mapping[str, Mapping[str, Sequence[float]]]
# Keys of `history_` that say how good a model is, and how they are read.
QUALITIES = {
    "val_loss": "loss on validation rows",
    "val_score": "score on validation interactions",
    "train_loss": "loss on training rows",
}


class HistoryDisplay(Display):
    """Display of what several models have in their ``history_``.

    Parameters
    ----------
    histories : mapping of str to mapping
        By the model's name, its ``history_``.
    """

    ax_: Axes

    def __init__(self, histories: Histories) -> None:
        self.histories = {name: dict(history) for name, history in histories.items()}

    @classmethod
    def from_estimator(cls, estimators: Any, *, ax: Axes | None = None) -> Self:
        """Draw fitted estimators by their histories.

        Parameters
        ----------
        estimators : estimator, Pipeline, or mapping of str to these
            Fitted; a mapping gives them names.
        ax : matplotlib.axes.Axes, optional
            Where to draw. Default: a new figure, which is made without pyplot.

        Returns
        -------
        LearningCurveDisplay or QualityTimeDisplay

        Raises
        ------
        ValueError
            If an estimator has no losses of epochs, as Bayesian ones do not.
        ImportError
            If matplotlib is not installed.
        """
        return cls(histories_of(estimators)).plot(ax=ax)

    @abstractmethod
    def plot(self, *, ax: Axes | None = None) -> Self:
        """Draw the histories on these axes, or on new ones."""


class LearningCurveDisplay(HistoryDisplay):
    """Learning curves of several models: the loss of every epoch.

    Create one with `from_estimator`.

    Parameters
    ----------
    histories : mapping of str to mapping
        By the model's name, its ``history_``: "train_loss", (n_epochs,), and perhaps "val_loss" or "val_score".

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> from fastfm_ext.plotting import LearningCurveDisplay
    >>> history = {"train_loss": [0.6, 0.4, 0.3], "val_loss": [0.62, 0.45, 0.47]}
    >>> display = LearningCurveDisplay({"8 factors": history}).plot()
    >>> display.ax_.get_xlabel()
    'epoch'
    """

    def plot(self, *, ax: Axes | None = None) -> Self:
        """Draw one line for each model, dashed for its training rows, and mark the best epochs.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            As for `from_estimator`.

        Returns
        -------
        LearningCurveDisplay
        """
        key = quality_key(self.histories)
        ticker = require("matplotlib.ticker", "plot")
        ax = new_axes() if ax is None else ax
        for (name, history), color in zip(self.histories.items(), _colors(self.histories), strict=True):
            values = np.asarray(history[key], dtype=np.float64)
            label = f"{in_legend(name)}: {_best(values, key):.4g}"
            ax.plot(
                _epochs(values), values, color=color, linewidth=2.0, marker="o" if len(values) == 1 else "", label=label
            )
            if key == "val_loss" and "train_loss" in history:
                # After partial_fit there are more epochs of it.
                train = np.asarray(history["train_loss"], dtype=np.float64)
                ax.plot(_epochs(train), train, "--", color=color, linewidth=1.0, label="_training rows")
            if np.isfinite(values).any():
                at = _best_epoch(values, key)
                ax.plot([at + 1], [values[at]], "o", color=color, label="_best epoch")
        ax.set_xlabel("epoch")
        ax.set_ylabel(QUALITIES[key] + (" (dashed: training rows)" if key == "val_loss" else ""))
        ax.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
        tidy(ax)
        ax.legend(frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class QualityTimeDisplay(HistoryDisplay):
    """Quality of several models against the seconds of their training.

    Create one with `from_estimator`.

    Parameters
    ----------
    histories : mapping of str to mapping
        By the model's name, its ``history_``: "seconds", (n_epochs,), and "val_loss", "val_score" or "train_loss".

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> from fastfm_ext.plotting import QualityTimeDisplay
    >>> history = {"train_loss": [0.6, 0.4], "val_loss": [0.62, 0.45], "seconds": [0.5, 0.5]}
    >>> display = QualityTimeDisplay({"8 factors": history}).plot()
    >>> display.ax_.get_lines()[0].get_xdata().tolist()
    [0.5, 1.0]
    """

    def plot(self, *, ax: Axes | None = None) -> Self:
        """Draw one line for each model, with a dot for each epoch.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            As for `from_estimator`.

        Returns
        -------
        QualityTimeDisplay
        """
        key = quality_key(self.histories)
        ax = new_axes() if ax is None else ax
        for (name, history), color in zip(self.histories.items(), _colors(self.histories), strict=True):
            values, seconds = np.asarray(history[key], dtype=np.float64), np.cumsum(history.get("seconds", ()))
            if len(seconds) < len(values):
                raise ValueError(f"the history of {name!r} must have seconds for each epoch")
            label = f"{in_legend(name)}: {_best(values, key):.4g}"
            ax.plot(seconds[: len(values)], values, "o-", color=color, markersize=3.5, label=label)
        ax.set_xlabel("seconds of training")
        ax.set_ylabel(QUALITIES[key])
        ax.set_xlim(left=0.0)
        tidy(ax)
        ax.legend(frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def histories_of(estimators: Any) -> Histories:
    """Return the histories of fitted estimators by name."""
    if not isinstance(estimators, Mapping):
        last = _last(estimators)
        return {type(last).__name__: _history(last)}
    return {str(name): _history(_last(estimator)) for name, estimator in estimators.items()}


def quality_key(histories: Histories) -> str:
    """Return the key of what all models have: a validation if possible.

    Raises
    ------
    ValueError
        If they have none in common.
    """
    if not histories:
        raise ValueError("there is no model to draw")
    for key in QUALITIES:
        if all(len(history.get(key, ())) for history in histories.values()):
            return key
    found = {name: sorted(history) for name, history in histories.items()}
    raise ValueError(f"the models have none of {list(QUALITIES)} in common; their histories have {found}")


def _last(estimator: Any) -> Any:
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def _history(estimator: Any) -> Any:
    if not hasattr(estimator, "history_"):
        raise ValueError(f"{type(estimator).__name__} has no history_: fit it first")
    return estimator.history_


def _colors(histories: Histories) -> list[str]:
    return [COLORS[number % len(COLORS)] for number in range(len(histories))]


def _epochs(values: Float64) -> Int64:
    """Return the numbers of the epochs, from 1."""
    return np.arange(1, len(values) + 1)


def _best_epoch(values: Float64, key: str) -> int:
    return int(np.nanargmax(values) if key == "val_score" else np.nanargmin(values))


def _best(values: Float64, key: str) -> float:
    return float(values[_best_epoch(values, key)]) if np.isfinite(values).any() else float("nan")
