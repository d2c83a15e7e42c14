"""Bayesian factorization machine for classes in an order."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr
from sklearn.base import ClassifierMixin

from fastfm_ext._common.arrays import AnyArray, Float32, Float64
from fastfm_ext._estimators.labels import check_labels, classes_of
from fastfm_ext._estimators.scoring_form import Link
from fastfm_ext._learning.solvers.hyperpriors import Priors
from fastfm_ext._learning.solvers.likelihoods import Likelihood, OrderedProbit
from fastfm_ext._learning.units import TargetUnits
from fastfm_ext.bayesian.base import BayesianEstimator


class BayesianFMOrdinalClassifier(ClassifierMixin, BayesianEstimator):
    """Bayesian factorization machine for classes in an order: stars, grades, levels of risk.

    An ordered probit: ``P(y <= c) = Phi(g_c - p(x))`` with ``p(x) = sum_i w_i x_i
    + 1/2 sum_f [(sum_i v_if x_i)^2 - sum_i v_if^2 x_i^2]`` and cut points g that rise. Gibbs sweeps sample parameters,
    priors and cut points, and probabilities are averaged over the draws. Unlike a regression it knows that there is
    nothing between four stars and five, and that the step from one to two need not be as long.

    Parameters
    ----------
    n_factors : int, default=16
        Length k of each feature's factor vector; 0 leaves the pair term out. Averages over draws do not overfit with
        more, but need more sweeps, each of which takes a time of the order of k to k^2.
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
    fit_linear : bool, default=True
        Whether to learn w. The cut points are the intercept.
    max_sweeps : int, default=2000
        Most sweeps. `fit` gives a ConvergenceWarning if they end before `tol` is reached.
    max_seconds : float, optional
        Sampling ends with the sweep that is going on after so many seconds.
    tol : float, default=5e-4
        Sampling ends when the Monte Carlo error of the averaged probabilities is small: when its mean square is
        ``2 tol`` times the variance of the class number itself, as the model has it. It is measured on 1000 rows.
    burn_in : int or "auto", default="auto"
        Sweeps at the beginning that no prediction averages over. "auto": while predictions drift, at most half of
        `max_sweeps` and `max_seconds`, and while the spread of the scores grows, at most a quarter.
    keep : {"samples", "distilled", "mean"}, default="samples"
        What predictions are made of: draws of all parameters, thinned and in 8 bits a factor; one FM that is fitted to
        the scores of the draws ("distilled"); or the mean of the parameters over all sweeps, less accurate the longer
        the chain. Both are one FM, and too sure: they do not know how uncertain their score is.
    n_samples : int or "auto", default="auto"
        Draws to keep. "auto": as many as take 12 MB, at least 20 and at most 200.
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
    classes_ : ndarray of shape (n_classes,)
        Sorted, which is their order.
    cut_points_ : ndarray of shape (n_classes - 1,)
        The g between two classes, means over all sweeps after the burn-in.
    w0_ : float
        0.
    w_ : ndarray of shape (n_features,), float32
    V_ : ndarray of shape (n_features, n_factors), float32
        Of one FM that is fitted to what the draws predict, or for ``keep="mean"`` means over all sweeps after the
        burn-in. Vectors of users and items are of these, too.
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
        diagonal for "normal-gamma"; for values of about 1. NaN for
        what precisions relative to those of the ids belong to, in the centered form.
    history_ : dict of str to list of float
        "spread" (standard deviation of the scores of 1000 rows) and "seconds", one value a sweep.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only after a fit on a data frame.

    References
    ----------
    Albert, Chib, "Bayesian Analysis of Binary and Polychotomous Response Data" (JASA 1993). Cowles, "Accelerating
    Monte Carlo Markov chain convergence for cumulative-link generalized linear models" (Statistics and Computing 1996).

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext import BayesianFMOrdinalClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 2))
    >>> stars = (
    ...     np.digitize(X[:, 0] + X[:, 1] + rng.normal(scale=0.3, size=500), [-2, -1, 0, 2]) + 1
    ... )
    >>> model = BayesianFMOrdinalClassifier(n_factors=2, random_state=0).fit(X, stars)
    >>> model.predict([[-2.0, -1.0], [0.5, 0.5], [2.0, 2.0]]).tolist()
    [1, 4, 5]
    >>> model.predict_mean([[-2.0, -1.0], [0.5, 0.5]]).round().tolist()
    [1.0, 4.0]
    """

    def __init__(
        self,
        n_factors: int = 16,
        *,
        fields: ArrayLike | None = None,
        form: str = "fm",
        prior: str = "normal-wishart",
        fit_linear: bool = True,
        max_sweeps: int = 2000,
        max_seconds: float | None = None,
        tol: float = 5e-4,
        burn_in: int | Literal["auto"] = "auto",
        keep: str = "samples",
        n_samples: int | Literal["auto"] = "auto",
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int | Literal["bar"] = 0,
    ) -> None:
        self.n_factors = n_factors
        self.fields = fields
        self.form = form
        self.prior = prior
        self.fit_linear = fit_linear
        self.max_sweeps = max_sweeps
        self.max_seconds = max_seconds
        self.tol = tol
        self.burn_in = burn_in
        self.keep = keep
        self.n_samples = n_samples
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def predict(self, X: Any) -> AnyArray:
        """Return the most probable class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame, BlockMatrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            Of the type of `classes_`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If X has NaN, infinite values, no rows, another number of features than in `fit`, or values so large that
            what is computed of them is beyond float32.
        """
        model = self._as_it_is()
        chosen = model._probabilities(X).argmax(axis=1)
        labels: AnyArray = model.classes_[chosen]
        return labels

    def predict_proba(self, X: Any) -> Float64:
        """Return the probability of each class, averaged over the draws.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame, BlockMatrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If X has NaN, infinite values, no rows, another number of features than in `fit`, or values so large that
            what is computed of them is beyond float32.
        """
        return self._as_it_is()._probabilities(X)

    def predict_mean(self, X: Any, return_std: bool = False) -> Float64 | tuple[Float64, Float64]:
        """Return the expected value of classes that are numbers: what has the least squared error.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame, BlockMatrix} of shape (n_samples, n_features)
        return_std : bool, default=False
            Whether to return the standard deviation of an observation, too.

        Returns
        -------
        mean : ndarray of shape (n_samples,)
        std : ndarray of shape (n_samples,)
            Only with `return_std`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If the classes are no numbers, or as for `predict`.
        """
        model = self._as_it_is()
        probabilities = model._probabilities(X)
        if model.classes_.dtype.kind not in "biuf":
            raise ValueError(f"predict_mean needs classes that are numbers; they are of type {model.classes_.dtype}.")
        values = model.classes_.astype(np.float64)
        mean: Float64 = probabilities @ values
        if not return_std:
            return mean
        return mean, np.sqrt((probabilities * (values - mean[:, None]) ** 2).sum(axis=1))

    @property
    def cut_points_(self) -> Float64:
        """Cut points between neighbouring classes, on the scale of the score."""
        if "_mean_cuts" not in vars(self):
            raise AttributeError(f"This {type(self).__name__} is not fitted yet; call fit first.")
        return self._mean_cuts

    def _probabilities(self, X: Any) -> Float64:
        """Return the probabilities of the classes, (n_rows, n_classes)."""
        n_rows, parts = self._score_draws(X)
        cuts = self._mean_cuts[None] if self._draws is None else self._draws[0].cuts
        probabilities = np.empty((n_rows, len(self.classes_)))
        for rows, scores in parts:
            above = np.ones(scores.shape[2])
            for c, cut in enumerate(cuts.T):
                above_cut = ndtr(scores[0] - cut[:, None]).mean(axis=0)
                probabilities[rows, c] = above - above_cut
                above = above_cut
            probabilities[rows, -1] = above
        return probabilities

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # scikit-learn's checks have classes in no order.
        tags.classifier_tags.poor_score = True
        return tags

    # --- what the base asks ------------------------------------------------------------------------------------------

    @property
    def _link(self) -> Link:
        return Link("ordered probit", classes=self.classes_, cuts=self._mean_cuts)

    def _check_target(self, y: Any, name: str) -> Any:
        check_labels(y, name)
        return y

    def _learn_target(self, y: AnyArray, sample_weight: Float32 | None) -> TargetUnits:
        self.classes_ = classes_of(y)
        return TargetUnits()

    def _likelihoods(self, y: AnyArray, sample_weight: Float32 | None, priors: Priors) -> list[Likelihood]:
        return [OrderedProbit(np.searchsorted(self.classes_, y), len(self.classes_), sample_weight)]

    def _check_learned_target(self) -> None:
        if len(self.classes_) < 2 or len(self._scorers) != 1:
            raise ValueError(f"{len(self.classes_)} classes with {len(self._scorers)} scorers")
