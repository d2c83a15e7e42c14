"""Interactions of columns are second differences of the game, averaged over rows."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.pipeline import make_pipeline

from fastfm_ext import BayesianFMRegressor, FMClassifier, FMEncoder, FMRegressor
from fastfm_ext._reference import contributions as reference
from fastfm_ext.explain import contributions, field_interactions
from field_aware_cases import CLASSIFIERS, FIELD_AWARE

RNG = np.random.default_rng(0)
FIELDS = np.array([0, 1, 1, 2, 2])


def machine(rng):
    return 0.2, rng.normal(size=5), rng.normal(size=(5, 3))


def by_definition(X, B, w0, w, V):
    """Mean sizes by second differences of the value of coalitions of columns."""
    groups = [np.flatnonzero(g == FIELDS).tolist() for g in range(3)]
    found = np.zeros((3, 3))
    for x in X:

        def value(coalition, x=x):
            return reference.coalition_value([i for g in coalition for i in groups[g]], x, B, w0, w, V)

        empty = value([])
        pairs = np.zeros((3, 3))
        for g in range(3):
            for h in set(range(3)) - {g}:
                pairs[g, h] = value([g, h]) - value([g]) - value([h]) + empty
        phi = reference.naive_contributions(x, B, w0, w, V, groups)
        found += np.abs(pairs + np.diag(phi - pairs.sum(axis=1) / 2)) / len(X)
    return found


@pytest.mark.parametrize("numbers_at_once", [1 << 23, 1])
def test_values_are_those_of_the_definition(monkeypatch, numbers_at_once):
    monkeypatch.setattr(sys.modules["fastfm_ext.explain.column_interactions"], "NUMBERS_AT_ONCE", numbers_at_once)
    w0, w, V = machine(RNG)
    rows, B = RNG.normal(size=(4, 5)) * (RNG.random((4, 5)) < 0.7), RNG.normal(size=(3, 5))
    model = FMRegressor.from_parameters(w0, w, V)
    found = field_interactions(model, rows, B, fields=FIELDS)
    assert found.names.tolist() == ["0", "1", "2"]
    np.testing.assert_allclose(found.values, by_definition(rows, B, w0, w, V), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.values, found.values.T)


@pytest.mark.parametrize("cls", FIELD_AWARE)
@pytest.mark.parametrize("fields_of_model", [FIELDS, np.array([1, 0, 1, 2, 0])], ids=["columns", "others"])
def test_values_of_field_aware_models_are_those_of_the_definition(cls, fields_of_model):
    X = RNG.normal(size=(300, 5)) * (RNG.random((300, 5)) < 0.7)
    y = X[:, 0] * X[:, 1] > X[:, 2]
    model = cls(3, fields=fields_of_model, init_stdev=0.5, random_state=0, max_iter=5).fit(X, y)
    score = model.decision_function if cls in CLASSIFIERS else model.predict
    rows, B = X[:4], X[10:13]
    groups = [np.flatnonzero(g == FIELDS).tolist() for g in range(3)]
    expected = np.zeros((3, 3))
    for x in rows:

        def value(coalition, x=x):
            mixed, of_x = B.copy(), [i for g in coalition for i in groups[g]]
            mixed[:, of_x] = x[of_x]
            return float(score(mixed).mean(dtype=float))

        pairs = np.zeros((3, 3))
        for g in range(3):
            for h in set(range(3)) - {g}:
                pairs[g, h] = value([g, h]) - value([g]) - value([h]) + value([])
        phi = reference.shapley_values(value, 3)
        expected += np.abs(pairs + np.diag(phi - pairs.sum(axis=1) / 2)) / len(rows)
    found = field_interactions(model, rows, B, fields=FIELDS).values
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_the_rows_are_their_own_background_by_default():
    model, rows = FMRegressor.from_parameters(*machine(RNG)), sp.csr_array(RNG.normal(size=(20, 5)))
    by_default = field_interactions(model, rows)
    assert by_default.names.tolist() == list("01234")
    np.testing.assert_array_equal(by_default.values, field_interactions(model, rows, rows).values)


def test_what_was_planted_is_the_largest_pair():
    n = 500
    table = {name: RNG.choice(list("xy"), n) for name in ("a", "b", "c")}
    target = (table["a"] == "x") * 2.0 * (table["c"] == "y")
    model = make_pipeline(FMEncoder(), FMRegressor(3, random_state=0, max_iter=30)).fit(table, target)
    found = field_interactions(model, table)
    pairs = np.triu(found.values, 1)
    assert np.unravel_index(pairs.argmax(), pairs.shape) == (0, 2)


def test_classes_are_averaged_over_and_draws_are_not_taken():
    rows = RNG.normal(size=(60, 5))
    classes = np.digitize(rows[:, 0] * rows[:, 3], [-0.5, 0.5])
    model = FMClassifier(2, random_state=0, max_iter=5).fit(rows, classes)
    of_classes = [
        field_interactions(FMRegressor.from_parameters(*parts), rows, fields=FIELDS).values
        for parts in zip(model.w0_, model.w_, model.V_, strict=True)
    ]
    np.testing.assert_allclose(
        field_interactions(model, rows, fields=FIELDS).values, np.mean(of_classes, axis=0), rtol=1e-3, atol=1e-5
    )
    bayesian = BayesianFMRegressor(2, random_state=0, tol=0.5, n_samples=3).fit(rows, rows[:, 0])
    one = FMRegressor.from_parameters(bayesian.w0_, bayesian.w_, bayesian.V_)
    np.testing.assert_allclose(
        field_interactions(bayesian, rows).values, field_interactions(one, rows).values, rtol=1e-3, atol=1e-4
    )
    assert contributions(bayesian, rows).std is not None  # whose draws are still there


def test_thousands_of_columns_are_refused():
    model = FMRegressor.from_parameters(0.0, np.zeros(1001), np.zeros((1001, 1)))
    with pytest.raises(ValueError, match=r"there are 1,001, more than 1,000\. Give the encoder or fields"):
        field_interactions(model, sp.eye_array(1001, format="csr"))
