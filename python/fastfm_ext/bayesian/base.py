"""Base of the Bayesian estimators: from rows to chains, and from kept draws to scores."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Literal, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from fastfm_ext._common.arrays import AnyArray, Float32, Float64
from fastfm_ext._engine.blocks import fields_found, split
from fastfm_ext._engine.centers import NO_CENTERS, Centers
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.models import FM, ModelSpec
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._estimators.scorers import Scorers
from fastfm_ext._learning.solvers.gibbs import Chain
from fastfm_ext._learning.solvers.hyperpriors import Priors
from fastfm_ext._learning.solvers.likelihoods import Likelihood
from fastfm_ext._learning.units import FeatureScale, TargetUnits, Units
from fastfm_ext._validation.matrices import check_not_empty, to_csr
from fastfm_ext._validation.rows import counted_rows, numeric_values, targets_and_weights
from fastfm_ext.bayesian import saving
from fastfm_ext.bayesian.centered import CenteredForm, check_form_of
from fastfm_ext.bayesian.distilled import DistilledForm, distilled, rows_to_match
from fastfm_ext.bayesian.draws import PosteriorDraws, in_units
from fastfm_ext.bayesian.groups import as_one_field, given_fields, pooled
from fastfm_ext.bayesian.hyperparameters import check_hyperparameters
from fastfm_ext.bayesian.posterior import covariance_share, score_draws
from fastfm_ext.bayesian.progress import SweepCallback, SweepListeners
from fastfm_ext.bayesian.rows import LearnedRows, Rows, taken
from fastfm_ext.bayesian.sampler import Collected, Sampler, ScoreSampler, SweepHistory, SweepLimits
from fastfm_ext.bayesian.vectors import SampledVectorsMixin
from fastfm_ext.blocks.matrix import BlockMatrix

NO_SCALE = np.zeros(0, dtype=np.intp), np.zeros((0, 1), dtype=np.float32)
# Rows whose predictions are monitored.
MONITORED_ROWS = 1000
# Rate of the Gamma prior of the noise precision, for targets of spread 1: noise of a thirtieth of it is found in a
# hundred rows, and that of a few rows does not vanish where the parameters can follow every row.
NOISE_RATE = 0.1
# The kept draws of a model take about so many bytes by default, unless that were fewer than the first of these numbers,
# or more than the second.
DRAWS_BYTES = 12_000_000
FEWEST_DRAWS, MOST_DRAWS = 20, 200


class BayesianEstimator(SampledVectorsMixin, BaseEstimator):
    """Base of the Bayesian estimators.

    A subclass names the likelihoods of its scores, and turns draws of scores into predictions. `_scorers` holds the
    parameters of one machine for each score, and where draws are kept, `_means` their mean and `_draws` what they
    differ from it: all for centered columns in the user's units.
    """

    _units: Units
    _means: list[Parameters] | None
    _draws: list[PosteriorDraws] | None
    # Of each score, the part of the draws' covariance term that predictions take: see `_covariance_share_of`.
    _covariance_shares: list[float]
    _centered: CenteredForm | None = None
    _sampler: Sampler
    _print_of_rows: int
    _has_no_units: bool = False
    _spec: ClassVar[ModelSpec] = FM

    n_factors: int
    fields: ArrayLike | None
    form: str
    prior: str
    fit_linear: bool
    max_sweeps: int
    max_seconds: float | None
    tol: float
    burn_in: int | Literal["auto"]
    keep: str
    n_samples: int | Literal["auto"]
    warm_start: bool
    n_jobs: int | None
    random_state: Any
    verbose: int | str

    # --- what a subclass says ----------------------------------------------------------------------------------------

    @abstractmethod
    def _check_target(self, y: Any, name: str) -> Any:
        """Return targets, (n_rows,), that the estimator can learn, or raise ValueError."""

    @abstractmethod
    def _learn_target(self, y: Any, sample_weight: Float32 | None) -> TargetUnits:
        """Learn from the targets, (n_rows,); return their units."""

    def _weights_of(self, y: Any, sample_weight: Float32 | None) -> Float32 | None:
        """Return what rows count, (n_rows,), once the target is learned; None for all alike."""
        return sample_weight

    @abstractmethod
    def _likelihoods(self, y: Any, sample_weight: Float32 | None, priors: Priors) -> list[Likelihood]:
        """Return the likelihood of each score, for targets of mean 0 and spread 1."""

    @abstractmethod
    def _check_learned_target(self) -> None:
        """Raise ValueError unless the target's attributes fit the number of scores."""

    @property
    def _has_intercept(self) -> bool:
        return bool(getattr(self, "fit_intercept", False))

    # --- training ----------------------------------------------------------------------------------------------------

    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None, *, callback: SweepCallback | None = None
    ) -> Self:
        """Sample the posterior of the model.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame, BlockMatrix} of shape (n_samples, n_features)
            A `BlockMatrix` is learned block row by block row, and its columns are taken as they are: bring numeric ones
            near 0 and to about unit size.
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), optional
            How often each row counts, 0 or more: one of weight 2 is that row twice. Fractions are allowed, too.
        callback : callable, optional
            Called after each sweep with a `SweepProgress`. Where it returns True, sampling ends. An error in it ends
            the fit, too, and the estimator is as it was before.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that cannot be trained on; the message names the argument.
        DivergenceError
            If parameters become NaN or infinite, which takes values of X that are very far from 0. The estimator is
            then as it was before.
        KeyboardInterrupt
            After Ctrl-C, at the end of the sweep: the estimator is then what the sweeps so far have made it. A second
            Ctrl-C does not wait, and leaves the estimator as it was before.
        """
        check_hyperparameters(self)
        model: Self = self._as_it_is()
        goes_on = self.warm_start and hasattr(self, "_sampler")
        n_before = self.n_sweeps_ if goes_on else 0
        with SweepListeners(self.verbose, self.max_sweeps, callback) as listeners:
            interrupted = model._sample(X, y, sample_weight, listeners)
        self.__dict__ = model.__dict__
        if interrupted is not None:
            raise interrupted
        if self.n_sweeps_ - n_before >= self.max_sweeps and not self.is_exact_:
            warnings.warn(
                f"Sampling ended at max_sweeps={self.max_sweeps} while the Monte Carlo error still raised that of the "
                f"predictions by {self.mc_error_:.2g}, more than tol={self.tol:g}. Raise max_sweeps or tol, or go on "
                "with warm_start=True.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _sample(self, X: Any, y: Any, sample_weight: Any, listeners: SweepListeners) -> KeyboardInterrupt | None:
        """Begin a sampler or go on with the last one, and become what it finds."""
        rows = self._learned_rows(X, y, sample_weight)
        print_of_rows = rows.fingerprint()
        if self.warm_start and hasattr(self, "_sampler"):
            if print_of_rows != self._print_of_rows:
                raise ValueError(
                    "warm_start=True makes more sweeps of the same chain, and these rows are not those of the last fit."
                    " Fit with warm_start=False to begin anew."
                )
            sampler = self._sampler
        else:
            sampler = self._new_sampler(rows)
        burn_in = None if isinstance(self.burn_in, str) else int(self.burn_in)
        limits = SweepLimits(self.max_sweeps, self.max_seconds, self.tol, burn_in)
        n_before = len(sampler.history.seconds)

        def report(history: SweepHistory, burn_in: int | None) -> bool:
            is_burn_in = burn_in is None or burn_in == len(history.seconds)
            return listeners.end_sweep(lambda: self._by_name(history), n_before, is_burn_in=is_burn_in)

        interrupted = sampler.run(limits, report)
        self._keep(sampler, rows)
        if self.warm_start:
            self._sampler, self._print_of_rows = sampler, print_of_rows
        elif hasattr(self, "_sampler"):
            del self._sampler
        return interrupted

    def _learned_rows(self, X: Any, y: Any, sample_weight: Any) -> LearnedRows:
        """Return rows in the units of training, but for targets; learn these units."""
        if isinstance(X, BlockMatrix):
            return self._rows_of_blocks(X, y, sample_weight)
        check_form_of(X, self.form)
        self._centered = None
        rows = counted_rows(self, X, y, sample_weight, self._check_target, reset=True)
        centers = NO_CENTERS
        # What centering takes off w0 and w have to bring back, and a model without them is another one of x - c.
        if self._has_intercept and self.fit_linear:
            in_double = partial(numeric_values, rows, X, rows.X.n_features)
            centered, centers = Centers.learned(rows.X, in_double, is_beginning=False)
            rows = rows._replace(X=centered)
        units = Units.of(rows.X, centers, None, self._learn_target(rows.y, rows.sample_weight))
        rows = rows._replace(sample_weight=self._weights_of(rows.y, rows.sample_weight))
        fields = fields_found(rows.X) if self.fields is None else given_fields(self.fields, rows.X.n_features)
        is_alone = np.bincount(fields)[fields] == 1
        self._units = replace(units, features=as_one_field(units.features, rows.X, np.flatnonzero(is_alone)))
        in_own_units = self._units.features.apply(rows.X)
        blocks = split(in_own_units, fields)
        return LearnedRows(
            in_own_units, replace(blocks, groups=pooled(fields)), rows.y, rows.sample_weight, len(np.unique(fields))
        )

    def _rows_of_blocks(self, X: BlockMatrix, y: Any, sample_weight: Any) -> LearnedRows:
        """Return rows that are in blocks, whose columns are taken as they are."""
        validate_data(self, X, reset=True, skip_check_array=True)
        check_not_empty(X.shape, "X")
        blocks = X.to_blocks()
        y, weight = targets_and_weights(self, blocks.n_rows, y, sample_weight, self._check_target)
        if weight is not None and not weight.all():
            counted = np.flatnonzero(weight)
            blocks, y, weight = blocks.take(counted), y[counted], weight[counted]
        self._units = Units(FeatureScale(*NO_SCALE), *self._learn_target(y, weight))
        weight = self._weights_of(y, weight)
        fields = blocks.groups if self.fields is None else given_fields(self.fields, blocks.n_features)
        n_fields = len(np.unique(fields))
        self._centered = form = CenteredForm.found(blocks, fields) if self.form == "centered" else None
        if form is not None:
            blocks, fields = form.learned(blocks), form.groups(fields)
        return LearnedRows(blocks, replace(blocks, groups=pooled(fields)), y, weight, n_fields)

    def _new_sampler(self, rows: LearnedRows) -> Sampler:
        """Return a sampler of new chains on rows in the units of training."""
        rng = np.random.default_rng(int(check_random_state(self.random_state).randint(2**31)))
        n = rows.X.n_rows
        priors = Priors.of_fields(self.prior, rows.n_fields, NOISE_RATE)
        watched = taken(rows.X, np.sort(rng.choice(n, min(n, MONITORED_ROWS), replace=False)).astype(np.int64))
        likelihoods = self._likelihoods(rows.y, rows.sample_weight, priors)
        limit, scores = self._n_draws(rows.X.n_features, len(likelihoods)), []
        for likelihood in likelihoods:
            chain = Chain(
                rows.blocks,
                likelihood,
                rows.sample_weight,
                int(self.n_factors),
                priors,
                fit_intercept=self._has_intercept,
                fit_linear=bool(self.fit_linear),
                n_threads=effective_n_jobs(self.n_jobs),
                seed=int(rng.integers(2**31)),
            )
            scores.append(ScoreSampler(chain, likelihood, watched, limit))
        return Sampler(scores)

    def _n_draws(self, n_features: int, n_scores: int) -> int:
        """Return how many draws to keep."""
        if self.keep == "mean":
            return 0
        if not isinstance(self.n_samples, str):
            return int(self.n_samples)
        # A byte a factor, four for the row's scale and four for its weight.
        n_bytes = n_scores * n_features * (int(self.n_factors) + 8)
        return max(FEWEST_DRAWS, min(MOST_DRAWS, DRAWS_BYTES // n_bytes))

    # --- what is kept ------------------------------------------------------------------------------------------------

    def _keep(self, sampler: Sampler, rows: LearnedRows) -> None:
        """Become the model that a sampler has found."""
        found = [score.collected() for score in sampler.scores]
        first = sampler.scores[0]
        self.n_sweeps_ = len(sampler.history.seconds)
        self.burn_in_ = self.n_sweeps_ if sampler.burn_in is None else sampler.burn_in
        self.is_exact_ = sampler.is_exact
        self.mc_error_ = max(score.rise_of_error() for score in sampler.scores)
        self.r_hat_ = max(score.monitor.r_hat() for score in sampler.scores)
        self.autocorrelation_ = first.monitor.autocorrelation()
        self.hyperparameters_ = {
            name: np.stack([each.hyperparameters[name] for each in found]) if len(found) > 1 else values
            for name, values in found[0].hyperparameters.items()
        }
        self.history_ = self._by_name(sampler.history)
        self._mean_cuts = found[0].cuts
        self._noise_variance = found[0].noise_variance * self._units.target**2
        self._covariance_shares = [
            0.0 if each.draws is None else covariance_share(first.watched, each.mean, each.draws) for each in found
        ]
        units = self._units
        machines = [each.mean for each in found] if self.keep == "mean" else self._distilled(found, rows)
        self._scorers = Scorers(in_units(params, units) for params in machines)
        self._means = self._draws = None
        if self.keep == "samples":
            scale = units.features
            kept = [each.draws for each in found if each.draws is not None]
            self._means = [in_units(each.mean, units) for each in found]
            self._draws = [draws.scaled(units.target, scale.columns, scale.factors) for draws in kept]

    def _distilled(self, found: list[Collected], rows: LearnedRows) -> list[Parameters]:
        """Return one machine for each score that predicts as its draws do, for targets of mean 0 and spread 1."""
        to_match = rows_to_match(rows.blocks, int(self.n_factors), np.random.default_rng(0))
        X = to_match.expanded() if isinstance(rows.X, Csr) else to_match
        means, draws = [each.mean for each in found], [each.draws for each in found if each.draws is not None]
        form = DistilledForm(self._has_intercept, bool(self.fit_linear), effective_n_jobs(self.n_jobs))
        targets = np.empty((len(found), X.n_rows))
        for part, scores in score_draws(X, means, draws, self._covariance_shares, form.n_threads):
            targets[:, part] = self._averaged_scores(scores)
        is_flat = isinstance(X, Csr)
        return [
            distilled(to_match, of_score, self._score_weights(of_score), mean, form, is_flat=is_flat)
            for of_score, mean in zip(targets, means, strict=True)
        ]

    def _averaged_scores(self, scores: Float64) -> Float64:
        """Return the score, (n_scores, n_rows), that predicts as those of the draws, (n_scores, n_draws, n_rows)."""
        averaged: Float64 = scores.mean(axis=1)
        return averaged

    def _score_weights(self, scores: Float64) -> Float64 | None:
        """Return what an error of each score, (n_rows,), matters, 1 on average; None for all alike."""
        return None

    def _by_name(self, history: SweepHistory) -> dict[str, list[float]]:
        """Return what each sweep gave, under its public names and in the user's units."""
        target = self._units.target
        return {"spread": [target * value for value in history.spread], "seconds": list(history.seconds)}

    # --- scores ------------------------------------------------------------------------------------------------------

    def _score_draws(self, X: Any) -> tuple[int, Iterator[tuple[slice, Float64]]]:
        """Return the number of rows of X, and what `score_draws` gives for them, without the center of the targets."""
        check_is_fitted(self, "_scorers")
        rows: Rows | None = self._blocks_of(X)
        if rows is None:
            X = X.tocsr() if isinstance(X, BlockMatrix) else X
            rows = to_csr(self, X, centers=self._units.centers)
        if self._centered is not None:
            rows = self._centered.applied(rows)
        n_threads = effective_n_jobs(self.n_jobs)
        means = self._scorers if self._means is None else self._means
        return rows.n_rows, score_draws(rows, means, self._draws, self._covariance_shares, n_threads)

    def _as_it_is(self) -> Self:
        """Return the model as it is now, over the same parameters: a later fit does not change it."""
        model: Self = object.__new__(type(self))
        model.__dict__ = self.__dict__.copy()
        return model

    # --- saved form --------------------------------------------------------------------------------------------------

    _format_version = 2

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
        model: Self = saving.from_state(cls, meta, arrays)
        return model

    def __getstate__(self) -> Any:
        # A chain holds the rows, and goes on only where it was made.
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name not in ("_sampler", "_print_of_rows")}

    # --- scikit-learn's conventions ----------------------------------------------------------------------------------

    def _check_params(self) -> None:
        check_hyperparameters(self)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_scorers")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
