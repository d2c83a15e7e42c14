"""Base of all estimators: one frame for `fit` and `partial_fit`, and scikit-learn's conventions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from fastfm_ext import _engine
from fastfm_ext._common.arrays import AnyArray, Float64, Int64
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._estimators import saving
from fastfm_ext._estimators.hyperparameters import check_ranges, options_of, settings_of
from fastfm_ext._learning.divergence import Guard
from fastfm_ext._learning.loop import History, Schedule
from fastfm_ext._learning.problem import HeldOut, Problem, solve
from fastfm_ext._learning.undo import Undo
from fastfm_ext._learning.units import Units

_TRAIN_ANEW = "Set it back to go on, or train anew: fit with warm_start=False."


@contextmanager
def restored_on_error(estimator: BaseEstimator) -> Iterator[list[Undo]]:
    """On an error of any kind, restore attributes, then run the yielded undo steps."""
    before, undo = dict(vars(estimator)), list[Undo]()
    try:
        yield undo
    except BaseException:
        for step in undo:
            step()
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


class FMEstimator(BaseEstimator):
    """Base of all estimators: prepare a problem, let the solver solve it, keep what it has found.

    A subclass reads and splits its data, and names its loss and solver. `_scorers` holds the parameters of each score,
    in the user's units, and `_units` those of training.
    """

    _scorers: list[Parameters]
    _units: Units

    n_factors: int
    max_iter: int
    n_iter_no_change: int
    tol: float
    warm_start: bool
    n_jobs: int | None
    random_state: Any
    verbose: int

    # The key of history_ that has what was validated.
    _validation_name: ClassVar[str] = "val_loss"

    # --- what a subclass says ----------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def _loss(self) -> Any:
        """The loss: `Loss` or `RankingLoss`."""

    @property
    @abstractmethod
    def _solver(self) -> Any:
        """The solver of problems with this loss."""

    @abstractmethod
    def _read(self, data: Any, *, first: bool) -> Any:
        """Return data to train on, validated and in the units of training; learn the units from the first."""

    @abstractmethod
    def _split(self, data: Any, validation: Any, rng: np.random.Generator) -> tuple[Any, Int64, HeldOut | None]:
        """Return the data to train on, the numbers of what to visit, (n_visited,), and what is held out."""

    @abstractmethod
    def _all_visits(self, data: Any, rng: np.random.Generator) -> Int64:
        """Return the numbers of all rows or interactions, (n_visited,), in the order of the first epoch."""

    @abstractmethod
    def _first_w0(self, data: Any, visited: Int64) -> Float64:
        """Return the w0 to begin with, (n_scorers,)."""

    @abstractmethod
    def _typical_loss(self, scorers: list[Parameters], data: Any) -> float:
        """Return about the mean loss of a constant prediction."""

    @abstractmethod
    def _features_of(self, data: Any) -> tuple[Any, ...]:
        """Return the matrices, each a `Csr`, whose features training touches."""

    @abstractmethod
    def _show_validation(self, value: float) -> str:
        """Return what was validated as a line of progress shows it."""

    # --- training ----------------------------------------------------------------------------------------------------

    def _fit(self, data: Any, validation: Any = None) -> Self:
        """Become the model that training on this data gives; on an error, stay the model of before."""
        self._check_params()
        first = not (self.warm_start and hasattr(self, "_scorers"))
        with restored_on_error(self):
            read = self._read(data, first=first)
            rng = self._generator()
            train, visited, held_out = self._split(read, validation, rng)
            scorers = self._initial_scorers(train, visited, rng) if first else self._scorers_to_go_on_with()
            problem = self._problem(train, visited, scorers, rng, held_out)
            run = solve(problem, self._solver)
            self._to_user_units(problem, run.history.best_epoch)
            self._keep(scorers, run.history)
        run.raise_divergence()
        return self

    def _partial_fit(self, data: Any) -> Self:
        """Make one pass over this data; on an error, stay the model of before."""
        self._check_params()
        first = not hasattr(self, "_scorers")
        with restored_on_error(self) as undo:
            read = self._read(data, first=first)
            rng = self._generator()
            visited = self._all_visits(read, rng)
            touched = self._units.features.columns
            for X in self._features_of(read):
                touched = _engine.features_in(X, touched)
            scorers = self._initial_scorers(read, visited, rng) if first else self._scorers_to_change(touched, undo)
            problem = self._problem(read, visited, scorers, rng, max_iter=1)
            run = solve(problem, self._solver)
            self._to_user_units(problem, 1, touched)
            self._keep_one_more_epoch(scorers, run.history)
        return self

    def _problem(
        self,
        data: Any,
        visited: Int64,
        scorers: list[Parameters],
        rng: np.random.Generator,
        held_out: HeldOut | None = None,
        max_iter: int | None = None,
    ) -> Problem:
        """Return the problem of training on data; `max_iter` 1 for one more epoch of a fitted model."""
        epochs_before = 0 if max_iter is None else getattr(self, "n_iter_", 0)
        report = partial(self._print_progress, epochs_before) if self.verbose else None
        schedule = self._schedule(self.max_iter if max_iter is None else max_iter, report)
        guard = self._guard(self._typical_loss(scorers, data))
        return Problem(data, visited, scorers, self._options(), schedule, guard, rng, held_out)

    def _schedule(self, max_iter: int, report: Any) -> Schedule:
        return Schedule(
            max_iter=max_iter,
            n_iter_no_change=self.n_iter_no_change,
            tol=self._units.loss(self.tol),
            n_threads=effective_n_jobs(self.n_jobs),
            shuffle=bool(getattr(self, "shuffle", True)),
            report=report,
        )

    def _guard(self, typical_loss: float) -> Guard:
        solver = self._solver
        settings = settings_of(self, solver.defaults(self._loss))
        rate = settings.learning_rate if "learning_rate" in solver.reads else None
        return Guard(typical_loss, solver.advice, rate)

    def _options(self) -> Options:
        solver, loss = self._solver, self._loss
        return self._units.options(options_of(self, solver.name, loss, solver.defaults(loss)))

    def _initial_scorers(self, data: Any, visited: Int64, rng: np.random.Generator) -> list[Parameters]:
        n_features = self._features_of(data)[0].n_features
        options = self._options()
        return [
            Parameters.initialise(n_features, int(self.n_factors), options, w0, rng)
            for w0 in self._first_w0(data, visited)
        ]

    def _scorers_to_go_on_with(self) -> list[Parameters]:
        """Return a copy of the parameters, in the units of training."""
        self._check_can_continue()
        scorers = [params.copy() for params in self._scorers]
        self._units.to_training(scorers)
        return scorers

    def _scorers_to_change(self, touched: NDArray[np.intp], undo: list[Undo]) -> list[Parameters]:
        """Return the parameters themselves where they can be written to, in the units of training."""
        self._check_can_continue()
        scorers = [params.writable() for params in self._scorers]
        undo += [Undo(params, touched) for params in scorers]
        self._units.to_training(scorers)
        return scorers

    def _check_can_continue(self) -> None:
        """Raise ValueError if a hyperparameter that fixes the layout of the parameters has changed since training."""
        params = self._scorers[0]
        if params.n_slots != _engine.STATE_SLOTS[self._solver.name]:
            raise ValueError(
                f"solver is now {self._solver.name!r}, and the model was trained with another. {_TRAIN_ANEW}"
            )
        if params.n_factors != self.n_factors:
            raise ValueError(
                f"n_factors is now {self.n_factors}, and the model was trained with {params.n_factors}. {_TRAIN_ANEW}"
            )

    def _to_user_units(self, problem: Problem, epoch: int, touched: NDArray[np.intp] | None = None) -> None:
        """Make the parameters fit values as the user has them, and make sure that training has left them finite."""
        self._units.to_user(problem.scorers)
        if not all(params.is_finite(touched) for params in problem.scorers):
            raise problem.guard.error("a parameter became NaN or infinite", epoch, problem.data)

    def _keep(self, scorers: list[Parameters], history: History) -> None:
        """Become the model that `fit` has trained."""
        self._scorers = scorers
        self.n_iter_ = len(history.train_loss)
        self.best_epoch_ = history.best_epoch
        self.history_: dict[str, list[float]] = self._by_name(history)

    def _keep_one_more_epoch(self, scorers: list[Parameters], history: History) -> None:
        """Become the model that `partial_fit` has trained."""
        self._scorers = scorers
        self.n_iter_ = self.best_epoch_ = getattr(self, "n_iter_", 0) + 1
        new = self._by_name(history)
        before = getattr(self, "history_", {})
        self.history_ = {name: before.get(name, []) + values for name, values in new.items()}

    def _by_name(self, history: History) -> dict[str, list[float]]:
        values = {"train_loss": history.train_loss, self._validation_name: history.validation}
        return values | {"seconds": history.seconds}

    def _generator(self) -> np.random.Generator:
        return np.random.default_rng(self._seed())

    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31))

    def _print_progress(self, epochs_before: int, epoch: int, history: History, n_epochs: int | None = None) -> None:
        number = f"{epoch:3d}/{n_epochs or self.max_iter}" if not epochs_before else f"{epochs_before + epoch:3d}"
        parts = [f"epoch {number}", f"train {self._loss.show(history.train_loss[-1])}"]
        if history.validation:
            parts.append(f"validation {self._show_validation(history.validation[-1])}")
        print("  ".join([*parts, f"{history.seconds[-1]:.2f} s"]), flush=True)

    # --- saved form --------------------------------------------------------------------------------------------------

    def _to_state(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """Return JSON values and arrays from which `_from_state` restores the fitted model."""
        return saving.to_state(self)

    @classmethod
    def _from_state(cls, meta: dict[str, Any], arrays: dict[str, AnyArray]) -> Self:
        """Undo `_to_state`.

        Raises
        ------
        KeyError, ValueError, TypeError
            For a state that `_to_state` did not make.
        """
        return saving.from_state(cls, meta, arrays)

    @abstractmethod
    def _check_learned_target(self) -> None:
        """Raise ValueError unless the target's attributes fit the number of scorers."""

    # --- scikit-learn's conventions ----------------------------------------------------------------------------------

    def _check_params(self) -> None:
        """Raise ValueError for a hyperparameter of an invalid value."""
        check_ranges(self)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_scorers")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
