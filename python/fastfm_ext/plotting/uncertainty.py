"""Display of a Bayesian model's uncertainty: whether its intervals cover what they should, and how sharp it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from fastfm_ext._common.arrays import Float64
from fastfm_ext._common.checks import is_integer
from fastfm_ext.plotting.axes import COLORS, PLAIN_COLOR, new_axes, tidy
from fastfm_ext.plotting.display import Display

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class UncertaintyDisplay(Display):
    """Calibration and sharpness of predicted standard deviations.

    Calibration: the share of the targets in intervals of each probability; on the diagonal if the std is right.
    Sharpness: the error of the rows from the least to the largest std, beside the std itself (Gneiting, Balabdaoui,
    Raftery 2007). Create one with `from_estimator`.

    Parameters
    ----------
    y : array-like of shape (n_rows,)
        Targets.
    mean, std : array-like of shape (n_rows,)
        Their predictions, and the standard deviations of observations.
    n_groups : int, default=5
        Groups of rows of as many each, by std.

    Attributes
    ----------
    levels, coverage : ndarray of shape (n_levels,)
        Probabilities, and the share of the targets in intervals of each.
    group_std, group_rmse : ndarray of shape (n_groups,)
        Root mean square of the std, and of the error, in each group.
    axes_ : ndarray of two matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure

    References
    ----------
    Gneiting, Balabdaoui, Raftery, "Probabilistic forecasts, calibration and sharpness" (JRSS B 2007).

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext.plotting import UncertaintyDisplay
    >>> rng = np.random.default_rng(0)
    >>> std = rng.uniform(0.5, 2.0, 1000)
    >>> display = UncertaintyDisplay(std * rng.normal(size=1000), np.zeros(1000), std).plot()
    >>> bool(np.abs(display.coverage - display.levels).max() < 0.05)
    True
    """

    axes_: Any

    def __init__(self, y: ArrayLike, mean: ArrayLike, std: ArrayLike, n_groups: int = 5) -> None:
        targets, means, stds = (np.asarray(values, dtype=np.float64) for values in (y, mean, std))
        if targets.ndim != 1 or targets.shape != means.shape or targets.shape != stds.shape:
            raise ValueError(
                f"y, mean and std must have one value a row; got shapes {targets.shape}, {means.shape}, {stds.shape}"
            )
        if not (stds > 0).all() or not np.isfinite([*targets, *means, *stds]).all():
            raise ValueError("y, mean and std must be finite, and std above 0")
        if not is_integer(1)(n_groups) or n_groups > len(targets):
            raise ValueError(f"n_groups must be from 1 to {len(targets)}, the number of rows; got {n_groups!r}")
        self.levels: Float64 = np.linspace(0.02, 0.98, 49)
        # The least probability whose interval has the target in it.
        needed = 2.0 * ndtr(np.abs(targets - means) / stds) - 1.0
        self.coverage: Float64 = np.searchsorted(np.sort(needed), self.levels, side="right") / len(needed)
        parts = np.array_split(np.argsort(stds, kind="stable"), n_groups)
        self.group_std = np.array([np.sqrt(np.mean(stds[part] ** 2)) for part in parts])
        self.group_rmse = np.array([np.sqrt(np.mean((targets - means)[part] ** 2)) for part in parts])

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y: ArrayLike, *, n_groups: int = 5, axes: Any = None) -> Self:
        """Predict rows of which the targets are known, and draw how right the standard deviations are.

        Parameters
        ----------
        estimator : BayesianFMRegressor, or a Pipeline that ends with one
            Fitted, and keeping draws.
        X : {array-like, sparse matrix, data frame} of shape (n_rows, n_features)
            Rows that training has not seen.
        y : array-like of shape (n_rows,)
        n_groups : int, default=5
            Groups of rows by std.
        axes : sequence of two matplotlib.axes.Axes, optional
            Where to draw. Default: a new figure, which is made without pyplot.

        Returns
        -------
        UncertaintyDisplay

        Raises
        ------
        TypeError
            If the estimator predicts no standard deviation.
        ValueError
            If the rows do not fit the model, or it keeps no draws.
        ImportError
            If matplotlib is not installed.
        """
        last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
        if not hasattr(last, "predict_std"):
            raise TypeError(f"{type(last).__name__} predicts no standard deviation; BayesianFMRegressor does")
        mean, std = estimator.predict(X, return_std=True)
        return cls(y, mean, std, n_groups).plot(axes=axes)

    def plot(self, *, axes: Any = None) -> Self:
        """Draw the coverage of intervals, and the error by groups of std.

        Parameters
        ----------
        axes : sequence of two matplotlib.axes.Axes, optional
            As for `from_estimator`.

        Returns
        -------
        UncertaintyDisplay
        """
        if axes is None:
            left = new_axes(9.0, 4.2)
            figure: Any = left.figure
            left.remove()
            axes = figure.subplots(1, 2)
        calibration, sharpness = axes
        self._draw_calibration(calibration)
        self._draw_sharpness(sharpness)
        self.axes_, self.figure_ = np.array([calibration, sharpness]), calibration.figure
        return self

    def _draw_calibration(self, ax: Axes) -> None:
        ax.plot([0, 1], [0, 1], ":", color=PLAIN_COLOR, label="as it should be")
        ax.plot(self.levels, self.coverage, color=COLORS[0], linewidth=2.0, label="intervals of the model")
        ax.set_xlabel("probability of the interval")
        ax.set_ylabel("share of the targets in it")
        ax.set_title("Calibration", fontsize=10)
        ax.set_aspect("equal")
        tidy(ax)
        ax.legend(frameon=False, fontsize=8)

    def _draw_sharpness(self, ax: Axes) -> None:
        places = np.arange(1, len(self.group_std) + 1)
        ax.bar(places, self.group_rmse, color=COLORS[0], width=0.65, label="RMSE")
        ax.plot(places, self.group_std, "o-", color=COLORS[1], label="predicted std")
        ax.set_xticks(places)
        ax.set_ylim(top=1.25 * max(self.group_rmse.max(), self.group_std.max()))
        ax.set_xlabel("groups of rows, from the most to the least certain")
        ax.set_ylabel("in units of the target")
        ax.set_title("Sharpness", fontsize=10)
        tidy(ax, "y")
        ax.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)
