"""Factorization machine for classification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin

from fastfm_ext._common.arrays import AnyArray, Float32, Float64, Int64
from fastfm_ext._engine.options import Options
from fastfm_ext._estimators.batch_methods import if_on_batches
from fastfm_ext._estimators.class_weights import weighted_by_class
from fastfm_ext._estimators.foreign_parameters import model_of
from fastfm_ext._estimators.rows import RowEstimator
from fastfm_ext._estimators.scoring_form import Link
from fastfm_ext._estimators.vectors import VectorsMixin
from fastfm_ext._learning.losses import LOGISTIC, MULTINOMIAL, JointLoss, Loss
from fastfm_ext._learning.units import TargetUnits
from fastfm_ext._validation.rows import CountedRows
from fastfm_ext.fm.labels import check_labels, classes_of, codes_of, encoded, named_classes, rising_classes
from fastfm_ext.fm.probabilities import probabilities_of


class FMClassifier(VectorsMixin, ClassifierMixin, RowEstimator):
    """Factorization machine for classification: clicks, purchases, categories.

    Learns the log odds ``p(x) = w0 + sum_i w_i x_i + 1/2 sum_f [(sum_i v_if x_i)^2 - sum_i v_if^2 x_i^2]`` by
    per-sample gradient descent on the log loss plus L2, over sparse rows.

    More than two classes have parameters of their own each, and are learned one against the rest or as one softmax
    (`multi_class`). The unit and the zero of a numeric feature do not matter: values far from 0 or from 1 are brought
    near while training.

    Settings are given for rows of a squared norm up to 40, as one-hot rows have (160 for AdaGrad). Where rows are
    longer, as those of a few hundred standardised columns are, steps shrink and the L2 of factors grows with the norm.

    Parameters
    ----------
    n_factors : int, default=16
        Length k of each feature's factor vector v_i; 0 leaves the pair term out. 4, 8 and multiples of 16 waste no
        memory.
    multi_class : {"ovr", "multinomial"}, default="ovr"
        How more than two classes are learned: "ovr" learns each one against the rest, by the log loss of two classes,
        and "multinomial" all at once, by the log loss of the softmax of their scores, in one thread. Two classes are
        the same for both.
    class_weight : dict, "balanced" or None, default=None
        What the rows of each class count, multiplied with `sample_weight`: a dict of classes to numbers above 0 (1 for
        a class that it lacks), or "balanced" for ``n_samples / (n_classes * np.bincount(y))``, for `fit` alone.
        Rows held out of X by `early_stopping` count in the same way; rows given as `X_val`, `y_val` count as
        `sample_weight_val` says, so that the validation loss is the one of the data.
    solver : {"adagrad", "sgd", "ftrl", "adam"}, default="adagrad"
        Per-sample descent with AdaGrad's step sizes, with a constant one, FTRL-Proximal, or Adam, whose averages move
        when their feature is visited. AdaGrad needs least tuning and is the better choice where some features are
        frequent and others rare; SGD takes half the memory, and Adam 2.5 times as much; FTRL can make parameters
        exactly 0.
    learning_rate : float, optional
        Default: 0.05 for AdaGrad, 0.01 for SGD, 0.1 for FTRL, 0.003 for Adam.
    max_iter : int, default=100
        Most epochs (passes over the rows). `fit` gives a ConvergenceWarning if they end while it still gains.
    l2_w, l2_V : float, optional
        L2 on linear weights and on factors, paid by a row's features each time it is visited: each row's loss grows
        by ``l2_w/2 sum w_i^2 + l2_V/2 sum |v_i|^2`` over its own features. With FTRL, L2 on the
        parameters is paid once, not at each visit. Default: 0.01 and 0.01 for AdaGrad, 0.003 and 0.01 for SGD,
        3.0 and 100.0 for FTRL, 0.001 and 0.01 for Adam.
    l1_w, l1_V : float, default=0.0
        L1 on linear weights and on factors, for FTRL only: the larger, the more of them are exactly 0.
    clip_gradient : float, optional
        Lets no row pull harder than this: bounds the derivative of a row's log loss, ``P(y = 1) - y``, which is below 1
        already. So that a few rows with wrong labels do less harm. Default: no bound.
    init_stdev : float, optional
        Standard deviation of the first factors. Default: 0.03 for AdaGrad, 0.03 for SGD, 0.03 for FTRL, 0.03 for
        Adam.
    fit_intercept, fit_linear : bool, default=True
        Whether to learn w0, and w. Without either, columns far from zero are not centered, and learn slowly.
    shuffle : bool, default=True
        Visit the rows in a new random order in each epoch; otherwise in the order they come.
    early_stopping : bool or "auto", default="auto"
        True: hold out `validation_fraction` of the rows, validate after each epoch, and stop at the best one. "auto"
        does so from 10,000 rows on; with fewer, down to 30, each of five folds is held out once, and the geometric mean
        of their losses finds the number of epochs, for `refit` to make. Rows given to `fit` as `X_val`, `y_val` are
        used in any case, and nothing is held out then.
    validation_fraction : float, default=0.1
        Share of the rows to hold out, chosen at random, the same share of each class.
    n_iter_no_change : int, default=5
        Stop after this many epochs in which the validation loss (without validation rows: the training loss) has not
        fallen by more than `tol`; with folds, after six times as many.
    tol : float, default=1e-4
        In units of the loss.
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
        fit is no longer reproducible to the bit. Prediction is.
    random_state : int, RandomState or None, default=None
        Seed of the first factors, the hold-out and the row order. The same seed gives bit-equal models on one machine
        with one thread.
    verbose : int or "bar", default=0
        1 prints a line for each epoch, "bar" shows a progress bar for fits of more than two seconds (needs tqdm, in
        the extra ``progress``), and 0 is silence.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    w0_ : float, or ndarray of shape (n_classes,)
    w_ : ndarray of shape (n_features,) or (n_classes, n_features), float32
    V_ : ndarray of shape (n_features, n_factors) or (n_classes, n_features, n_factors), float32
        The first shapes for two classes, whose score is the log odds of ``classes_[1]``.
    n_iter_ : int
        Epochs in `history_`: those of the last `fit` without its refit, and one for each `partial_fit` since.
    best_epoch_ : int
        The epoch, from 1, that was best for the held-out rows: its parameters were kept, or the refit made so many.
    history_ : dict of str to list of float
        "train_loss" (mean over an epoch, each row before its own step), "val_loss" (empty without validation rows) and
        "seconds", one value an epoch: of the training before a refit, and as means over folds where there are some.
        The loss is the mean log loss; with "ovr" and more than two classes, summed over the classes.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only after a fit on a data frame.

    Raises
    ------
    DivergenceError
        From `fit` and `partial_fit`, when training diverges.

    References
    ----------
    Rendle, "Factorization Machines" (ICDM 2010). Duchi, Hazan, Singer, "Adaptive Subgradient Methods for Online
    Learning and Stochastic Optimization" (JMLR 2011). McMahan et al., "Ad Click Prediction: a View from the Trenches"
    (KDD 2013). Kingma, Ba, "Adam: A Method for Stochastic Optimization" (ICLR 2015). Niu, Recht, Re, Wright,
    "Hogwild!" (NIPS 2011).

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext import FMClassifier
    >>> X = np.array([[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]] * 10)
    >>> y = np.array(["like", "skip", "skip", "like"] * 10)  # neither feature decides it alone
    >>> model = FMClassifier(n_factors=4, random_state=0).fit(X, y)
    >>> model.predict(X[:4]).tolist()
    ['like', 'skip', 'skip', 'like']
    """

    def __init__(
        self,
        n_factors: int = 16,
        *,
        multi_class: Literal["ovr", "multinomial"] = "ovr",
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
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
        self.multi_class = multi_class
        self.class_weight = class_weight

    @classmethod
    def from_parameters(
        cls, w0: ArrayLike, w: ArrayLike, V: ArrayLike, *, classes: ArrayLike = (0, 1), **hyperparameters: Any
    ) -> Self:
        """Return a model with the parameters of another program, such as libFM's, as if it had been fitted.

        It predicts at once. Training goes on from these parameters with any solver, by `partial_fit`, or by `fit` and
        `fit_stream` with ``warm_start=True``: the optimizer begins anew, and the first rows decide the units as they do
        for a new model.

        Parameters
        ----------
        w0 : float, or array-like of shape (n_classes,)
        w : array-like of shape (n_features,) or (n_classes, n_features)
        V : array-like of shape (n_features, n_factors) or (n_classes, n_features, n_factors)
            Of the log odds of the second class; with more than two classes, of each class against the rest.
        classes : array-like of shape (n_classes,), default=(0, 1)
            The classes, in rising order.
        **hyperparameters
            Those of the constructor; `n_factors` is that of V.

        Returns
        -------
        FMClassifier

        Raises
        ------
        ValueError
            For other shapes, fewer than two classes or some that do not rise, values that float32 cannot hold, or an
            invalid hyperparameter.

        Examples
        --------
        >>> from fastfm_ext import FMClassifier
        >>> w, V = [1.0, 2.0], [[1.0, 1.0], [2.0, 0.0]]
        >>> model = FMClassifier.from_parameters(-2.0, w, V, classes=["no", "yes"])
        >>> model.predict([[1.0, 0.0], [1.0, 1.0]]).tolist()
        ['no', 'yes']
        """
        named = rising_classes(classes)
        model = model_of(cls, w0, w, V, hyperparameters, 1 if len(named) == 2 else len(named))
        model.classes_ = named
        return model

    @if_on_batches
    def partial_fit(
        self, X: Any, y: ArrayLike, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train one epoch on these rows, going on from what has been learned.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        classes : array-like, optional
            All classes that will ever come. Needed in the first call if its `y` does not hold every class.
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that cannot be trained on, fewer features than before (a sparse X of more lets the model
            `grow`), or a changed `solver` or `n_factors`; if `classes` are not those of the first call, or `y` holds a
            class that is not among them.
        DivergenceError
            When a score stops being finite. After an error, the model is as it was before the call.
        """
        named = None if classes is None else self._check_classes(classes, first=not hasattr(self, "_scorers"))
        return self._partial_fit((X, y, sample_weight, named))

    def predict(self, X: Any) -> AnyArray:
        """Return the most probable class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

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
        scores = model._raw_predictions(X)
        chosen = (scores[0] > 0).astype(np.intp) if len(scores) == 1 else scores.argmax(axis=0)
        labels: AnyArray = model.classes_[chosen]
        return labels

    def decision_function(self, X: Any) -> Float32:
        """Return the score of each row, the log odds.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes), float32
            Of the second of two classes, or of each of more classes: against the rest, or with "multinomial" up to a
            number that is the same for all classes of a row.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If X has NaN, infinite values, no rows, another number of features than in `fit`, or values so large that
            what is computed of them is beyond float32.
        """
        scores = self._as_it_is()._raw_predictions(X)
        return scores[0] if len(scores) == 1 else np.ascontiguousarray(scores.T)

    def predict_proba(self, X: Any) -> Float64:
        """Return the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`. With more than two classes, the softmax of the scores with "multinomial", and
            else the probabilities of the one-versus-rest models, divided by their sum.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If X has NaN, infinite values, no rows, another number of features than in `fit`, or values so large that
            what is computed of them is beyond float32.
        """
        model = self._as_it_is()
        return probabilities_of(model._raw_predictions(X), is_softmax=isinstance(model._loss, JointLoss))

    # --- what the base asks ------------------------------------------------------------------------------------------

    @property
    def _loss(self) -> Loss:
        is_softmax = self.multi_class == "multinomial" and len(getattr(self, "classes_", ())) > 2
        return MULTINOMIAL if is_softmax else LOGISTIC

    @property
    def _link(self) -> Link:
        return Link("softmax" if isinstance(self._loss, JointLoss) else "logistic", classes=self.classes_)

    def _check_classes(self, classes: Any, *, first: bool) -> AnyArray:
        return named_classes(classes, None if first else self.classes_)

    def _check_target(self, y: Any, name: str) -> Any:
        check_labels(y, name)
        return y

    def _learn_target(self, y: AnyArray, sample_weight: Float32 | None, classes: Any) -> TargetUnits:
        self.classes_ = classes_of(y) if classes is None else classes
        return TargetUnits()

    def _take_in(self, rows: CountedRows, *, is_batch: bool) -> CountedRows:
        return weighted_by_class(rows, self.class_weight, self.classes_, is_batch=is_batch)

    def _first_w0(self, targets: Float32, sample_weight: Float32 | None, visited: Int64, options: Options) -> Float64:
        w0 = super()._first_w0(targets, sample_weight, visited, options)
        # A batch that lacks a class says nothing of its rate, and far from even odds w0 would stay for long.
        is_lacking = targets.min(axis=1) == targets.max(axis=1)
        w0[is_lacking | (isinstance(self._loss, JointLoss) and is_lacking.any())] = 0.0
        return w0

    def _encode_target(self, y: AnyArray, name: str) -> Float32:
        return encoded(y, self.classes_, name)

    def _check_learned_target(self) -> None:
        n_classes = len(self.classes_)
        if n_classes < 2 or len(self._scorers) != (1 if n_classes == 2 else n_classes):
            raise ValueError(f"{n_classes} classes with {len(self._scorers)} scorers")

    def _strata(self, targets: Float32) -> AnyArray:
        return codes_of(targets, len(self.classes_))
