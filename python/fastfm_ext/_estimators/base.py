"""What all estimators share, whatever they train on: state that survives errors, units, progress, conventions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from fastfm_ext import _engine
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._estimators.hyperparameters import Hyperparameters
from fastfm_ext._estimators.saving import FittedState
from fastfm_ext._estimators.vectors import FittedParameters
from fastfm_ext._learning import loop
from fastfm_ext._learning.loop import HasLargest, History, Schedule, Undo

_TRAIN_ANEW = "Set it back to go on, or train anew: fit with warm_start=False."


class FMEstimator(FittedParameters, FittedState, Hyperparameters):
    """Base of all estimators."""

    max_iter: int
    random_state: Any
    # The keys of history_, and where `History` has their values.
    _history_names = (("train_loss", "train_loss"), ("val_loss", "val_loss"), ("seconds", "seconds"))

    @abstractmethod
    def _format_loss(self, loss: float) -> str:
        """Return the loss as a line of progress shows it."""

    def _format_validation(self, value: float) -> str:
        """Return what was validated as a line of progress shows it."""
        return self._format_loss(value)

    # --- training ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _restored_on_error(self) -> Iterator[list[Undo]]:
        """On an error of any kind, leave the model as it was: attributes, and what the yielded steps put back."""
        before, undo = dict(self.__dict__), list[Undo]()
        try:
            yield undo
        except BaseException:
            for step in undo:
                step()
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _outputs_to_go_on_with(self) -> list[Parameters]:
        """Return a copy of the parameters, in the units of training."""
        self._check_can_continue()
        outputs = [params.copy() for params in self._outputs]
        self._to_unit_size(outputs)
        return outputs

    def _outputs_to_change(self, touched: NDArray[np.intp], undo: list[Undo]) -> list[Parameters]:
        """Return the parameters themselves where they can be written to, in the units of training."""
        self._check_can_continue()
        outputs = [params.writable() for params in self._outputs]
        undo += [Undo(params, touched) for params in outputs]
        self._to_unit_size(outputs)
        return outputs

    def _check_can_continue(self) -> None:
        """Raise ValueError if a hyperparameter that fixes the layout of the parameters has changed since training."""
        params = self._outputs[0]
        if len(params.w0_record) - 1 != _engine.STATE_SLOTS[self.solver]:
            raise ValueError(f"solver is now {self.solver!r}, and the model was trained with another. {_TRAIN_ANEW}")
        if params.n_factors != self.n_factors:
            raise ValueError(
                f"n_factors is now {self.n_factors}, and the model was trained with {params.n_factors}. {_TRAIN_ANEW}"
            )

    def _to_unit_size(self, outputs: list[Parameters]) -> None:
        for params in outputs:
            self._feature_scale.to_unit_size(params)

    def _to_user_units(
        self,
        outputs: list[Parameters],
        rows: HasLargest,
        schedule: Schedule,
        epoch: int,
        touched: NDArray[np.intp] | None = None,
    ) -> None:
        """Make the parameters fit values as the user has them, and make sure that training has left them finite."""
        with np.errstate(over="ignore", invalid="ignore"):
            for params in outputs:
                self._feature_scale.to_user_units(params)
        if not all(params.is_finite(touched) for params in outputs):
            raise loop.divergence("a parameter became NaN or infinite", epoch, rows, schedule)

    def _keep(self, outputs: list[Parameters], history: History) -> None:
        """Become the model that `fit` has trained."""
        self._outputs: list[Parameters] = outputs
        self.n_iter_ = len(history.train_loss)
        self.best_epoch_ = history.best_epoch
        self.history_: dict[str, list[float]] = self._as_attribute(history)

    def _keep_one_more_epoch(self, outputs: list[Parameters], history: History) -> None:
        """Become the model that `partial_fit` has trained."""
        self._outputs = outputs
        self.n_iter_ = self.best_epoch_ = getattr(self, "n_iter_", 0) + 1
        new = self._as_attribute(history)
        before = getattr(self, "history_", {name: [] for name in new})
        self.history_ = {name: before.get(name, []) + values for name, values in new.items()}

    def _as_attribute(self, history: History) -> dict[str, list[float]]:
        return {name: getattr(history, source) for name, source in self._history_names}

    def _generator(self) -> np.random.Generator:
        return np.random.default_rng(self._seed())

    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31))

    def _print_progress(self, epochs_before: int, epoch: int, history: History, n_epochs: int | None = None) -> None:
        number = f"{epoch:3d}/{n_epochs or self.max_iter}" if not epochs_before else f"{epochs_before + epoch:3d}"
        parts = [f"epoch {number}", f"train {self._format_loss(history.train_loss[-1])}"]
        if history.val_loss:
            parts.append(f"validation {self._format_validation(history.val_loss[-1])}")
        print("  ".join([*parts, f"{history.seconds[-1]:.2f} s"]), flush=True)

    # --- scikit-learn's conventions --------------------------------------------------------------------------------

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_outputs")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
