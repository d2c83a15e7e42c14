"""Bayesian factorization machine for classification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_ndtr, ndtr, ndtri
from sklearn.base import ClassifierMixin

from fastfm_ext._common.arrays import AnyArray, Float32, Float64
from fastfm_ext._estimators.class_weights import weights_by_class
from fastfm_ext._estimators.labels import check_labels, chosen_by, classes_of, encoded
from fastfm_ext._estimators.scoring_form import Link
from fastfm_ext._learning.solvers.hyperpriors import Priors
from fastfm_ext._learning.solvers.likelihoods import LOG_2PI, Likelihood, Probit
from fastfm_ext._learning.units import TargetUnits
from fastfm_ext.bayesian.base import BayesianEstimator

# Of a score that is matched, in units of the average.
SMALLEST_WEIGHT = 1e-3


class BayesianFMClassifier(ClassifierMixin, BayesianEstimator):
    """Bayesian factorization machine for classification: clicks, purchases, categories.

    Samples the posterior of ``P(y = 1) = Phi(p(x))``, a probit, with ``p(x) = w0 + sum_i w_i x_i
    + 1/2 sum_f [(sum_i v_if x_i)^2 - sum_i v_if^2 x_i^2]`` by Gibbs sweeps over the features, and averages the
    probabilities over the draws, which makes them well calibrated. The priors of each field are drawn, too, so that
    there is no learning rate, no L2 and no early stopping to set, and no rows are held out.

    More than two classes have a machine each, which is sampled against the rest; their probabilities are divided by
    their sum. So the time grows with the number of classes. For classes in an order there is
    `BayesianFMOrdinalClassifier`.

    It suits ids and categories. Numeric columns that go together, as pixels do, are drawn one after the other, and so
    their draws move slowly; and the scores of classes that can be told apart spread for hundreds of sweeps. For tables
    of both kinds, `FMClassifier` is the better choice, and the faster one.

    Parameters
    ----------
    n_factors : int, default=16
        Length k of each feature's factor vector; 0 leaves the pair term out. Averages over draws do not overfit with
        more, but need more sweeps, each of which takes a time of the order of k to k^2.
    fields : array-like of shape (n_features,), optional
        The field of each feature, an integer, as `FMEncoder.fields_` has it. Features of a field share a prior; fields
        of a single feature, as numeric columns are, share one. By default they are told from X: neighbouring columns of
        which no row has two are one field.
    class_weight : dict, "balanced" or None, default=None
        What the rows of each class count, multiplied with `sample_weight`: a dict of classes to numbers above 0 (1 for
        a class that it lacks), or "balanced" for ``n_samples / (n_classes * np.bincount(y))``. It is the likelihood
        that is weighted, ``prod_r P(y_r)^s_r``: probabilities become those of rows among which each class is as
        frequent as its weights say, and are no longer calibrated for the rows as they are; rows that count less leave
        it less sure. A row has the mean of s latents, s rounded and at least 1: whole weights are exact, and of others
        the draws lie where they should but scatter up to a tenth too little.
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
        Sampling ends when the Monte Carlo error of the averaged probabilities is small: when its mean square is
        ``2 tol`` times the variance of the class itself, as the model has it. It is measured on 1000 rows.
    burn_in : int or "auto", default="auto"
        Sweeps at the beginning that no prediction averages over. "auto": while predictions drift, at most half of
        `max_sweeps` and `max_seconds`, and while the spread of the scores grows, at most a quarter.
    keep : {"samples", "distilled", "mean"}, default="samples"
        What predictions are made of: draws of all parameters, thinned and in 8 bits a factor; one FM that is fitted to
        the probabilities of the draws ("distilled"); or the mean of the parameters over all
        sweeps, which is one FM, too, and too sure: it does not know how uncertain its score is.
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
    w0_ : float, or ndarray of shape (n_classes,) for more than two classes
    w_ : ndarray of shape (n_features,), or (n_classes, n_features), float32
    V_ : ndarray of shape (n_features, n_factors), or (n_classes, n_features, n_factors), float32
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
        diagonal for "normal-gamma"; for values of about 1. More than two classes are one more axis in front. NaN for
        what precisions relative to those of the ids belong to, in the centered form.
    history_ : dict of str to list of float
        "spread" (standard deviation of the scores of 1000 rows) and "seconds", one value a sweep.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only after a fit on a data frame.

    References
    ----------
    Albert, Chib, "Bayesian Analysis of Binary and Polychotomous Response Data" (JASA 1993). Rendle, "Factorization
    Machines with libFM" (TIST 2012).

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext import BayesianFMClassifier
    >>> X = np.random.default_rng(0).integers(0, 2, size=(300, 4))
    >>> y = np.where(X[:, 0] == X[:, 1], "same", "other")
    >>> model = BayesianFMClassifier(n_factors=2, random_state=0).fit(X, y)
    >>> model.predict([[1, 1, 0, 0], [0, 1, 1, 0]]).tolist()
    ['same', 'other']
    """

    def __init__(
        self,
        n_factors: int = 16,
        *,
        fields: ArrayLike | None = None,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
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
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int | Literal["bar"] = 0,
    ) -> None:
        self.n_factors = n_factors
        self.fields = fields
        self.class_weight = class_weight
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
        return chosen_by(model._averaged(X), model.classes_)

    def decision_function(self, X: Any) -> Float64:
        """Return the score of each row: the probit of the averaged probability.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame, BlockMatrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Of the second of two classes, or of each of more classes against the rest.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If X has NaN, infinite values, no rows, another number of features than in `fit`, or values so large that
            what is computed of them is beyond float32.
        """
        scores = self._as_it_is()._averaged(X)
        return scores[0] if len(scores) == 1 else np.ascontiguousarray(scores.T)

    def predict_proba(self, X: Any) -> Float64:
        """Return the probability of each class, averaged over the draws.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame, BlockMatrix} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`. With more than two classes, the probabilities of each against the rest, divided
            by their sum.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If X has NaN, infinite values, no rows, another number of features than in `fit`, or values so large that
            what is computed of them is beyond float32.
        """
        scores = self._as_it_is()._averaged(X)
        if len(scores) == 1:
            return np.stack([ndtr(-scores[0]), ndtr(scores[0])], axis=1)
        p = ndtr(scores)
        probabilities: Float64 = (p / p.sum(axis=0)).T
        return probabilities

    def _averaged(self, X: Any) -> Float64:
        """Return the probit of the averaged probabilities, (n_scores, n_rows)."""
        n_rows, parts = self._score_draws(X)
        probits = np.empty((len(self._scorers), n_rows))
        for rows, scores in parts:
            probits[:, rows] = self._averaged_scores(scores)
        return probits

    # --- what the base asks ------------------------------------------------------------------------------------------

    @property
    def _link(self) -> Link:
        return Link("probit", classes=self.classes_)

    def _check_target(self, y: Any, name: str) -> Any:
        check_labels(y, name)
        return y

    def _learn_target(self, y: AnyArray, sample_weight: Float32 | None) -> TargetUnits:
        self.classes_ = classes_of(y)
        return TargetUnits()

    def _weights_of(self, y: Any, sample_weight: Float32 | None) -> Float32 | None:
        return weights_by_class(y, sample_weight, self.class_weight, self.classes_, is_batch=False)

    def _likelihoods(self, y: AnyArray, sample_weight: Float32 | None, priors: Priors) -> list[Likelihood]:
        return [Probit(of_score, sample_weight) for of_score in encoded(y, self.classes_, "y")]

    def _averaged_scores(self, scores: Float64) -> Float64:
        if scores.shape[1] == 1:
            probits: Float64 = scores[:, 0]
        else:
            # Of the two probabilities the smaller one has all its digits.
            above, below = ndtr(scores).mean(axis=1), ndtr(-scores).mean(axis=1)
            probits = np.where(above < below, ndtri(above), -ndtri(below))
        # The normal distribution function of less than this is 0.
        return probits.clip(-37.5, 37.5)

    def _score_weights(self, scores: Float64) -> Float64 | None:
        # The information that an observation has of its score: where the class is sure, the score hardly matters.
        information = np.exp(-(scores**2) - LOG_2PI - log_ndtr(scores) - log_ndtr(-scores))
        weights: Float64 = np.maximum(information / information.mean(), SMALLEST_WEIGHT)
        return weights

    def _check_learned_target(self) -> None:
        n_classes = len(self.classes_)
        if n_classes < 2 or len(self._scorers) != (1 if n_classes == 2 else n_classes):
            raise ValueError(f"{n_classes} classes with {len(self._scorers)} scorers")
