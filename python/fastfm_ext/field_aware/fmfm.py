"""Field-matrixed factorization machines for classification and regression."""

from sklearn.base import ClassifierMixin, RegressorMixin

from fastfm_ext._estimators.conventions import ScikitLearnEstimator
from fastfm_ext._estimators.fmfm import PlainFmFMClassifier, PlainFmFMRegressor


class FmFMClassifier(ClassifierMixin, PlainFmFMClassifier, ScikitLearnEstimator):
    """Field-matrixed factorization machine for classification.

    Learns the log odds ``p(x) = w0 + sum_i w_i x_i + sum_{i<j} v_i M_F(i)F(j) v_j' x_i x_j``:
    one vector a feature, as an FM has, and for each pair of fields a matrix M, by which the vector of the one feature
    is multiplied before it meets that of the other. It begins as that FM, with identity matrices. A row takes a time
    in proportion to its nonzeros, and to the square of the fields that it has features of.

    Parameters
    ----------
    n_factors : int, default=16
        Length k of each vector; 0 leaves the pair term out. 4, 8 and multiples of 16 waste no memory.
    fields : array-like of shape (n_features,), optional
    item_fields : array-like, optional
    normalize : bool, default=False
        As of `FFMClassifier`.
    multi_class, class_weight, negative_sampling_rate, solver, learning_rate, max_iter, l2_w, l2_V, l2_exponent, \
adaptive_l2, l1_w, l1_V, clip_gradient, init_stdev, fit_intercept, fit_linear, shuffle, early_stopping, \
validation_fraction, n_iter_no_change, tol, refit, warm_start, n_jobs, random_state, verbose
        As of `FMClassifier`.

    Attributes
    ----------
    V_ : ndarray of shape (n_features, n_factors), float32
        One more axis in front for more than two classes, as of `R_`.
    R_ : ndarray of shape (n_fields, n_fields, n_factors, n_factors), float32
        ``R_[F, G]`` is M of fields F and G, learned without L2, and that of G and F transposed.
    fields_ : ndarray of shape (n_features,), int32
    field_names_ : ndarray of shape (n_fields,)
        As of `FFMClassifier`.
    classes_, w0_, w_, n_iter_, best_epoch_, history_, n_features_in_, feature_names_in_
        As of `FMClassifier`.

    Raises
    ------
    DivergenceError
        From `fit` and `partial_fit`, when training diverges.

    Notes
    -----
    `user_vector` and `item_vector` are as of `FwFMClassifier`.

    References
    ----------
    Sun, Pan, Zhang, Flores, "FM^2: Field-matrixed Factorization Machines for Recommender Systems" (WWW 2021).

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext import FmFMClassifier
    >>> X = np.array([[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]] * 10)
    >>> y = np.array(["click", "none", "none", "click"] * 10)  # neither feature decides it alone
    >>> model = FmFMClassifier(fields=["site", "site", "ad", "ad"], random_state=0).fit(X, y)
    >>> model.predict(X[:4]).tolist()
    ['click', 'none', 'none', 'click']
    >>> model.R_.shape
    (2, 2, 16, 16)
    """


class FmFMRegressor(RegressorMixin, PlainFmFMRegressor, ScikitLearnEstimator):
    """Field-matrixed factorization machine for regression.

    Learns ``p(x) = w0 + sum_i w_i x_i + sum_{i<j} v_i M_F(i)F(j) v_j' x_i x_j`` by a loss of the
    residual ``p - y`` plus L2: see `FmFMClassifier`.

    Parameters
    ----------
    n_factors : int, default=16
    fields : array-like of shape (n_features,), optional
    item_fields : array-like, optional
    normalize : bool, default=False
        As of `FmFMClassifier`.
    loss, delta, clip_predictions, solver, learning_rate, max_iter, l2_w, l2_V, l2_exponent, adaptive_l2, l1_w, \
l1_V, clip_gradient, init_stdev, fit_intercept, fit_linear, shuffle, early_stopping, validation_fraction, \
n_iter_no_change, tol, refit, warm_start, n_jobs, random_state, verbose
        As of `FMRegressor`, without the solver "als".

    Attributes
    ----------
    V_ : ndarray of shape (n_features, n_factors), float32
    R_ : ndarray of shape (n_fields, n_fields, n_factors, n_factors), float32
        ``R_[F, G]`` is M of fields F and G, learned without L2, and that of G and F transposed.
    fields_ : ndarray of shape (n_features,), int32
    field_names_ : ndarray of shape (n_fields,)
        As of `FFMClassifier`.
    w0_, w_, target_range_, n_iter_, best_epoch_, history_, n_features_in_, feature_names_in_
        As of `FMRegressor`.

    Raises
    ------
    DivergenceError
        From `fit` and `partial_fit`, when training diverges.

    References
    ----------
    Sun, Pan, Zhang, Flores, "FM^2: Field-matrixed Factorization Machines for Recommender Systems" (WWW 2021).

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext import FmFMRegressor
    >>> X = np.array([[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]] * 10)
    >>> y = np.array([5.0, 1.0, 1.0, 5.0] * 10)
    >>> model = FmFMRegressor(fields=["user", "user", "film", "film"], random_state=0).fit(X, y)
    >>> model.predict(X[:2]).round().tolist()
    [5.0, 1.0]
    """
