"""Base of the estimators that learn a target for each row."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastfm_ext import _engine
from fastfm_ext._common.arrays import Float32, Float64, Int64
from fastfm_ext._common.threads import n_threads_of
from fastfm_ext._engine.centers import NO_CENTERS
from fastfm_ext._engine.options import Options
from fastfm_ext._estimators import streamed
from fastfm_ext._estimators.base import TrainingCall
from fastfm_ext._estimators.batch_methods import if_on_batches
from fastfm_ext._estimators.decaying import DecayingEstimator
from fastfm_ext._estimators.early_stopping import splits_of_rows
from fastfm_ext._estimators.first_rows import learned_samples
from fastfm_ext._estimators.growing import grow, grow_to_fit
from fastfm_ext._estimators.hyperparameters import check_solver
from fastfm_ext._estimators.listeners import Callback, Listeners
from fastfm_ext._estimators.row_problems import problem_of_rows, validation_rows
from fastfm_ext._learning.l2 import groups_of, with_adaptive_l2
from fastfm_ext._learning.losses import Loss
from fastfm_ext._learning.problem import Problem
from fastfm_ext._learning.solvers.base import Solver
from fastfm_ext._learning.solvers.registry import solver_named
from fastfm_ext._learning.stream.progress import StreamProgress
from fastfm_ext._learning.undo import Undo
from fastfm_ext._learning.units import TargetUnits
from fastfm_ext._validation.matrices import check_no_overflow, to_csr
from fastfm_ext._validation.quick_checks import check_fitted
from fastfm_ext._validation.rows import CountedRows, counted_rows, numeric_values


class RowEstimator(DecayingEstimator):
    """Base of the estimators that learn a target for each row.

    A subclass names its loss, turns targets into one row of numbers for each scorer, and turns scores into predictions.
    """

    # Whether rows are scaled to unit length; only field-aware models have it as a hyperparameter.
    normalize: bool = False

    def __init__(
        self,
        n_factors: int = 16,
        *,
        solver: str = "adagrad",
        learning_rate: float | None = None,
        max_iter: int = 100,
        l2_w: float | None = None,
        l2_V: float | None = None,
        l2_exponent: float = 1.0,
        adaptive_l2: bool = False,
        l1_w: float = 0.0,
        l1_V: float = 0.0,
        clip_gradient: float | None = None,
        init_stdev: float | None = None,
        fit_intercept: bool = True,
        fit_linear: bool = True,
        shuffle: bool = True,
        early_stopping: bool | Literal["auto"] = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        refit: bool = True,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int | Literal["bar"] = 0,
    ) -> None:
        self.n_factors = n_factors
        self.solver = solver
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.l2_w = l2_w
        self.l2_V = l2_V
        self.l2_exponent = l2_exponent
        self.adaptive_l2 = adaptive_l2
        self.l1_w = l1_w
        self.l1_V = l1_V
        self.clip_gradient = clip_gradient
        self.init_stdev = init_stdev
        self.fit_intercept = fit_intercept
        self.fit_linear = fit_linear
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.refit = refit
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    # --- what a subclass says ----------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def _loss(self) -> Loss:
        """The loss of a row."""

    @abstractmethod
    def _learn_target(self, y: Any, sample_weight: Float32 | None, classes: Any) -> TargetUnits:
        """Learn from the first targets, (n_rows,), and from `classes` that the user named; return their units."""

    @abstractmethod
    def _check_target(self, y: Any, name: str) -> Any:
        """Return targets, (n_rows,), that the estimator can learn, or raise ValueError."""

    @property
    def _score_offset(self) -> float:
        """What is to be added to the scores of training."""
        return 0.0

    def _meet(self, X: Any, *, is_first: bool) -> None:
        """Learn from rows to train on what their values do not say."""

    def _take_in(self, rows: CountedRows, *, is_batch: bool) -> CountedRows:
        """Learn from rows to train on what no step learns; return them as they count."""
        return rows

    @abstractmethod
    def _encode_target(self, y: Any, name: str) -> Float32:
        """Return the targets as the loss wants them: (n_scorers, n_rows)."""

    @abstractmethod
    def _check_classes(self, classes: Any, *, first: bool) -> Any:
        """Return the classes that will come, (n_classes,); ValueError for regression, or for others than before."""

    @abstractmethod
    def _strata(self, targets: Float32) -> NDArray[Any] | None:
        """Return strata for a stratified hold-out, (n_rows,), or None."""

    # --- training ----------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
        callback: Callback | None = None,
    ) -> Self:
        """Train the model.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Trains fastest as CSR. Duplicate entries are summed.
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative; rows of weight 0 are left out. A row of twice the weight of another counts as two of it, its
            share of L2 included. Only what they are relative to each other matters: they are divided by their mean.
        X_val, y_val, sample_weight_val : optional
            Rows to validate on after each epoch. The best epoch's parameters are kept, and training stops when the
            validation loss has not fallen for `n_iter_no_change` epochs. They are never trained on.
        callback : callable, optional
            Called after each epoch with a `FitProgress`. Where it returns True, training ends; with validation rows,
            the best epoch's parameters are kept. An error in it ends the fit, too, and the estimator is as it was
            before.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that cannot be trained on; the message names the argument.
        DivergenceError
            When a score stops being finite or the loss explodes. The estimator then has the parameters of the best
            epoch, if one was validated before; else it is as it was before.
        """
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together; only one of them was given.")
        if X_val is None and sample_weight_val is not None:
            raise ValueError("sample_weight_val was given without X_val and y_val.")
        validation = None if X_val is None else (X_val, y_val, sample_weight_val)
        return self._fit((X, y, sample_weight, None), validation, callback)

    @if_on_batches
    def fit_stream(
        self,
        batches: Iterable[Any] | Callable[[], Iterable[Any]],
        n_epochs: int = 1,
        *,
        validation: Any = None,
        classes: ArrayLike | None = None,
        buffer_rows: int = 65_536,
        read_ahead: int = 1,
        cache: str | os.PathLike[str] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: float = 300.0,
        progress: Callable[[StreamProgress], None] | None = None,
        callback: Callback | None = None,
    ) -> Self:
        """Train on a stream of batches, of which only a few are in memory at a time.

        Rows are gathered in a buffer, shuffled there, and trained on, while a thread reads the next ones. The model
        depends on the rows and their order, not on the size of the batches. With `shuffle` and `early_stopping` off it
        is the one that `fit` learns from the same rows in the same order; what `fit` learns from all rows before the
        first step (mean and spread of the target, center and unit of each numeric feature, the norms of the rows, the
        mean weight, the first w0, which features have factors) is learned here from the first `buffer_rows` rows.

        Parameters
        ----------
        batches : iterable or callable
            Gives tuples ``(X, y)``, ``(X, y, sample_weight)`` or ``(X, y, sample_weight, period)``, X of any kind that
            `fit` takes: a list, a source of `fastfm_ext.streaming`, or a function without arguments that begins anew at
            each call. A generator can be gone through only once, which is enough for one epoch, and for several with a
            `cache`. A sparse X may be narrower than others, or wider: then the model grows, see `grow`. The period,
            such as a day, is one label for all rows or one a row, and names what `progressive_` tells apart.
        n_epochs : int, default=1
            Most passes over the stream.
        validation : tuple, iterable or callable, optional
            Rows to validate on after each epoch: one tuple ``(X, y[, sample_weight])``, or a stream like `batches`. The
            best epoch's parameters are kept, and training stops when the validation loss has not fallen for
            `n_iter_no_change` epochs. Nothing is held out of the stream, and nothing is to be given back:
            `early_stopping` and `refit` play no part.
        classes : array-like, optional
            For classifiers: all classes that will come. Needed if the first `buffer_rows` rows do not hold every class.
        buffer_rows : int, default=65_536
            Rows that are shuffled and trained on together. Memory holds about four buffers, beside the model (twice
            with `validation`).
        read_ahead : int, default=1
            Buffers that are read ahead. 0 reads in the calling thread, for iterators that may not leave it.
        cache : path-like, optional
            A folder, made if need be. The first epoch writes the rows there, and later ones read them from there: much
            faster, from the second epoch on shuffled over the whole stream, and the stream is gone through only once.
            Takes 8 bytes a value (4 where all are 1) and some 20 a row. Removed at the end.
        checkpoint : path-like, optional
            A file to save to now and then; it can also be loaded with `load_model`. If it exists, training goes on
            from there. The same call, made again after a crash, gives to the bit the model that an unbroken run would
            have given (one thread, the same machine); one that is complete gives its model at once, and more epochs go
            on from it. It is not removed at the end.
        checkpoint_every : float, default=300.0
            Seconds between two checkpoints. One more is written at the end.
        progress : callable, optional
            Called after each buffer with a `StreamProgress`. With ``verbose=1``, a line is printed every ten seconds
            and after each epoch.
        callback : callable, optional
            Called after each epoch with a `FitProgress`; where it returns True, training ends, as in `fit`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For rows that cannot be trained on; the message names the batch, or the file. For a checkpoint of other
            settings or of another stream.
        ModelFileError
            For a damaged checkpoint.
        DivergenceError
            When training diverges. With `validation`, the estimator then has the best epoch's parameters, if there was
            one before.
        KeyboardInterrupt
            After Ctrl-C, at the end of the buffer: the estimator is then trained as far as it got, with the best
            epoch's parameters if there is `validation`, and the checkpoint is up to date. A second Ctrl-C does not
            wait, and writes none.

        After any other error the estimator is as it was before.

        See Also
        --------
        partial_fit : One batch at a time, with the loop in your hands.
        fastfm_ext.streaming : Batches from files.

        Examples
        --------
        >>> import numpy as np
        >>> from fastfm_ext import FMRegressor
        >>> def batches():  # begins anew for each epoch
        ...     rng = np.random.default_rng(0)
        ...     for _ in range(20):
        ...         X = rng.integers(0, 2, size=(100, 5))
        ...         yield X, X[:, 0] + 2 * X[:, 1] * X[:, 2]
        >>> model = FMRegressor(n_factors=2, random_state=0).fit_stream(batches, n_epochs=20)
        >>> model.predict([[1, 1, 1, 0, 0]]).round().tolist()
        [3.0]
        """
        self._check_params()
        with Listeners(self, n_epochs, callback, progress, is_stream=True) as listeners:
            settings = streamed.checked_settings(
                n_epochs, buffer_rows, read_ahead, cache, checkpoint, checkpoint_every, listeners
            )
            streamed.fit_stream(self, batches, validation, classes, settings)
        return self

    def grow(self, n_features: int) -> Self:
        """Make room for features that come later, as an encoder that has met new ids gives them.

        What has been learned stays as it is, to the bit. The new features have parameters of 0, so that they move no
        prediction, until rows train them; their values are taken to be of unit size.

        `partial_fit`, a warm `fit` and `fit_stream` do this by themselves for a sparse X of more columns. Call it to
        predict rows with new features before training on any, or once for many, since each call copies the parameters.

        Parameters
        ----------
        n_features : int
            At least as many as now.

        Returns
        -------
        self

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            For fewer features than the model has, a model that was trained on named columns, or a changed `solver` or
            `n_factors`.

        Examples
        --------
        >>> from fastfm_ext import FMRegressor
        >>> model = FMRegressor(n_factors=2, random_state=0).fit([[1.0, 0.0], [0.0, 1.0]], [1.0, 2.0])
        >>> before = model.predict([[1.0, 0.0]])
        >>> bool(model.grow(5).predict([[1.0, 0.0, 0.0, 0.0, 0.0]]) == before)
        True
        """
        check_fitted(self)
        with self._alone():
            model = self._as_it_is()
            grow(model, n_features)
            self._become(model)
        return self

    # --- steps of training -------------------------------------------------------------------------------------------

    @property
    def _solver(self) -> Solver:
        return solver_named(self.solver)

    def _check_params(self) -> None:
        super()._check_params()
        check_solver(self, self._solver, self._loss)

    def _prepare(
        self, data: tuple[Any, Any, Any, Any], validation: Any, call: TrainingCall, undo: list[Undo]
    ) -> Problem:
        X, y, sample_weight, classes = data
        if not call.is_first:
            grow_to_fit(self, X)
        centers = NO_CENTERS if call.is_first else self._units.centers
        rows = counted_rows(self, X, y, sample_weight, self._check_target, reset=call.is_first, centers=centers)
        in_double = partial(numeric_values, rows, X, rows.X.n_features)
        samples = learned_samples(self, rows, in_double, classes, call)
        problem_without, seed = partial(problem_of_rows, self, samples, call, undo), self._seed()
        rng = np.random.default_rng(seed)
        if call.is_batch or validation is not None:
            problem = problem_without(None, rng)
            if validation is not None:
                problem = replace(problem, held_out=validation_rows(self, *validation))
        else:
            splits = splits_of_rows(self, samples, self._strata(samples.targets), rng, is_first=call.is_first)
            problem = self._problem_of_parts(problem_without, splits, rng, seed, call)
        fields = self._fields_of(samples.X.n_features)
        return with_adaptive_l2(problem, groups_of(X, samples.X.n_features, fields)) if self.adaptive_l2 else problem

    def _first_w0(self, targets: Float32, sample_weight: Float32 | None, visited: Int64, options: Options) -> Float64:
        """Return the w0 to begin with, (n_scorers,), for `targets` (n_scorers, n_rows), of the visited rows alone."""
        weight = None if sample_weight is None else sample_weight[visited]
        of_visited = np.take(targets, visited, axis=1, mode="clip")
        best = self._loss.best_constants(of_visited, weight, options.delta)
        return best if self.fit_intercept else np.zeros_like(best)

    def _show_validation(self, value: float) -> str:
        return self._loss.show(value)

    # --- prediction --------------------------------------------------------------------------------------------------

    def _raw_predictions(self, X: Any) -> Float32:
        """Return the scores before the link, (n_scorers, n_rows), of a model that no other thread changes."""
        check_fitted(self)
        rows = to_csr(self, X, centers=self._units.centers)
        with self._scorers.access.reading():
            scores = [_engine.predict(rows, params, n_threads_of(self.n_jobs)) for params in self._scorers]
            offset = self._units.score_offset
        scores = [score + np.float32(offset) for score in scores] if offset else scores
        for score in scores:
            check_no_overflow(score, rows, "score")
        return scores[0][None, :] if len(scores) == 1 else np.stack(scores)
