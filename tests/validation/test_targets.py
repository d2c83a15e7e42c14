"""Targets and weights that cannot be used are refused by name."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastfm_ext import FMClassifier, FMRegressor

N_ROWS = 30


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(5).normal(size=(N_ROWS, 4))


@pytest.fixture(scope="module")
def y(X):
    return X[:, 0] + X[:, 1] * X[:, 2]


def fit_all_ways(estimator, X, y, message, *, error=ValueError, validation=None, **params):
    """Check that fit and partial_fit refuse y under its own name, and fit refuses it as y_val."""
    good = np.linspace(-1, 1, N_ROWS) if estimator is FMRegressor else np.arange(N_ROWS) % 2
    with pytest.raises(error, match=message.format(name="y", X="X")):
        estimator(**params).fit(X, y)
    with pytest.raises(error, match=message.format(name="y", X="X")):
        estimator(**params).partial_fit(X, y)
    with pytest.raises(error, match=message.format(name="y_val", X="X_val") if validation is None else validation):
        estimator(**params).fit(X, good, X_val=X, y_val=y)


# --- targets -------------------------------------------------------------------------------------------------------

BAD_TARGETS = {
    "NaN": (lambda y: np.where(y > 1, np.nan, y), "{name} contains NaN"),
    "infinite": (lambda y: np.where(y > 1, np.inf, y), "{name} contains infinity"),
    "missing": (lambda y: pd.Series(y, dtype="Float64").where(y < 1), "{name} contains NaN"),
    "too few": (lambda y: y[:-1], f"inconsistent numbers of samples: {{X}} has {N_ROWS}, {{name}} has {N_ROWS - 1}"),
    "2-d": (lambda y: np.c_[y, y], r"\b{name}\b.*should be a 1d array"),
    "scalar": (lambda y: 3.0, r"\b{name}\b.*should be a 1d array"),
    "strings": (lambda y: np.full(len(y), "a"), "{name} must hold numbers"),
    "complex": (lambda y: y + 1j, "{name}: Complex data not supported"),
    "too large": (lambda y: y * 1e13, "{name} is too large for float32 arithmetic"),
}


@pytest.mark.parametrize(("spoil", "message"), BAD_TARGETS.values(), ids=BAD_TARGETS)
def test_numbers_to_predict(X, y, spoil, message):
    fit_all_ways(FMRegressor, X, spoil(y), message)


def test_no_target(X, y):
    for estimator in (FMRegressor, FMClassifier):
        with pytest.raises(ValueError, match="requires y to be passed"):
            estimator().fit(X, None)
        with pytest.raises(ValueError, match="X_val and y_val go together"):
            estimator().fit(X, y > 0, X_val=X)
        with pytest.raises(ValueError, match="X_val and y_val go together"):
            estimator().fit(X, y > 0, y_val=y > 0)


def test_a_spread_too_small_for_float32(X, y):
    with pytest.raises(ValueError, match="y is too small for float32 arithmetic: its spread is 1"):
        FMRegressor().fit(X, y / y.std() * 1e-20)


MIXED = "{name} holds labels of different kinds, or missing values"
BAD_LABELS = {
    "NaN": ([0.0, 1.0, np.nan], "{name} contains NaN"),
    "missing string": (np.array(["a", "b", None], dtype=object), MIXED),
    "NaN among strings": (np.array(["a", "b", np.nan], dtype=object), MIXED),
    "mixed": (np.array(["a", 1, 2.5], dtype=object), MIXED),
    "pandas NA": (pd.array(["a", "b", pd.NA], dtype="string"), MIXED),
    "nullable": (pd.array([1, 2, None], dtype="Int64"), "{name} contains NaN"),
    "continuous": ([0.5, 1.25, 2.0], "Unknown label type: continuous"),
    "too few": ([0, 1], "inconsistent numbers of samples"),
}


@pytest.mark.parametrize(("labels", "message"), BAD_LABELS.values(), ids=BAD_LABELS)
def test_labels(X, labels, message):
    labels = labels if len(labels) == 2 else pd.Series(labels).repeat(N_ROWS // 3).reset_index(drop=True)
    if getattr(labels, "dtype", None) == "str":
        labels = labels.astype(object)
    fit_all_ways(FMClassifier, X, labels, message)


def test_a_single_class(X):
    with pytest.raises(ValueError, match=r"y holds one class only, 7; at least two classes are needed.*classes="):
        FMClassifier().fit(X, np.full(N_ROWS, 7))
    with pytest.raises(ValueError, match="y holds one class only"):
        FMClassifier().partial_fit(X, np.full(N_ROWS, 7))


@pytest.mark.parametrize("known", [[0, 1], ["a", "b"], [False, True], [1, 2, 3]], ids=str)
@pytest.mark.parametrize("unknown", [9, "z"])
def test_a_class_that_training_did_not_know(X, known, unknown):
    y, other = np.resize(known, N_ROWS), np.full(N_ROWS, unknown)
    with pytest.raises(ValueError, match=f"y_val holds the class {unknown}, which is not among .* let y hold"):
        FMClassifier().fit(X, y, X_val=X, y_val=other)
    model = FMClassifier(max_iter=2).fit(X, y)
    for go_on in (model.partial_fit, model.set_params(warm_start=True).fit):
        with pytest.raises(ValueError, match=f"y holds the class {unknown}, which is not among .* or fit anew"):
            go_on(X, other)


def test_classes_of_partial_fit(X):
    y = np.arange(N_ROWS) % 2
    with pytest.raises(ValueError, match=r"classes must hold at least two classes; got \[0\]"):
        FMClassifier().partial_fit(X, y, classes=[0])
    with pytest.raises(ValueError, match=r"y holds the class 0, which is not among .* with classes="):
        FMClassifier().partial_fit(X, y, classes=[1, 2])
    model = FMClassifier().partial_fit(X, y)
    with pytest.raises(ValueError, match=r"classes is \[0 1 2\], but the first call had \[0 1\]"):
        model.partial_fit(X, y, classes=[0, 1, 2])


# --- weights -------------------------------------------------------------------------------------------------------

BAD_WEIGHTS = {
    "negative": (np.r_[1.0, -2.0, np.ones(N_ROWS - 2)], "{name} must not be negative; row 1 has -2"),
    "NaN": (np.full(N_ROWS, np.nan), "{name} contains NaN"),
    "infinite": (np.full(N_ROWS, np.inf), "{name} contains infinity"),
    "all zero": (np.zeros(N_ROWS), "{name} is zero for every row"),
    "all zero in float32": (np.full(N_ROWS, 1e-60), "{name} is zero for every row"),
    "beyond float32": (np.full(N_ROWS, 1e39), "{name} is too large for float32 arithmetic"),
    "too few": (np.ones(3), rf"{{name}} must hold {N_ROWS} weights, one a row; got an array of shape \(3,\)"),
    "2-d": (np.ones((N_ROWS, 1)), f"{{name}} must hold {N_ROWS} weights"),
    "strings": (np.full(N_ROWS, "a"), "{name}: could not convert string"),
    "complex": (np.full(N_ROWS, 1j), "{name}: Complex data not supported"),
    "negative number": (-1.0, "{name} must not be negative"),
}


@pytest.mark.parametrize(("weights", "message"), BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
@pytest.mark.parametrize("estimator", [FMRegressor, FMClassifier])
def test_weights(X, y, estimator, weights, message):
    target = y if estimator is FMRegressor else y > 0
    for train in (estimator().fit, estimator().partial_fit):
        with pytest.raises(ValueError, match=message.format(name="sample_weight")):
            train(X, target, sample_weight=weights)
    with pytest.raises(ValueError, match=message.format(name="sample_weight_val")):
        estimator().fit(X, target, X_val=X, y_val=target, sample_weight_val=weights)


def test_validation_weights_need_validation_rows(X, y):
    with pytest.raises(ValueError, match="sample_weight_val was given without X_val and y_val"):
        FMRegressor().fit(X, y, sample_weight_val=np.ones(N_ROWS))


def test_column_vector_as_target_warns_as_scikit_learn_does(X, y):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ConvergenceWarning)
        FMRegressor(max_iter=1).fit(X, y[:, None])
    assert [w.category.__name__ for w in caught] == ["DataConversionWarning"]
