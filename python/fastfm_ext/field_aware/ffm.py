"""Field-aware factorization machines for classification and regression."""

from sklearn.base import ClassifierMixin, RegressorMixin

from fastfm_ext._estimators.conventions import ScikitLearnEstimator
from fastfm_ext._estimators.ffm import PlainFFMClassifier, PlainFFMRegressor


class FFMClassifier(ClassifierMixin, PlainFFMClassifier, ScikitLearnEstimator):
    """Field-aware factorization machine for classification: clicks, above all.

    Learns the log odds ``p(x) = w0 + sum_i w_i x_i + sum_{i<j} <v_i,F(j), v_j,F(i)> x_i x_j``: each feature i has a
    vector for each field, and meets a feature j by the one for j's field F(j). So it has as many times the factors of
    an `FMClassifier` as there are fields; fewer factors suffice, and a row takes a time in proportion to the square of
    its nonzeros. Features of one field that meet in a row make pairs, too.

    Parameters
    ----------
    n_factors : int, default=4
        Length k of each vector; 0 leaves the pair term out. 4, 8 and multiples of 16 waste no memory.
    fields : array-like of shape (n_features,), optional
        The field of each feature, as an integer or a name: what the feature is a value of, such as the site or the
        ad; `FMEncoder.fields_` has it. It may be longer: the rest are the fields of features to come, see `grow`. By
        default, a sparse X that comes from an `FMEncoder`, as in a Pipeline, knows its fields, the columns of the
        table; of any other X, up to 256 columns are a field each.
    item_fields : array-like, optional
        Which fields are those of items, by their names in `fields`, for `user_vector` and `item_vector`; it plays no
        part in training. By default the encoder of the rows says so: see `fields`.
    normalize : bool, default=False
        Scale each row to unit length, in training and in prediction, as libffm and xLearn do. Values then say what a
        feature is beside others of its row. Numeric columns are not brought to unit size.
    multi_class, class_weight, negative_sampling_rate, solver, learning_rate, max_iter, l2_w, l2_V, l2_exponent, \
adaptive_l2, l1_w, l1_V, clip_gradient, init_stdev, fit_intercept, fit_linear, shuffle, early_stopping, \
validation_fraction, n_iter_no_change, tol, refit, warm_start, n_jobs, random_state, verbose
        As of `FMClassifier`. L2 on factors is paid for the two vectors of each pair.

    Attributes
    ----------
    V_ : ndarray of shape (n_features, n_fields, n_factors), float32
        ``V_[i, F]`` is the vector by which feature i meets features of field F. One more axis in front for more than
        two classes.
    fields_ : ndarray of shape (n_features,), int32
        Field of each feature, as its place in `field_names_`.
    field_names_ : ndarray of shape (n_fields,)
        Fields as `fields` names them, ascending.
    classes_, w0_, w_, n_iter_, best_epoch_, history_, n_features_in_, feature_names_in_
        As of `FMClassifier`.

    Raises
    ------
    DivergenceError
        From `fit` and `partial_fit`, when training diverges.

    See Also
    --------
    FMClassifier : One vector a feature.

    Notes
    -----
    `user_vector` and `item_vector` are exact, and have ``1 + n_user_fields * n_item_fields * n_factors`` numbers, where
    those of an `FMClassifier` have ``1 + n_factors``. Rows must not be normalized for them.

    References
    ----------
    Juan, Zhuang, Chin, Lin, "Field-aware Factorization Machines for CTR Prediction" (RecSys 2016).

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext import FFMClassifier
    >>> X = np.array([[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]] * 10)
    >>> y = np.array(["click", "none", "none", "click"] * 10)  # neither feature decides it alone
    >>> model = FFMClassifier(fields=["site", "site", "ad", "ad"], random_state=0).fit(X, y)
    >>> model.predict(X[:4]).tolist()
    ['click', 'none', 'none', 'click']
    >>> model.field_names_.tolist(), model.V_.shape
    (['ad', 'site'], (4, 2, 4))
    """


class FFMRegressor(RegressorMixin, PlainFFMRegressor, ScikitLearnEstimator):
    """Field-aware factorization machine for regression.

    Learns ``p(x) = w0 + sum_i w_i x_i + sum_{i<j} <v_i,F(j), v_j,F(i)> x_i x_j`` by a loss of the residual ``p - y``
    plus L2: see `FFMClassifier`.

    Parameters
    ----------
    n_factors : int, default=4
    fields : array-like of shape (n_features,), optional
    item_fields : array-like, optional
    normalize : bool, default=False
        As of `FFMClassifier`.
    loss, delta, clip_predictions, solver, learning_rate, max_iter, l2_w, l2_V, l2_exponent, adaptive_l2, l1_w, \
l1_V, clip_gradient, init_stdev, fit_intercept, fit_linear, shuffle, early_stopping, validation_fraction, \
n_iter_no_change, tol, refit, warm_start, n_jobs, random_state, verbose
        As of `FMRegressor`, without the solver "als". L2 on factors is paid for the two vectors of each pair.

    Attributes
    ----------
    V_ : ndarray of shape (n_features, n_fields, n_factors), float32
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
    Juan, Zhuang, Chin, Lin, "Field-aware Factorization Machines for CTR Prediction" (RecSys 2016).

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext import FFMRegressor
    >>> X = np.array([[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]] * 10)
    >>> y = np.array([5.0, 1.0, 1.0, 5.0] * 10)
    >>> model = FFMRegressor(fields=["user", "user", "film", "film"], random_state=0).fit(X, y)
    >>> model.predict(X[:2]).round().tolist()
    [5.0, 1.0]
    """
