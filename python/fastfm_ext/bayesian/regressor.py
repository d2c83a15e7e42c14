"""Bayesian factorization machine for regression."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri
from sklearn.base import RegressorMixin
from sklearn.utils import check_random_state

from fastfm_ext._common.arrays import Float32, Float64
from fastfm_ext._common.checks import is_integer, is_real
from fastfm_ext._estimators.scoring_form import Link
from fastfm_ext._learning.solvers.hyperpriors import Priors
from fastfm_ext._learning.solvers.likelihoods import Gaussian, Likelihood
from fastfm_ext._learning.units import TargetUnits
from fastfm_ext._validation.targets import check_numbers, spread_of
from fastfm_ext.bayesian.base import BayesianEstimator
from fastfm_ext.bayesian.sampler import SweepHistory

OF = ("observation", "mean")


class BayesianFMRegressor(RegressorMixin, BayesianEstimator):
    """Bayesian factorization machine for regression: the most accurate one, and it knows how sure it is.

    Samples the posterior of ``p(x) = w0 + sum_i w_i x_i + 1/2 sum_f [(sum_i v_if x_i)^2 - sum_i v_if^2 x_i^2]`` with
    ``y ~ N(p(x), noise^2)`` by Gibbs sweeps over the features, and predicts averages over the draws. The priors of each
    field and the noise are drawn, too, so that there is no learning rate, no L2 and no early stopping to set, and no
    rows are held out. It suits some millions of rows of ids and categories, held in memory.

    The unit of the target does not matter, nor do unit and zero of a numeric feature.

    Parameters
    ----------
    n_factors : int, default=16
        Length k of each feature's factor vector; 0 leaves the pair term out. Averages over draws do not overfit with
        more, but need more sweeps, each of which takes a time of the order of k to k^2. So 16 are the default: of more
        there is little left to gain on ratings.
    fields : array-like of shape (n_features,), optional
        The field of each feature, an integer, as `FMEncoder.fields_` has it. Features of a field share a prior; fields
        of a single feature, as numeric columns are, share one. By default they are told from X: neighbouring columns of
        which no row has two are one field.
    form : {"fm", "centered"}, default="fm"
        How a block of ids and other features is modeled. "fm": the features interact as they do in any factorization
        machine, ids included. "centered": each id has a weight and factors around a mean that the block's other
        features add up to, and interacts with other blocks alone; X must be a `BlockMatrix` in `fit`, and each of its
        rows have an id in such a block.
    prior : {"normal-wishart", "normal-gamma"}, default="normal-wishart"
        Prior of the factors of a field: normal with a full covariance, or with one variance a factor.
    fit_intercept, fit_linear : bool, default=True
        Whether to learn w0, and w.
    max_sweeps : int, default=2000
        Most sweeps. `fit` gives a ConvergenceWarning if they end before `tol` is reached.
    max_seconds : float, optional
        Sampling ends with the sweep that is going on after so many seconds.
    tol : float, default=5e-4
        Sampling ends when the Monte Carlo error of the averaged predictions raises the root mean squared error by no
        more than this part: when its mean square is ``2 tol`` times that of the noise. It is measured on 1000 rows.
    burn_in : int or "auto", default="auto"
        Sweeps at the beginning that no prediction averages over. "auto": while predictions and noise drift, at most
        half of `max_sweeps` and `max_seconds`, and while the spread of the scores grows, at most a quarter.
    keep : {"samples", "distilled", "mean"}, default="samples"
        What predictions are made of: draws of all parameters, thinned and in 8 bits a factor; one FM that is fitted to
        what the draws predict ("distilled"), and knows the noise, but not how sure it is; or the mean of the
        parameters over all sweeps, which is one FM, too, and less accurate the longer the chain.
    n_samples : int or "auto", default="auto"
        Draws to keep. "auto": as many as take 12 MB, at least 20 and at most 200.
    clip_predictions : bool, default=False
        Whether `predict` returns no number outside `target_range_`, as suits ratings.
    warm_start : bool, default=False
        Whether `fit` makes more sweeps of the chain of the last fit, which must have had it set and the same rows. The
        chain, and with it the rows, stay in memory then; a copy, a pickle or a saved model does not have them.
    n_jobs : int, optional
        Threads; -1 takes all cores. The model is the same to the bit for any number.
    random_state : int, RandomState or None, default=None
        Seed of the draws. The same seed gives bit-equal models on one machine.
    verbose : int or "bar", default=0
        1 prints a line for each sweep, "bar" shows a progress bar for fits of more than two seconds (needs tqdm, in
        the extra ``progress``), and 0 is silence.

    Attributes
    ----------
    w0_ : float
    w_ : ndarray of shape (n_features,), float32
    V_ : ndarray of shape (n_features, n_factors), float32
        Of one FM that is fitted to what the draws predict, or for ``keep="mean"`` means over all sweeps after the
        burn-in. Vectors of users and items are of these, too.
    noise_ : float
        Standard deviation of the noise: root of its mean variance.
    n_sweeps_, burn_in_, n_samples_ : int
        Sweeps that were made, those of them that were left out, and draws that were kept.
    is_exact_ : bool
        Whether `tol` was reached.
    mc_error_ : float
        What was compared with `tol`.
    r_hat_ : float
        Split R-hat of the predictions of 1000 rows, which 95 % of them do not exceed: near 1 for a chain that has
        mixed.
    autocorrelation_ : ndarray of shape (n_lags,)
        Of these predictions, on average over the rows, from lag 0 on.
    hyperparameters_ : dict of str to ndarray
        Means of what the priors have: "mu_w" and "lambda_w" (n_priors,), the mean and the precision of the weights of
        a field, "mu_V" (n_priors, n_factors) and "lambda_V" (n_priors, n_factors, n_factors), which is
        diagonal for "normal-gamma"; for targets of spread 1 and values of about 1. NaN for
        what precisions relative to those of the ids belong to, in the centered form.
    history_ : dict of str to list of float
        "noise", "spread" (standard deviation of the predictions of 1000 rows) and "seconds", one value a sweep.
    target_range_ : ndarray of shape (2,)
        The lowest and the highest target.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only after a fit on a data frame.

    References
    ----------
    Rendle, "Factorization Machines with libFM" (TIST 2012) and "Scaling Factorization Machines to Relational Data"
    (VLDB 2013). Salakhutdinov, Mnih, "Bayesian Probabilistic Matrix Factorization using Markov Chain Monte Carlo"
    (ICML 2008).

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext import BayesianFMRegressor
    >>> rng = np.random.default_rng(0)
    >>> user, film = rng.integers(0, 30, 2000), rng.integers(0, 20, 2000)
    >>> X = np.hstack([np.eye(30)[user], np.eye(20)[film]])
    >>> y = user / 10 + film / 10 + rng.normal(scale=0.5, size=2000)
    >>> model = BayesianFMRegressor(n_factors=2, random_state=0).fit(X, y)
    >>> round(model.noise_, 1)
    0.5
    >>> mean, std = model.predict(X[:1], return_std=True)
    >>> bool(abs(mean[0] - y[0]) < 3 * std[0])
    True
    """

    def __init__(
        self,
        n_factors: int = 16,
        *,
        fields: ArrayLike | None = None,
        form: str = "fm",
        prior: str = "normal-wishart",
        fit_intercept: bool = True,
        fit_linear: bool = True,
        max_sweeps: int = 2000,
        max_seconds: float | None = None,
        tol: float = 5e-4,
        burn_in: int | Literal["auto"] = "auto",
        keep: str = "samples",
        n_samples: int | Literal["auto"] = "auto",
        clip_predictions: bool = False,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int | Literal["bar"] = 0,
    ) -> None:
        self.n_factors = n_factors
        self.fields = fields
        self.form = form
        self.prior = prior
        self.fit_intercept = fit_intercept
        self.fit_linear = fit_linear
        self.max_sweeps = max_sweeps
        self.max_seconds = max_seconds
        self.tol = tol
        self.burn_in = burn_in
        self.keep = keep
        self.n_samples = n_samples
        self.clip_predictions = clip_predictions
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @property
    def noise_(self) -> float:
        """Standard deviation of the noise, in the unit of the target."""
        if "_noise_variance" not in vars(self):
            raise AttributeError(f"This {type(self).__name__} is not fitted yet; call fit first.")
        return float(np.sqrt(self._noise_variance))

    def predict(self, X: Any, return_std: bool = False) -> Float64 | tuple[Float64, Float64]:
        """Return the predicted targets, and on request how far observations lie from them.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame, BlockMatrix} of shape (n_samples, n_features)
        return_std : bool, default=False
            Whether to return the standard deviation of an observation, too, as `predict_std` does.

        Returns
        -------
        mean : ndarray of shape (n_samples,)
            Within `target_range_` if `clip_predictions` is set.
        std : ndarray of shape (n_samples,)
            Only with `return_std`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If X has NaN, infinite values, no rows, another number of features than in `fit`, or values so large that
            what is computed of them is beyond float32. For `return_std` of a model that keeps no draws.
        """
        model = self._as_it_is()
        mean, variance = model._moments(X, with_variance=return_std)
        if model.clip_predictions:
            mean = mean.clip(*model.target_range_)
        return (mean, np.sqrt(variance + model._noise_variance)) if return_std else mean

    def predict_std(self, X: Any, of: str = "observation") -> Float64:
        """Return the standard deviation of a new observation of each row, or of its mean.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame, BlockMatrix} of shape (n_samples, n_features)
        of : {"observation", "mean"}, default="observation"
            "mean": what is not known of p(x), which more rows would tell. "observation": the noise besides.

        Returns
        -------
        ndarray of shape (n_samples,)

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            As for `predict`; if the model keeps no draws; for another `of`.
        """
        model = self._as_it_is()
        noise = _noise_of(of, getattr(model, "_noise_variance", np.nan))
        return np.sqrt(model._moments(X, with_variance=True)[1] + noise)

    def predict_interval(self, X: Any, level: float = 0.9) -> Float64:
        """Return the interval around the prediction where an observation lies with this probability.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame, BlockMatrix} of shape (n_samples, n_features)
        level : float, default=0.9
            Between 0 and 1.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            Lower and upper end, of a normal distribution with the mean and the standard deviation of `predict`; within
            `target_range_` if `clip_predictions` is set.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            As for `predict`; if the model keeps no draws; for another `level`.
        """
        if not is_real(0, open_at_low=True, high=1)(level):
            raise ValueError(f"level must be between 0 and 1; got {level!r}.")
        model = self._as_it_is()
        mean, variance = model._moments(X, with_variance=True)
        reach = ndtri(0.5 + 0.5 * level) * np.sqrt(variance + model._noise_variance)
        ends: Float64 = np.stack([mean - reach, mean + reach], axis=1)
        return ends.clip(*model.target_range_) if model.clip_predictions else ends

    def sample_predictions(self, X: Any, n: int = 1, of: str = "mean", random_state: Any = None) -> Float64:
        """Return draws of the predictions of all rows together.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame, BlockMatrix} of shape (n_samples, n_features)
        n : int, default=1
            Draws of p(x), taken at random from those kept: without repetition as far as there are enough.
        of : {"mean", "observation"}, default="mean"
            "observation" adds the noise.
        random_state : int, RandomState or None, default=None

        Returns
        -------
        ndarray of shape (n_samples, n)
            A column is one possible truth.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            As for `predict`; if the model keeps no draws; for another `of` or `n`.
        """
        if not is_integer(1)(n):
            raise ValueError(f"n must be an integer of at least 1; got {n!r}.")
        model, rng = self._as_it_is(), check_random_state(random_state)
        n_rows, parts = model._score_draws(X)
        model._check_keeps_draws()
        noise = _noise_of(of, model._noise_variance)
        kept = model.n_samples_
        chosen = np.concatenate([rng.permutation(kept) for _ in range(-(-n // kept))])[:n]
        sampled = np.empty((n_rows, n))
        for rows, scores in parts:
            sampled[rows] = scores[0, chosen].T
        sampled += model._units.target_center
        return sampled + np.sqrt(noise) * rng.standard_normal(sampled.shape) if noise else sampled

    def _moments(self, X: Any, *, with_variance: bool) -> tuple[Float64, Float64]:
        """Return mean and variance of p(x) over the draws, (n_rows,); the variance 0 where none is wanted."""
        n_rows, parts = self._score_draws(X)
        if with_variance:
            self._check_keeps_draws()
        mean, variance = np.empty(n_rows), np.zeros(n_rows)
        for rows, scores in parts:
            mean[rows] = scores[0].mean(axis=0)
            if with_variance:
                # The draws have been spread such that their variance is that of the posterior.
                variance[rows] = scores[0].var(axis=0)
        return mean + self._units.target_center, variance

    def _check_keeps_draws(self) -> None:
        if self._draws is None:
            raise ValueError(f'keep={self.keep!r} keeps no draws to tell the uncertainty by; fit with keep="samples".')

    # --- what the base asks ------------------------------------------------------------------------------------------

    @property
    def _link(self) -> Link:
        return Link("identity", limits=self.target_range_ if self.clip_predictions else None)

    def _check_target(self, y: Any, name: str) -> Float64:
        return check_numbers(y, name)

    def _learn_target(self, y: Float64, sample_weight: Float32 | None) -> TargetUnits:
        center = float(np.average(y, weights=sample_weight)) if self.fit_intercept else 0.0
        self.target_range_ = np.array([y.min(), y.max()])
        return TargetUnits(spread_of(y, center, sample_weight), center)

    def _likelihoods(self, y: Float64, sample_weight: Float32 | None, priors: Priors) -> list[Likelihood]:
        units = self._units
        return [Gaussian((y - units.target_center) / units.target, priors.noise_shape, priors.noise_rate)]

    def _check_learned_target(self) -> None:
        limits = self.target_range_
        if len(self._scorers) != 1:
            raise ValueError(f"a regressor with {len(self._scorers)} scorers")
        if limits.shape != (2,) or limits.dtype != np.float64 or not -np.inf < limits[0] <= limits[1] < np.inf:
            raise ValueError(f"a range of the targets of {limits}")

    def _by_name(self, history: SweepHistory) -> dict[str, list[float]]:
        noise = [self._units.target / float(np.sqrt(precision)) for precision in history.noise]
        return {"noise": noise} | super()._by_name(history)


def _noise_of(of: str, variance: float) -> float:
    """Return the variance that an observation has besides its mean; 0 for the mean."""
    if not isinstance(of, str) or of not in OF:
        raise ValueError(f"of must be one of {OF}; got {of!r}.")
    return variance if of == "observation" else 0.0
