"""Heat maps of pairs of columns or fields, and the display of how strongly fields interact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from fastfm_ext._common.arrays import AnyArray, Float64
from fastfm_ext.explain import field_strengths
from fastfm_ext.plotting.axes import new_axes, shortened
from fastfm_ext.plotting.display import Display

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LABELS = {
    "R": "weight of the pair of fields",
    "M": "size of the pair's matrix (identity: 1)",
    "interactions": "root mean square of an interaction",
}


class FieldStrengthDisplay(Display):
    """How strongly a model lets pairs of fields interact, as a heat map.

    Create one with `from_estimator`.

    Parameters
    ----------
    names : sequence of str, of length n_fields
    values : array-like of shape (n_fields, n_fields)
    measure : {"R", "M", "interactions"}, default="interactions"
        What `fastfm_ext.explain.field_strengths` returns.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    Examples
    --------
    >>> from fastfm_ext.plotting import FieldStrengthDisplay
    >>> display = FieldStrengthDisplay(["user", "film"], [[0.0, -0.6], [-0.6, 0.2]], "R").plot()
    >>> [label.get_text() for label in display.ax_.get_xticklabels()]
    ['user', 'film']
    """

    ax_: Axes

    def __init__(self, names: Sequence[Any] | AnyArray, values: ArrayLike, measure: str = "interactions") -> None:
        self.names = [str(name) for name in names]
        self.values: Float64 = np.asarray(values, dtype=np.float64)
        self.measure = measure
        check_pairs(self.names, self.values)
        if measure not in _LABELS:
            raise ValueError(f"measure must be one of {', '.join(map(repr, _LABELS))}; got {measure!r}")

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, encoder: Any = None, fields: ArrayLike | None = None, ax: Axes | None = None
    ) -> Self:
        """Take the strengths from a model, and draw them.

        Parameters
        ----------
        estimator : fitted estimator, or a Pipeline that ends with one
        encoder, fields : optional
            As for `fastfm_ext.explain.field_strengths`.
        ax : matplotlib.axes.Axes, optional
            Where to draw. Default: a new figure, which is made without pyplot.

        Returns
        -------
        FieldStrengthDisplay

        Raises
        ------
        ValueError
            As `fastfm_ext.explain.field_strengths`.
        ImportError
            If matplotlib is not installed.
        """
        found = field_strengths(estimator, encoder, fields=fields)
        return cls(found.names, found.values, found.measure).plot(ax=ax)

    def plot(self, *, ax: Axes | None = None) -> Self:
        """Draw a square for each pair of fields: blue where features strengthen each other, red where R is negative.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            As for `from_estimator`.

        Returns
        -------
        FieldStrengthDisplay
        """
        ax = draw_pairs(self.names, self.values, _LABELS[self.measure], ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def check_pairs(names: list[str], values: Float64) -> None:
    """Raise ValueError unless `values` has a row and a column for each name."""
    if values.shape != (len(names),) * 2:
        raise ValueError(
            f"values must have a row and a column for each of {len(names)} names; got an array of shape {values.shape}"
        )


def draw_pairs(names: Sequence[str], values: Float64, label: str, ax: Axes | None) -> Axes:
    """Draw a square for each pair, (n, n), on a scale that bears the label; numbers stand in them if there are few."""
    n = len(names)
    side = 2.4 + 0.55 * n
    ax = new_axes(side + 1.2, side) if ax is None else ax
    largest = float(np.abs(values).max(initial=0.0))
    has_signs = bool((values < 0).any())
    image = ax.imshow(
        values, cmap="RdBu" if has_signs else "Blues", vmin=-largest if has_signs else 0.0, vmax=largest or None
    )
    ax.set_xticks(range(n), [shortened(name, 24) for name in names], rotation=40, ha="right")
    name_rows(ax, names)
    if n <= 15:
        for g, h in np.ndindex(n, n):
            color = "white" if abs(values[g, h]) > 0.6 * largest else "#222222"
            ax.text(h, g, f"{values[g, h]:.2g}", ha="center", va="center", color=color, fontsize=8)
    ax.spines[:].set_visible(False)
    ax.figure.colorbar(image, ax=ax, shrink=0.8).set_label(label)
    return ax


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Write a name to the left of each row, the first on top."""
    ax.set_yticks(range(len(names)), [shortened(name) for name in names])
    ax.set_ylim(max(len(names), 1) - 0.5, -0.5)
