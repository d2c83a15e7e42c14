"""Importance is the mean size of contributions, whatever its memory."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from fastfm_ext import FMClassifier, FMEncoder, FMRegressor
from fastfm_ext.explain import contributions, importance

RNG = np.random.default_rng(0)
N = 400
TABLE = {
    "day": RNG.choice(["sat", "sun", "mon"], N),
    "place": RNG.choice(["beach", "office"], N),
    "noise": RNG.choice(list("abcd"), N),
}
LIKED = 3.0 * (TABLE["place"] == "beach") + 1.0 * (TABLE["day"] == "sun")


def test_what_moves_scores_most_comes_first():
    model = make_pipeline(FMEncoder(), FMRegressor(2, random_state=0, max_iter=30)).fit(TABLE, LIKED)
    found = importance(model, TABLE)
    assert list(found) == ["place", "day", "noise"]
    values = contributions(model, TABLE, TABLE).values
    assert list(found.values()) == pytest.approx(sorted(np.abs(values).mean(axis=0), reverse=True), rel=1e-5)


def test_features_one_by_one_take_some_rows_at_a_time(monkeypatch):
    rows = sp.random_array((60, 9), density=0.4, rng=RNG, format="csr")
    model = FMRegressor.from_parameters(0.0, RNG.normal(size=9), RNG.normal(size=(9, 2)))
    at_once = importance(model, rows)
    module = sys.modules["fastfm_ext.explain.column_importance"]
    monkeypatch.setattr(module, "VALUES_AT_ONCE", 50)
    assert importance(model, rows) == pytest.approx(at_once)
    dense = contributions(model, rows, rows).values.toarray()
    assert at_once == pytest.approx({str(i): np.abs(dense[:, i]).mean() for i in range(9)}, rel=1e-4)


def test_a_column_that_is_the_same_in_all_rows_counts_nothing():
    rows = np.column_stack([np.ones(20), RNG.normal(size=20)])
    model = FMRegressor.from_parameters(0.0, [5.0, 1.0], [[0.0], [0.0]])
    assert importance(model, rows)["0"] == 0.0
    assert importance(model, rows, np.zeros(2))["0"] == 5.0


def test_classes_are_averaged_over():
    classes = np.digitize(LIKED, [0.5, 2.0])
    model = make_pipeline(FMEncoder(), FMClassifier(2, random_state=0, max_iter=5)).fit(TABLE, classes)
    values = contributions(model, TABLE, TABLE).values
    found = importance(model, TABLE)
    expected = dict(zip(["day", "place", "noise"], np.abs(values).mean(axis=(0, 2)), strict=True))
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_model_must_be_fitted():
    with pytest.raises(NotFittedError):
        importance(FMRegressor(), np.ones((2, 2)))
