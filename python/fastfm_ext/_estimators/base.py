"""Base of all estimators: one frame for `fit` and `partial_fit`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastfm_ext import _engine
from fastfm_ext._common.arrays import AnyArray, Float64
from fastfm_ext._common.threads import n_threads_of
from fastfm_ext._engine.models import FM, NO_FIELDS, Fields, ModelSpec
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._estimators import saving
from fastfm_ext._estimators.hyperparameters import check_ranges, options_of, settings_of
from fastfm_ext._estimators.listeners import Callback, Listeners
from fastfm_ext._estimators.scorers import Scorers
from fastfm_ext._learning.convergence import is_still_gaining, warn_of_max_iter
from fastfm_ext._learning.divergence import Guard
from fastfm_ext._learning.loop import History, Run, Schedule
from fastfm_ext._learning.losses import JointLoss
from fastfm_ext._learning.problem import Problem
from fastfm_ext._learning.refit import solve_for_all
from fastfm_ext._learning.solvers.base import Defaults
from fastfm_ext._learning.undo import Undo
from fastfm_ext._learning.units import Units
from fastfm_ext._validation.quick_checks import check_fitted, generator_of

_ANEW = "Set it back to go on, or train anew: fit with warm_start=False."


class TrainingCall(NamedTuple):
    """A call of `fit`, `partial_fit` or `fit_stream`.

    Attributes
    ----------
    is_first : bool
        Whether the model begins anew, and learns its units.
    is_batch : bool
        Whether it makes one pass over rows that are some of many.
    report : callable, optional
        As `Schedule` has it.
    report_refit : callable, optional
        The same for the refit, with the number of its epochs before.
    is_stream : bool
        Whether it trains on a stream, of which the first rows are at hand.
    announce : callable, optional
        Called with the most epochs that there will be, once the data has been seen.
    """

    is_first: bool
    is_batch: bool
    report: Callable[[int, History], bool] | None = None
    report_refit: Callable[[int, int, History], bool] | None = None
    is_stream: bool = False
    announce: Callable[[int], None] | None = None

    @property
    def is_on_some(self) -> bool:
        """Whether the rows at hand are some of many."""
        return self.is_batch or self.is_stream


@contextmanager
def undone_on_error() -> Iterator[list[Undo]]:
    """On an error of any kind, run the yielded steps."""
    undo: list[Undo] = []
    try:
        yield undo
    except BaseException:
        for step in undo:
            step()
        raise


class FMEstimator:
    """Base of all estimators: prepare a problem, let the solver solve it, keep what it has found.

    A subclass prepares a problem of its data, and names its loss and solver. `_scorers` holds the parameters of each
    score, for centered columns in the user's units, and `_units` the units of training. What is public and computes
    with them, does so on `_as_it_is()`, so that other threads may train the model meanwhile.
    """

    _scorers: Scorers
    _units: Units
    # Whether the parameters are another program's: the next training learns the units, and begins the optimizer anew.
    _has_no_units: bool = False

    n_features_in_: int
    n_factors: int
    max_iter: int
    n_iter_no_change: int
    tol: float
    refit: bool
    warm_start: bool
    n_jobs: int | None
    random_state: Any
    verbose: int | str

    # Whether step sizes fall to 0 over the epochs, so that no more of them would gain anything.
    _rates_fall: bool = False
    # What the kernels compute of a row.
    _spec: ClassVar[ModelSpec] = FM
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
    def _prepare(self, data: Any, validation: Any, call: TrainingCall, undo: list[Undo]) -> Problem:
        """Return the problem of training on data: validate, learn or use the units, split, begin the parameters."""

    @abstractmethod
    def _show_validation(self, value: float) -> str:
        """Return what was validated as a line of progress shows it."""

    # --- training ----------------------------------------------------------------------------------------------------

    def _fit(self, data: Any, validation: Any = None, callback: Callback | None = None) -> Self:
        """Become the model that training on this data gives; on an error, stay the model of before."""
        self._check_params()
        first = not (self.warm_start and hasattr(self, "_scorers"))
        with Listeners(self, self._most_epochs, callback) as listeners:
            report, report_refit = listeners.end_epoch, listeners.end_refit_epoch
            call = TrainingCall(first, False, report, report_refit, announce=listeners.expect)
            run = self._train(data, validation, call)
        run.raise_divergence()
        if not self._rates_fall and is_still_gaining(run, self._most_epochs, self.n_iter_no_change):
            warn_of_max_iter(run, self._most_epochs, self.tol, stacklevel=3)
        return self

    def _partial_fit(self, data: Any) -> Self:
        """Make one pass over this data; on an error, stay the model of before."""
        self._check_params()
        report = None
        if self.verbose and not isinstance(self.verbose, str):  # a bar of one epoch would show nothing
            report = Listeners(self, 1, epochs_before=getattr(self, "n_iter_", 0)).end_epoch
        self._train(data, None, TrainingCall(not hasattr(self, "_scorers"), is_batch=True, report=report))
        return self

    def _train(self, data: Any, validation: Any, call: TrainingCall) -> Run:
        """Prepare a problem, let the solver solve it, and keep what it has found.

        All of this happens to a copy of the model, which takes its place in one step.
        """
        with self._alone() if call.is_batch and not call.is_first else nullcontext(), undone_on_error() as undo:
            model = self._as_it_is()
            problem = model._prepare(data, validation, call, undo)
            if call.announce is not None:
                call.announce(problem.schedule.max_iter)
            problem, run = solve_for_all(*model._ready(problem))
            model._to_user_units(problem, run.history.best_epoch)
            if call.is_batch:
                model._keep_one_more_epoch(problem, run.history)
            else:
                model._keep(problem.scorers, run.history)
            self._become(model)
        return run

    def _ready(self, problem: Problem) -> tuple[Problem, Any]:
        """Return the problem with its solver, once the solver's settings that depend on the data are known."""
        return problem, self._solver

    @property
    def _most_epochs(self) -> int:
        """The most epochs of `fit`."""
        return self.max_iter

    # --- threads -----------------------------------------------------------------------------------------------------

    def _as_it_is(self) -> Self:
        """Return the model as it is now, over the same parameters: a later fit in another thread does not change it."""
        model: Self = object.__new__(type(self))
        model.__dict__ = self.__dict__.copy()
        return model

    def _become(self, model: Self) -> None:
        """Take over all attributes of a model in one step."""
        self.__dict__ = model.__dict__

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock of the parameters: nobody else reads or changes them."""
        while True:
            scorers = self._scorers
            with scorers.access.writing():
                if scorers is self._scorers:  # else another thread has trained the model anew meanwhile
                    yield
                    return

    @contextmanager
    def _unchanged(self) -> Iterator[Self]:
        """Give the model as it is now; `partial_fit` waits until the end."""
        model = self._as_it_is()
        check_fitted(model)
        with model._scorers.access.reading():
            yield model

    # --- early stopping ----------------------------------------------------------------------------------------------

    def _problem_of_parts(
        self,
        problem_without: Callable[[Any, np.random.Generator], Problem],
        parts: list[Any],
        rng: np.random.Generator,
        seed: int,
        call: TrainingCall,
    ) -> Problem:
        """Return the problem without the first part of the data, with those without the others as its folds.

        ``problem_without`` takes what to hold out; None for nothing, which is what the refit does.
        """
        if not parts:
            return problem_without(None, np.random.default_rng(seed))

        def whole(n_epochs: int) -> Problem:
            schedule = self._refit_schedule(call, n_epochs)
            return replace(problem_without(None, np.random.default_rng(seed)), schedule=schedule)

        problem, *folds = [problem_without(part, rng) for part in parts]
        return replace(problem, whole=whole if self.refit else None, folds=tuple(folds))

    # --- parts of a problem ------------------------------------------------------------------------------------------

    def _scorers_for(
        self,
        call: TrainingCall,
        options: Options,
        n_features: int,
        w0: Float64 | None,
        rng: np.random.Generator,
        trained: NDArray[np.integer],
        touched: NDArray[np.intp] | None,
        undo: list[Undo],
    ) -> list[Parameters]:
        """Return the parameters to train, in the units of training.

        Fresh ones with these `w0`, (n_scorers,), if there are any; else copies of the model's; or, for a batch, the
        model's own, with a step of `undo` for the `touched` features, (n_touched,). Parameters of features that are not
        among the `trained` ones, which may repeat, stay 0 if no row has trained them before.
        """
        if w0 is not None:
            kind: dict[str, Any] = {"model": self._spec, "fields": self._fields_of(n_features)}
            k = int(self.n_factors)
            return [Parameters.initialise(n_features, k, options, each, rng, trained, **kind) for each in w0]
        self._check_can_continue()
        if self._has_no_units:
            plain = [params.copy() for params in self._scorers]
            self._units.to_training(plain)
            return [params.begun(options) for params in plain]
        if call.is_batch and touched is not None:
            scorers: list[Parameters] = self._scorers
            if not all(params.is_writable for params in scorers):
                scorers = [params.copy() for params in scorers]
            undo += [Undo(params, touched) for params in scorers]
        else:
            with self._scorers.access.reading():
                scorers = [params.copy() for params in self._scorers]
        self._units.to_training(scorers)
        entropy = rng.bit_generator.seed_seq.entropy  # type: ignore[attr-defined]
        seed = entropy if isinstance(entropy, list) else [entropy]
        for number, params in enumerate(scorers):
            params.draw_fresh(trained, options, (*seed, number))
        return scorers

    def _fields_of(self, n_features: int) -> Fields:
        """Return the fields of so many features, where the model asks for them."""
        return NO_FIELDS

    def _schedule(self, call: TrainingCall) -> Schedule:
        return self._schedule_of(1 if call.is_batch else self._most_epochs, call.report)

    def _refit_schedule(self, call: TrainingCall, n_epochs: int) -> Schedule:
        """Return the schedule of so many epochs, whatever the training loss does."""
        report = None if call.report_refit is None else partial(call.report_refit, n_epochs)
        return replace(self._schedule_of(n_epochs, report), n_iter_no_change=n_epochs)

    def _schedule_of(self, max_iter: int, report: Callable[[int, History], bool] | None) -> Schedule:
        return Schedule(
            max_iter=max_iter,
            n_iter_no_change=self.n_iter_no_change,
            tol=self._units.loss(self.tol),
            n_threads=1 if isinstance(self._loss, JointLoss) else n_threads_of(self.n_jobs),
            shuffle=bool(getattr(self, "shuffle", True)),
            report=report,
        )

    def _settings(self) -> Defaults:
        """Return the step size, L2 and first spread: the user's where given, else the solver's for this loss."""
        return settings_of(self, self._solver.defaults(self._loss))

    def _guard(self, typical_loss: float) -> Guard:
        solver = self._solver
        rate = self._settings().learning_rate if "learning_rate" in solver.reads else None
        return Guard(typical_loss, solver.advice, rate)

    def _options(self) -> Options:
        return self._units.options(options_of(self, self._solver.name, self._loss, self._settings()))

    def _check_can_continue(self) -> None:
        """Raise ValueError if a hyperparameter that fixes the layout of the parameters has changed since training."""
        params = self._scorers[0]
        if not self._has_no_units and params.n_slots != _engine.STATE_SLOTS[self._solver.name]:
            raise ValueError(f"solver is now {self._solver.name!r}, and the model was trained with another. {_ANEW}")
        if not self._has_no_units and params.dtype != getattr(self, "dtype", "float32"):
            raise ValueError(f"dtype is another now, and the model was trained with {params.dtype!r}. {_ANEW}")
        if params.n_factors != self.n_factors:
            raise ValueError(
                f"n_factors is now {self.n_factors}, and the model was trained with {params.n_factors}. {_ANEW}"
            )

    def _to_user_units(self, problem: Problem, epoch: int) -> None:
        """Make the parameters fit values as the user has them, and make sure that training has left them finite."""
        self._units.to_user(problem.scorers)
        if not all(params.is_finite(problem.touched) for params in problem.scorers):
            raise problem.guard.error("a parameter became NaN or infinite", epoch, problem.data)

    def _keep(self, scorers: list[Parameters], history: History) -> None:
        """Become the model that `fit` has trained."""
        self._scorers = Scorers(scorers)
        self._has_no_units = False
        self.n_iter_ = len(history.train_loss)
        self.best_epoch_ = history.best_epoch
        vars(self).pop("progressive_", None)
        self.history_: dict[str, list[float]] = self._by_name(history)

    def _keep_one_more_epoch(self, problem: Problem, history: History) -> None:
        """Become the model that `partial_fit` has trained."""
        scorers = problem.scorers
        self._scorers = scorers if isinstance(scorers, Scorers) else Scorers(scorers)
        self._has_no_units = False
        self.n_iter_ = self.best_epoch_ = getattr(self, "n_iter_", 0) + 1
        new = self._by_name(history)
        before = getattr(self, "history_", {})
        self.history_ = {name: before.get(name, []) + values for name, values in new.items()}
        if problem.progressive is not None:
            self.progressive_ = problem.progressive.behind(getattr(self, "progressive_", {}))

    def _by_name(self, history: History) -> dict[str, list[float]]:
        values = {"train_loss": history.train_loss, self._validation_name: history.validation}
        return values | {"seconds": history.seconds}

    def _seed(self) -> int:
        return int(generator_of(self.random_state).randint(2**31))

    def _in_words(self, history: History) -> list[str]:
        """Return what the last epoch gave, as lines and bars of progress show it."""
        words = [f"train {self._loss.show(history.train_loss[-1])}"]
        if history.validation:
            words.append(f"validation {self._show_validation(history.validation[-1])}")
        return words

    # --- saved form --------------------------------------------------------------------------------------------------

    @property
    def _format_version(self) -> int:
        """The version of the file format that a reader must know."""
        return saving.format_version(self)

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

    def _check_params(self) -> None:
        """Raise ValueError for a hyperparameter of an invalid value."""
        check_ranges(self)
