"""Learning curve: the loss of every epoch."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.extras import require
from fastfm_ext.plotting.axes import COLORS, PLAIN_COLOR, new_axes, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_learning_curve(
    history: Mapping[str, Sequence[float]], *, best_epoch: int | None = None, ax: "Axes | None" = None
) -> "Axes":
    """Plot the loss of every epoch, and mark the best epoch.

    Parameters
    ----------
    history : mapping of str to sequence of float
        The ``history_`` of a fitted estimator: ``"train_loss"`` (n_epochs,) and perhaps ``"val_loss"`` (n_validated,)
        of the first epochs, since `partial_fit` makes more that nothing validates.
        Losses are means over the rows: half the squared error for a regressor, log loss for a classifier.
    best_epoch : int, default=None
        The epoch to mark, from 1, such as ``best_epoch_`` of the estimator. By default the one with the lowest
        validation loss, or none without validation.
    ax : matplotlib.axes.Axes, default=None
        Where to draw. By default a new figure is made without pyplot, so that no window opens and the backend stays
        as it is; get it as ``ax.figure``.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    ValueError
        If `history` has no ``"train_loss"``, no epochs, or more validation losses than epochs, or `best_epoch` is not
        among them.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from fastfm_ext.plotting import plot_learning_curve
    >>> history = {"train_loss": [0.6, 0.4, 0.3], "val_loss": [0.62, 0.45, 0.47]}
    >>> ax = plot_learning_curve(history)
    >>> ax.figure.savefig("curve.png")  # doctest: +SKIP
    """
    train_loss, val_loss = _losses(history)
    if best_epoch is not None and not 1 <= best_epoch <= len(train_loss):
        raise ValueError(f"best_epoch must be from 1 to {len(train_loss)}, the number of epochs, got {best_epoch}")
    ticker = require("matplotlib.ticker", "plot")
    ax = new_axes() if ax is None else ax
    epochs = np.arange(1, len(train_loss) + 1)
    # A run of one epoch would be a line without length: a marker shows it.
    marker = "o" if len(epochs) == 1 else ""
    ax.plot(epochs, train_loss, "--", label="training rows", marker=marker, color=PLAIN_COLOR)
    if val_loss is not None:
        validated = epochs[: len(val_loss)]
        ax.plot(validated, val_loss, "-", linewidth=2.0, label="validation rows", marker=marker, color=COLORS[0])
        if best_epoch is None and np.isfinite(val_loss).any():
            best_epoch = int(np.nanargmin(val_loss)) + 1
    if best_epoch is not None:
        marked = train_loss if val_loss is None or best_epoch > len(val_loss) else val_loss
        _mark_best_epoch(ax, marked, best_epoch)
    ax.set_xlabel("epoch")
    ax.set_ylabel("mean loss of a row")
    ax.set_title("Learning curve")
    ax.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    tidy(ax)
    ax.legend(frameon=False)
    return ax


def _losses(history: Mapping[str, Sequence[float]]) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    if "train_loss" not in history:
        raise ValueError(f"history must have the key 'train_loss'; it has {', '.join(map(repr, history)) or 'no keys'}")
    train_loss = np.asarray(history["train_loss"], dtype=np.float64)
    if train_loss.ndim != 1 or len(train_loss) == 0:
        raise ValueError(f"history['train_loss'] must hold one number an epoch, got shape {train_loss.shape}")
    val_loss = np.asarray(history.get("val_loss", ()), dtype=np.float64)
    if val_loss.size == 0:
        return train_loss, None
    if val_loss.ndim != 1 or len(val_loss) > len(train_loss):
        message = "history['val_loss'] must not have more epochs than history['train_loss'], got shapes"
        raise ValueError(f"{message} {val_loss.shape} and {train_loss.shape}")
    return train_loss, val_loss


def _mark_best_epoch(ax: "Axes", loss: NDArray[np.float64], epoch: int) -> None:
    ax.axvline(epoch, color=COLORS[0], linestyle=":", linewidth=1.0)
    # Next to the point the numbers could hide a curve; the legend finds a free place.
    label = f"best epoch: {epoch} (loss {loss[epoch - 1]:.4g})"
    ax.plot([epoch], [loss[epoch - 1]], "o", markersize=7, color=COLORS[0], label=label)
