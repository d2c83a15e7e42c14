"""Factorization machine for regression."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin

from fastfm_ext._common.arrays import Float32, Float64
from fastfm_ext._common.checks import check_param
from fastfm_ext._estimators.batch_methods import if_on_batches
from fastfm_ext._estimators.foreign_parameters import model_of
from fastfm_ext._estimators.hyperparameters import one_of
from fastfm_ext._estimators.rows import RowEstimator
from fastfm_ext._estimators.scoring_form import Link
from fastfm_ext._estimators.vectors import VectorsMixin
from fastfm_ext._learning.losses import Loss, losses_of
from fastfm_ext._learning.units import FAR_TARGET, TargetUnits
from fastfm_ext._validation.rows import CountedRows
from fastfm_ext._validation.targets import check_numbers, spread_of


class FMRegressor(VectorsMixin, RegressorMixin, RowEstimator):
    """Factorization machine for regression: ratings, prices, counts.

    Learns ``p(x) = w0 + sum_i w_i x_i + 1/2 sum_f [(sum_i v_if x_i)^2 - sum_i v_if^2 x_i^2]`` by per-sample gradient
    descent on a loss of the residual ``p - y`` plus L2, or by alternating least squares, over sparse rows.

    The unit of the target does not matter: step sizes, L2, `init_stdev` and `tol` are in units of its standard
    deviation. Nor do the unit and the zero of a numeric feature: values far from 0 or from 1 are brought near while
    training.

    Settings are given for rows of a squared norm up to 40, as one-hot rows have. Where rows are longer, as those of a
    few hundred standardised columns are, steps shrink and the L2 of factors grows with their norm.

    Parameters
    ----------
    n_factors : int, default=16
        Length k of each feature's factor vector v_i; 0 leaves the pair term out. 4, 8 and multiples of 16 waste no
        memory.
    loss : {"squared", "huber"}, default="squared"
        ``"squared"``: half the square of the residual, ``(p - y)^2 / 2``. ``"huber"``: the same up to a residual of
        `delta`, and linear beyond it (Huber 1964), so that a few rows with wrong targets do little harm.
    delta : float, default=1.0
        For ``loss="huber"`` only: the residual, in units of the target's standard deviation, from which on the loss
        grows linearly.
    clip_predictions : bool, default=False
        Whether `predict` returns no number outside `target_range_`, as suits ratings: one below the lowest target of
        training becomes the lowest, one above the highest becomes the highest. It plays no part in training.
    solver : {"adagrad", "sgd", "ftrl", "adam", "als"}, default="adagrad"
        Per-sample descent with AdaGrad's step sizes, with a constant one, FTRL-Proximal, or Adam, whose averages move
        when their feature is visited. AdaGrad needs least tuning and is the better choice where some features are
        frequent and others rare; SGD takes half the memory, and Adam 2.5 times as much; FTRL can make parameters
        exactly 0. ``"als"``: alternating least squares, for ``loss="squared"`` and all rows at once, without
        `partial_fit` and `fit_stream`. It has no learning rate, its epoch sets each feature's parameters to the best
        ones given all others, and ten epochs are often enough on ratings. It suits rows of few fields: an epoch takes
        time in proportion to the square of their number.
    learning_rate : float, optional
        For all but ALS. Default: 0.05 for AdaGrad, 0.005 for SGD, 0.2 for FTRL, 0.001 for Adam.
    max_iter : int, default=100
        Most epochs (passes over the rows). `fit` gives a ConvergenceWarning if they end while it still gains.
    l2_w, l2_V : float, optional
        L2 on linear weights and on factors, paid by a row's features each time it is visited: each row's loss grows
        by ``l2_w/2 sum w_i^2 + l2_V/2 sum |v_i|^2`` over its own features. With FTRL, L2 on the
        parameters is paid once, not at each visit, and so it is with ALS, where that of factors is larger if a row is
        far longer than others. Default: 0.01 and 0.05 for AdaGrad, 0.01 and 0.01 for SGD, 5.0 and 30.0 for FTRL,
        0.01 and 0.05 for Adam, 3.0 and 14.0 for ALS.
    l1_w, l1_V : float, default=0.0
        L1 on linear weights and on factors, for FTRL only: the larger, the more of them are exactly 0.
    clip_gradient : float, optional
        Lets no row pull harder than this: bounds the derivative of a row's loss, ``p - y``, in units of the target's
        standard deviation. On the squared loss this trains as ``loss="huber"`` does. Default: no bound.
    init_stdev : float, optional
        Standard deviation of the first factors. Default: 0.01 for AdaGrad, 0.03 for SGD, 0.01 for FTRL, 0.05
        for Adam, 0.1 for ALS.
    fit_intercept, fit_linear : bool, default=True
        Whether to learn w0, and w. Without either, columns far from zero are not centered, and learn slowly.
    shuffle : bool, default=True
        Visit the rows in a new random order in each epoch; otherwise in the order they come. For all but ALS.
    early_stopping : bool or "auto", default="auto"
        True: hold out `validation_fraction` of the rows, validate after each epoch, and stop at the best one. "auto"
        does so from 10,000 rows on; with fewer, down to 30, each of five folds is held out once, and the geometric mean
        of their losses finds the number of epochs, for `refit` to make. Rows given to `fit` as `X_val`, `y_val` are
        used in any case, and nothing is held out then.
    validation_fraction : float, default=0.1
        Share of the rows to hold out, chosen at random.
    n_iter_no_change : int, default=5
        Stop after this many epochs in which the validation loss (without validation rows: the training loss) has not
        fallen by more than `tol`; with folds, after six times as many.
    tol : float, default=1e-4
        In units of the target's variance.
    refit : bool, default=True
        Give back what early stopping held out: train anew on all rows, from the same start, for `best_epoch_` epochs.
        The model is then that of ``early_stopping=False`` with `best_epoch_` as `max_iter` and `n_iter_no_change`. By
        default, since test errors fall (RMSE by 0.8 % on MovieLens 100K, log loss by 4 % on Frappe), for 1.3 to 2.2
        times the time. `X_val` is never trained on. Without it, the best epoch's parameters are kept, and fewer than
        10,000 rows are not held out.
    warm_start : bool, default=False
        Whether `fit` goes on from the last fit's parameters. After a refit these have seen all rows, so that held-out
        ones of the same data tell nothing: pass `X_val` then, or ``early_stopping=False``.
    n_jobs : int, optional
        Threads; -1 takes all cores. With more than one, threads update the parameters without locks (Hogwild), and a
        fit is no longer reproducible to the bit. Prediction is, and so is ALS.
    random_state : int, RandomState or None, default=None
        Seed of the first factors, the hold-out and the row order. The same seed gives bit-equal models on one machine
        with one thread.
    verbose : int or "bar", default=0
        1 prints a line for each epoch, "bar" shows a progress bar for fits of more than two seconds (needs tqdm, in
        the extra ``progress``), and 0 is silence.

    Attributes
    ----------
    w0_ : float
    w_ : ndarray of shape (n_features,), float32
    V_ : ndarray of shape (n_features, n_factors), float32
    target_range_ : ndarray of shape (2,)
        The lowest and the highest target of all rows that the model was trained on, rows held out of X among them.
    n_iter_ : int
        Epochs in `history_`: those of the last `fit` without its refit, and one for each `partial_fit` since.
    best_epoch_ : int
        The epoch, from 1, that was best for the held-out rows: its parameters were kept, or the refit made so many.
    history_ : dict of str to list of float
        "train_loss" (mean over an epoch, each row before its own step; of ALS the mean behind the epoch), "val_loss"
        (empty without validation rows) and "seconds", one value an epoch: of the training before a refit, and as means
        over folds where there are some.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only after a fit on a data frame.

    Raises
    ------
    DivergenceError
        From `fit` and `partial_fit`, when training diverges.

    References
    ----------
    Rendle, "Factorization Machines" (ICDM 2010). Huber, "Robust Estimation of a Location Parameter" (Annals of
    Mathematical Statistics 1964). Duchi, Hazan, Singer, "Adaptive Subgradient Methods for Online
    Learning and Stochastic Optimization" (JMLR 2011). McMahan et al., "Ad Click Prediction: a View from the Trenches"
    (KDD 2013). Kingma, Ba, "Adam: A Method for Stochastic Optimization" (ICLR 2015). Niu, Recht, Re, Wright,
    "Hogwild!" (NIPS 2011). Rendle, Gantner, Freudenthaler, Schmidt-Thieme, "Fast Context-aware Recommendations with
    Factorization Machines" (SIGIR 2011).

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext import FMRegressor
    >>> X = (
    ...     np.eye(6)[[0, 0, 1, 1, 2, 2]] + np.eye(6)[[3, 4, 3, 5, 4, 5]]
    ... )  # one of three users, one of three films
    >>> y = [5.0, 4.0, 3.0, 1.0, 4.0, 2.0]
    >>> model = FMRegressor(n_factors=4, random_state=0).fit(X, y)
    >>> model.predict(X).round().tolist()
    [5.0, 4.0, 3.0, 1.0, 4.0, 2.0]
    """

    def __init__(
        self,
        n_factors: int = 16,
        *,
        loss: str = "squared",
        delta: float = 1.0,
        clip_predictions: bool = False,
        solver: str = "adagrad",
        learning_rate: float | None = None,
        max_iter: int = 100,
        l2_w: float | None = None,
        l2_V: float | None = None,
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
        super().__init__(
            n_factors,
            solver=solver,
            learning_rate=learning_rate,
            max_iter=max_iter,
            l2_w=l2_w,
            l2_V=l2_V,
            l1_w=l1_w,
            l1_V=l1_V,
            clip_gradient=clip_gradient,
            init_stdev=init_stdev,
            fit_intercept=fit_intercept,
            fit_linear=fit_linear,
            shuffle=shuffle,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            refit=refit,
            warm_start=warm_start,
            n_jobs=n_jobs,
            random_state=random_state,
            verbose=verbose,
        )
        self.loss = loss
        self.delta = delta
        self.clip_predictions = clip_predictions

    @classmethod
    def from_parameters(cls, w0: ArrayLike, w: ArrayLike, V: ArrayLike, **hyperparameters: Any) -> Self:
        """Return a model with the parameters of another program, such as libFM's, as if it had been fitted.

        It predicts at once. Training goes on from these parameters with any solver, by `partial_fit`, or by `fit` and
        `fit_stream` with ``warm_start=True``: the optimizer begins anew, and the first rows decide the units as they do
        for a new model.

        Parameters
        ----------
        w0 : float
        w : array-like of shape (n_features,)
        V : array-like of shape (n_features, n_factors)
        **hyperparameters
            Those of the constructor; `n_factors` is that of V.

        Returns
        -------
        FMRegressor

        Raises
        ------
        ValueError
            For other shapes, values that float32 cannot hold, or an invalid hyperparameter.

        Examples
        --------
        >>> from fastfm_ext import FMRegressor
        >>> model = FMRegressor.from_parameters(0.5, [1.0, 2.0], [[1.0, 1.0], [2.0, 0.0]])
        >>> model.predict([[1.0, 0.0], [1.0, 1.0]]).tolist()
        [1.5, 5.5]
        """
        return model_of(cls, w0, w, V, hyperparameters, 1)

    @if_on_batches
    def partial_fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train one epoch on these rows, going on from what has been learned.

        The first call's rows decide the units: of the target, in whose spread step sizes and L2 are given, of each
        numeric column, whose center is taken off, too, and of the rows' norms. So let the first batch be one of many
        rows, taken at random. Weights are relative to the mean weight of that batch.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that cannot be trained on, fewer features than before (a sparse X of more lets the model
            `grow`), or a changed `solver` or `n_factors`.
        DivergenceError
            When a score stops being finite. After an error, the model is as it was before the call.
        """
        return self._partial_fit((X, y, sample_weight, None))

    def predict(self, X: Any) -> Float32 | Float64:
        """Return the predicted targets.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), float32
            Within `target_range_` if `clip_predictions` is set. float64 where the mean of the first targets is more
            than 128 times their spread, as with years: float32 would round away what differs between rows.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If X has NaN, infinite values, no rows, another number of features than in `fit`, or values so large that
            what is computed of them is beyond float32.
        """
        model = self._as_it_is()
        scores = model._raw_predictions(X)[0]
        predictions: Float32 | Float64 = model._units.with_target_center(scores)
        return model._clipped(predictions) if model.clip_predictions else predictions

    def _clipped(self, predictions: Float32 | Float64) -> Float32 | Float64:
        """Return predictions, (n_rows,), within `target_range_`."""
        clipped: Float32 | Float64 = predictions.clip(*self._limits.astype(predictions.dtype))
        return clipped

    @property
    def _link(self) -> Link:
        return Link("identity", limits=self._limits if self.clip_predictions else None)

    @property
    def _limits(self) -> Float64:
        """The ends of `target_range_`, (2,)."""
        if not hasattr(self, "target_range_"):
            raise ValueError(
                "clip_predictions needs the range of the targets, and this model has none: it is that of given "
                "parameters, or was saved by an early build. Train anew, or clip what predict returns with numpy.clip."
            )
        return self.target_range_

    # --- what the base asks ------------------------------------------------------------------------------------------

    @property
    def _loss(self) -> Loss:
        return next(loss for loss in losses_of("regression") if loss.name == self.loss)

    def _check_params(self) -> None:
        check_param(self, "loss", *one_of(loss.name for loss in losses_of("regression")))
        super()._check_params()

    def _check_target(self, y: Any, name: str) -> Float64:
        return check_numbers(y, name)

    def _learn_target(self, y: Float64, sample_weight: Float32 | None, classes: Any) -> TargetUnits:
        center = float(np.average(y, weights=sample_weight)) if self.fit_intercept else 0.0
        spread = spread_of(y, center, sample_weight)
        self.target_range_ = np.array([y.min(), y.max()])
        return TargetUnits(spread, center if abs(center) > FAR_TARGET * spread else 0.0)

    def _take_in(self, rows: CountedRows, *, is_batch: bool) -> CountedRows:
        if hasattr(self, "target_range_"):  # else it went on from a model of unknown range
            low, high = self.target_range_
            self.target_range_ = np.array([min(low, rows.y.min()), max(high, rows.y.max())])
        return rows

    def _encode_target(self, y: Float64, name: str) -> Float32:
        targets: Float32 = (y - self._units.target_center).astype(np.float32)[None, :]
        return targets

    def _check_classes(self, classes: Any, *, first: bool) -> Any:
        raise ValueError(f"classes is for classifiers; {type(self).__name__} has none.")

    def _check_learned_target(self) -> None:
        if len(self._scorers) != 1:
            raise ValueError(f"a regressor with {len(self._scorers)} scorers")
        limits = getattr(self, "target_range_", np.zeros(2))
        if limits.shape != (2,) or limits.dtype != np.float64 or not -np.inf < limits[0] <= limits[1] < np.inf:
            raise ValueError(f"a range of the targets of {limits}")

    def _strata(self, targets: Float32) -> None:
        return None
