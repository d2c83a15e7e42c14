"""Display of vectors: a map of items in two dimensions, where items of like factors lie close together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from fastfm_ext._common.arrays import AnyArray, Float64
from fastfm_ext._common.checks import kind_of
from fastfm_ext.plotting.axes import COLORS, PLAIN_COLOR, in_legend, new_axes, shortened, tidy
from fastfm_ext.plotting.display import Display

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST_LABEL, LABEL_SIZE = 32, 7
# Of the letters of a label on average, in units of its size.
LETTER_WIDTH, LINE_HEIGHT = 0.56, 1.15
# Where a label begins or ends, in points from its item.
SIDES = {"left": (4.0, 2.0), "right": (-4.0, 2.0)}


class VectorMapDisplay(Display):
    """Vectors of items as points of a plane, with labels.

    The plane is that of the two first principal components, which keeps as much of the vectors' differences as a plane
    can (Pearson 1901). Create one with `from_estimator`.

    Parameters
    ----------
    vectors : array-like of shape (n_items, n_factors)
    labels : sequence of str of length n_items, optional
        Names of the items; empty for none.
    groups : sequence of length n_items, optional
        What items are colored by, such as their genre.

    Attributes
    ----------
    points : ndarray of shape (n_items, 2)
    explained_variance_ratio : ndarray of shape (2,)
        The share of the variance along each axis.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    References
    ----------
    Pearson, "On lines and planes of closest fit to systems of points in space" (1901).

    Examples
    --------
    >>> from fastfm_ext.plotting import VectorMapDisplay
    >>> display = VectorMapDisplay([[0.0, 0.0], [1.0, 0.0], [3.0, 0.1]], ["a", "b", "c"]).plot()
    >>> [text.get_text() for text in display.ax_.texts]
    ['a', 'b', 'c']
    """

    ax_: Axes

    def __init__(
        self,
        vectors: ArrayLike,
        labels: Sequence[Any] | AnyArray | None = None,
        groups: Sequence[Any] | AnyArray | None = None,
    ) -> None:
        given = np.asarray(vectors, dtype=np.float64)
        if given.ndim != 2 or not len(given):
            raise ValueError(f"vectors must have shape (n_items, n_factors); got {given.shape}")
        if not np.isfinite(given).all():
            raise ValueError("vectors must be finite")
        for name, values in (("labels", labels), ("groups", groups)):
            if values is not None and len(values) != len(given):
                raise ValueError(f"{name} must have one value for each of {len(given)} items; got {len(values)}")
        self.labels = None if labels is None else [str(label) for label in labels]
        self.groups = None if groups is None else [str(group) for group in groups]
        self.points, self.explained_variance_ratio = _on_a_plane(given)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X_item: Any,
        labels: Sequence[Any] | AnyArray | None = None,
        groups: Sequence[Any] | AnyArray | None = None,
        *,
        ax: Axes | None = None,
    ) -> Self:
        """Draw a map of the vectors of items.

        Parameters
        ----------
        estimator : fitted estimator with `item_vector`
        X_item : {array-like, sparse matrix} of shape (n_items, n_features)
            Rows that hold the features of an item and no user's.
        labels, groups : sequence of length n_items, optional
            Names of the items, empty for none; and what they are colored by.
        ax : matplotlib.axes.Axes, optional
            Where to draw. Default: a new figure, which is made without pyplot.

        Returns
        -------
        VectorMapDisplay
            Of the factors; what an item scores by itself has no part in it.

        Raises
        ------
        TypeError
            If the estimator has no `item_vector`.
        ValueError
            If the rows do not fit the model, or labels or groups are not one for each.
        ImportError
            If matplotlib is not installed.
        """
        if not hasattr(estimator, "item_vector"):
            raise TypeError(
                "estimator must have item_vector, as fitted models of fastfm_ext do; of a Pipeline, give the last step "
                f"and rows that the others have encoded. Got {kind_of(estimator)}."
            )
        return cls(estimator.item_vector(X_item)[:, 1:], labels, groups).plot(ax=ax)

    def plot(self, *, ax: Axes | None = None) -> Self:
        """Draw a point for each item, and its label beside it, unless it would lie upon that of an item before it.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            As for `from_estimator`.

        Returns
        -------
        VectorMapDisplay
        """
        ax = new_axes(8.0, 6.4) if ax is None else ax
        for name, color, members in self._parts():
            points = self.points[members]
            ax.scatter(
                points[:, 0], points[:, 1], s=14, color=color, alpha=0.75, linewidths=0, label=name and in_legend(name)
            )
        ax.margins(0.08)
        self._write_labels(ax)
        first, second = 100 * self.explained_variance_ratio
        ax.set_xlabel(f"first component ({first:.0f} % of the variance)")
        ax.set_ylabel(f"second component ({second:.0f} %)")
        tidy(ax)
        if self.groups is not None:
            ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _write_labels(self, ax: Axes) -> None:
        """Write each label on a side of its point where it meets no other label, if there is one."""
        figure: Any = ax.figure.figure  # that of a subfigure is the whole
        width, height = 72.0 * figure.get_size_inches() * ax.get_position().size
        (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
        taken: list[Float64] = []
        for label, (x, y) in zip(self.labels or (), self.points, strict=bool(self.labels)):
            text = shortened(label, LONGEST_LABEL)
            place = np.array([(x - left) / (right - left) * width, (y - bottom) / (top - bottom) * height])
            size = LABEL_SIZE * np.array([LETTER_WIDTH * len(text), LINE_HEIGHT])
            for side, offset in SIDES.items():
                corner = place + np.asarray(offset) - [size[0] if side == "right" else 0.0, 0.0]
                box = np.stack([corner, corner + size])
                if text and not any((box[0] < other[1]).all() and (other[0] < box[1]).all() for other in taken):
                    taken.append(box)
                    ax.annotate(text, (x, y), offset, textcoords="offset points", fontsize=LABEL_SIZE, ha=side)
                    break

    def _parts(self) -> list[tuple[str | None, str, AnyArray]]:
        """Return name, color and numbers of the items of each group, the largest groups first."""
        everyone = np.arange(len(self.points))
        if self.groups is None:
            return [(None, COLORS[0], everyone)]
        names, group_of, sizes = np.unique(self.groups, return_inverse=True, return_counts=True)
        order = np.argsort(-sizes, kind="stable")
        colors = [*COLORS[: len(order)], *[PLAIN_COLOR] * max(0, len(order) - len(COLORS))]
        return [(str(names[g]), color, everyone[group_of == g]) for g, color in zip(order, colors, strict=True)]


def _on_a_plane(vectors: Float64) -> tuple[Float64, Float64]:
    """Return principal components (n_items, 2) and their shares of the variance; 0 where there are not so many."""
    centered = vectors - vectors.mean(axis=0)
    left, lengths, right = np.linalg.svd(centered, full_matrices=False)
    lengths[lengths < 1e-10 * lengths.max(initial=0.0)] = 0.0  # by rounding alone
    # The sign of a component is arbitrary: its largest coefficient is made positive, so that a map can be drawn again.
    signs = np.array([np.sign(row[np.abs(row).argmax()]) for row in right] if right.size else np.ones(len(right)))
    points, shares = np.zeros((len(vectors), 2)), np.zeros(2)
    n = min(2, len(lengths))
    points[:, :n] = (left * lengths * signs)[:, :n]
    total = float((lengths**2).sum())
    if total:
        shares[:n] = lengths[:n] ** 2 / total
    return points, shares
