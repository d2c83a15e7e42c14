"""Displays of explanations: importance bars, interactions of fields, and the waterfall of one prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from fastfm_ext._common.arrays import AnyArray, Float64
from fastfm_ext._common.checks import is_integer
from fastfm_ext.explain import Contribution, contributions, field_interactions, importance
from fastfm_ext.plotting.axes import COLORS, NEGATIVE_COLOR, PLAIN_COLOR, POSITIVE_COLOR, new_axes, tidy
from fastfm_ext.plotting.display import Display
from fastfm_ext.plotting.heat_map import check_pairs, draw_pairs, name_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class ImportanceDisplay(Display):
    """Importance of columns or features as bars.

    Create one with `from_estimator`.

    Parameters
    ----------
    values : mapping of str to float
        What `fastfm_ext.explain.importance` returns.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> from fastfm_ext.plotting import ImportanceDisplay
    >>> display = ImportanceDisplay({"film": 0.5, "day": 0.1}).plot()
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['film', 'day']
    """

    ax_: Axes

    def __init__(self, values: Mapping[str, float]) -> None:
        self.values = dict(values)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        background: Any = None,
        *,
        encoder: Any = None,
        fields: ArrayLike | None = None,
        by_feature: bool = False,
        max_display: int = 20,
        ax: Axes | None = None,
    ) -> Self:
        """Measure the importance of columns for the scores of rows, and draw it.

        Parameters
        ----------
        estimator : fitted estimator, or a Pipeline that ends with one
        X : {array-like, sparse matrix, data frame} of shape (n_rows, n_features)
        background, encoder, fields, by_feature : optional
            As for `fastfm_ext.explain.importance`.
        max_display : int, default=20
            Bars, at most.
        ax : matplotlib.axes.Axes, optional
            Where to draw. Default: a new figure, which is made without pyplot.

        Returns
        -------
        ImportanceDisplay

        Raises
        ------
        ValueError
            As `fastfm_ext.explain.importance`.
        ImportError
            If matplotlib is not installed.
        """
        values = importance(estimator, X, background, encoder=encoder, fields=fields, by_feature=by_feature)
        return cls(values).plot(max_display=max_display, ax=ax)

    def plot(self, *, max_display: int = 20, ax: Axes | None = None) -> Self:
        """Draw one bar for each column, the largest on top.

        Parameters
        ----------
        max_display : int, default=20
            Bars, at most.
        ax : matplotlib.axes.Axes, optional
            As for `from_estimator`.

        Returns
        -------
        ImportanceDisplay
        """
        _check_most(max_display)
        shown = list(self.values.items())[:max_display]
        ax = new_axes(7.0, 1.2 + 0.32 * len(shown)) if ax is None else ax
        bars = ax.barh(range(len(shown)), [value for _, value in shown], color=COLORS[0], height=0.7)
        ax.bar_label(bars, fmt="%.3g", padding=3, fontsize=8)
        name_rows(ax, [name for name, _ in shown])
        ax.set_xlabel("mean size of the contribution to the score")
        ax.margins(x=0.12)
        tidy(ax, "x")
        self.ax_, self.figure_ = ax, ax.figure
        return self


class FieldInteractionDisplay(Display):
    """Interactions of columns as a heat map.

    Create one with `from_estimator`.

    Parameters
    ----------
    names : sequence of str, of length n_columns
    values : array-like of shape (n_columns, n_columns)
        What `fastfm_ext.explain.field_interactions` returns.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> from fastfm_ext.plotting import FieldInteractionDisplay
    >>> display = FieldInteractionDisplay(["user", "film"], [[0.3, 0.6], [0.6, 0.2]]).plot()
    >>> [label.get_text() for label in display.ax_.get_xticklabels()]
    ['user', 'film']
    """

    ax_: Axes

    def __init__(self, names: Sequence[Any] | AnyArray, values: ArrayLike) -> None:
        self.names = [str(name) for name in names]
        self.values: Float64 = np.asarray(values, dtype=np.float64)
        check_pairs(self.names, self.values)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        background: Any = None,
        *,
        encoder: Any = None,
        fields: ArrayLike | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Measure the interactions of columns in rows, and draw them.

        Parameters
        ----------
        estimator : fitted estimator, or a Pipeline that ends with one
        X : {array-like, sparse matrix, data frame} of shape (n_rows, n_features)
        background, encoder, fields : optional
            As for `fastfm_ext.explain.field_interactions`.
        ax : matplotlib.axes.Axes, optional
            Where to draw. Default: a new figure, which is made without pyplot.

        Returns
        -------
        FieldInteractionDisplay

        Raises
        ------
        ValueError
            As `fastfm_ext.explain.field_interactions`.
        ImportError
            If matplotlib is not installed.
        """
        found = field_interactions(estimator, X, background, encoder=encoder, fields=fields)
        return cls(found.names, found.values).plot(ax=ax)

    def plot(self, *, ax: Axes | None = None) -> Self:
        """Draw a square for each pair of columns, and on the diagonal what each adds alone.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            As for `from_estimator`.

        Returns
        -------
        FieldInteractionDisplay
        """
        ax = draw_pairs(self.names, self.values, "mean size in the score (diagonal: alone)", ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self


class WaterfallDisplay(Display):
    """The way from the mean score of a background to the score of one row, column by column.

    Create one with `from_estimator`.

    Parameters
    ----------
    base_value : float
    steps : sequence of Contribution
        By falling size, as `Contributions.top` gives them.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> from fastfm_ext.explain import Contribution
    >>> from fastfm_ext.plotting import WaterfallDisplay
    >>> display = WaterfallDisplay(
    ...     3.5, [Contribution("film", "Alien", 0.8), Contribution("day", "sun", -0.1)]
    ... ).plot()
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['film = Alien', 'day = sun']
    """

    ax_: Axes

    def __init__(self, base_value: float, steps: Sequence[Contribution]) -> None:
        self.base_value = float(base_value)
        self.steps = list(steps)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        background: Any = None,
        *,
        row: int = 0,
        label: Any = None,
        encoder: Any = None,
        fields: ArrayLike | None = None,
        by_feature: bool = False,
        max_display: int = 10,
        ax: Axes | None = None,
    ) -> Self:
        """Take the score of one row apart, and draw the steps to it.

        Parameters
        ----------
        estimator : fitted estimator, or a Pipeline that ends with one
        X : {array-like, sparse matrix, data frame} of shape (n_rows, n_features)
        background, encoder, fields, by_feature : optional
            As for `fastfm_ext.explain.contributions`.
        row : int, default=0
            Which of the rows.
        label : object, optional
            The class, for a model of more than two.
        max_display : int, default=10
            Bars, at most; the last one has the rest.
        ax : matplotlib.axes.Axes, optional
            Where to draw. Default: a new figure, which is made without pyplot.

        Returns
        -------
        WaterfallDisplay

        Raises
        ------
        ValueError
            As `fastfm_ext.explain.contributions`, or for a row that there is not.
        ImportError
            If matplotlib is not installed.
        """
        found = contributions(estimator, X, background, encoder=encoder, fields=fields, by_feature=by_feature)
        steps = found.top(row, None, label)
        bases = np.atleast_1d(found.base_value)
        base = bases[0 if found.classes is None else found.classes.tolist().index(label)]
        return cls(float(base), steps).plot(max_display=max_display, ax=ax)

    @property
    def score(self) -> float:
        """The score of the row."""
        return self.base_value + sum(step.value for step in self.steps)

    def plot(self, *, max_display: int = 10, ax: Axes | None = None) -> Self:
        """Draw a bar for each step, from top to bottom, with lines at the first and the last score.

        Parameters
        ----------
        max_display : int, default=10
            Bars, at most; the last one has the rest.
        ax : matplotlib.axes.Axes, optional
            As for `from_estimator`.

        Returns
        -------
        WaterfallDisplay
        """
        _check_most(max_display)
        names, values, stds = self._bars(max_display)
        starts = self.base_value + np.concatenate([[0.0], np.cumsum(values)[:-1]]) if len(values) else np.zeros(0)
        ax = new_axes(7.6, 1.6 + 0.36 * len(values)) if ax is None else ax
        colors = [POSITIVE_COLOR if value >= 0 else NEGATIVE_COLOR for value in values]
        errors = None if any(std is None for std in stds) or not stds else np.asarray(stds, dtype=np.float64)
        bars = ax.barh(range(len(values)), values, left=starts, color=colors, height=0.6, xerr=errors, ecolor="#555555")
        behind = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.5}
        ax.bar_label(bars, [f"{value:+.3g}" for value in values], padding=4, fontsize=8, bbox=behind, zorder=4)
        ends = starts + values
        for number in range(len(values) - 1):
            ax.plot([ends[number]] * 2, [number - 0.3, number + 1.3], color=PLAIN_COLOR, linewidth=0.7)
        ax.axvline(self.base_value, color=PLAIN_COLOR, linestyle=":", label=f"background: {self.base_value:.4g}")
        ax.axvline(self.score, color="#111111", linestyle="--", linewidth=1.0, label=f"this row: {self.score:.4g}")
        name_rows(ax, names)
        ax.set_xlabel("score")
        # With room for the numbers beside the bars.
        low, high = (f([self.base_value, self.score, *ends]) for f in (min, max))
        ax.set_xlim(low - 0.14 * (high - low or 1.0), high + 0.14 * (high - low or 1.0))
        tidy(ax, None)
        ax.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=2)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _bars(self, most: int) -> tuple[list[str], Float64, list[float | None]]:
        """Return labels, values and spreads of the bars."""
        shown = self.steps if len(self.steps) <= most else self.steps[: most - 1]
        names = [f"{step.name} = {step.data}" if step.data else step.name for step in shown]
        values, stds = [step.value for step in shown], [step.std for step in shown]
        rest = self.steps[len(shown) :]
        if rest:
            names.append(f"{len(rest)} others")
            values.append(sum(step.value for step in rest))
            stds.append(None if shown and shown[0].std is None else 0.0)
        return names, np.asarray(values, dtype=np.float64), stds


def _check_most(max_display: int) -> None:
    if not is_integer(1)(max_display):
        raise ValueError(f"max_display must be a positive integer; got {max_display!r}")
