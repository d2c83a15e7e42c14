"""Convergence: the warning of a fit that ends while it still gains."""

from __future__ import annotations

import sys
import warnings

from fastfm_ext._learning.loop import Run

# A loss that is measured on few rows, or a metric, may well pause for an epoch.
LAST_EPOCHS = 2


def is_still_gaining(run: Run, max_iter: int, n_iter_no_change: int) -> bool:
    """Return whether training ended at `max_iter`, and one of the last two epochs gained more than `tol`.

    What was to gain is the loss or metric on the validation rows; without any, the training loss.
    """
    ended_by_max_iter = len(run.history.train_loss) >= max_iter
    return ended_by_max_iter and run.monitor.epochs_without_gain < min(LAST_EPOCHS, n_iter_no_change)


def convergence_warning() -> type[UserWarning]:
    """Return scikit-learn's ConvergenceWarning; in a program that has not loaded it, the base of this class.

    Nobody can have a filter for a class that is not loaded.
    """
    if "sklearn" not in sys.modules:
        return UserWarning
    from sklearn.exceptions import ConvergenceWarning

    category: type[UserWarning] = ConvergenceWarning
    return category


def warn_of_max_iter(run: Run, max_iter: int, tol: float, stacklevel: int) -> None:
    """Give a `convergence_warning` of a run that has ended too early."""
    rises = run.monitor.higher_is_better
    watched = f"validation {'metric' if rises else 'loss'}" if run.history.validation else "training loss"
    warnings.warn(
        f"Training ended at max_iter={max_iter} while the {watched} still {'rose' if rises else 'fell'} by more than "
        f"tol={tol:g} an epoch. Raise max_iter, or raise tol if the model is good enough.",
        convergence_warning(),
        stacklevel=stacklevel + 1,
    )
