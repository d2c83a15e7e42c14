"""Interactions of rows are the products that make their scores."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from fastfm_ext import FMClassifier, FMEncoder, FMRanker, FMRegressor
from fastfm_ext.explain import interactions
from field_aware_cases import CLASSIFIERS, FIELD_AWARE

RNG = np.random.default_rng(0)


def test_pairs_and_single_features_make_the_score():
    w0, w, V = 0.3, RNG.normal(size=6), RNG.normal(size=(6, 3))
    rows = RNG.normal(size=(5, 6)) * (RNG.random((5, 6)) < 0.7)
    model = FMRegressor.from_parameters(w0, w, V)
    for row, pairs, score in zip(rows, interactions(model, rows, None), model.predict(rows), strict=True):
        assert w0 + row @ w + sum(pair.value for pair in pairs) == pytest.approx(score, abs=1e-4)
        sizes = [abs(pair.value) for pair in pairs]
        assert sizes == sorted(sizes, reverse=True)
        assert all(pair.value == pytest.approx(V[pair.i] @ V[pair.j] * row[pair.i] * row[pair.j]) for pair in pairs)


@pytest.mark.parametrize("cls", FIELD_AWARE)
def test_pairs_of_field_aware_models_and_single_features_make_the_score(cls):
    X = RNG.normal(size=(300, 6)) * (RNG.random((300, 6)) < 0.7)
    y = X[:, 0] * X[:, 1] > X[:, 2]
    model = cls(3, fields=[1, 0, 0, 2, 1, 2], random_state=0, init_stdev=0.5, max_iter=5).fit(X, y)
    rows = X[:20]
    scores = model.decision_function(rows) if cls in CLASSIFIERS else model.predict(rows)
    for row, pairs, score in zip(rows, interactions(model, rows, None), scores, strict=True):
        assert model.w0_ + row @ model.w_ + sum(pair.value for pair in pairs) == pytest.approx(score, abs=1e-4)
        n = np.count_nonzero(row)
        assert len(pairs) == n * (n - 1) // 2
    of_two = np.zeros((1, 6))
    of_two[0, [1, 4]] = rows[0, [1, 4]] = 2.0, 3.0
    ((pair,),) = interactions(model, of_two)
    both = model.decision_function(of_two) if cls in CLASSIFIERS else model.predict(of_two)
    assert pair.value == pytest.approx(both[0] - model.w0_ - of_two[0] @ model.w_, abs=1e-4)


def test_a_row_without_pairs_has_none():
    model = FMRegressor.from_parameters(0.0, np.ones(3), [[1.0], [2.0], [0.0]])
    assert [len(pairs) for pairs in interactions(model, [[1, 0, 0], [0, 0, 0], [1, 1, 1]])] == [0, 0, 1]


def test_features_have_the_names_of_the_encoder():
    table = {"day": ["sat", "sun", "sat", "sun"], "place": ["beach", "beach", "office", "office"]}
    model = make_pipeline(FMEncoder(), FMRegressor(2, random_state=0, max_iter=3)).fit(table, [1.0, 2.0, 3.0, 4.0])
    (found,) = interactions(model, {"day": ["sun"], "place": ["office"]})
    assert [(pair.first, pair.second) for pair in found] == [("day=sun", "place=office")]


def test_each_class_of_many_has_its_own():
    rows = RNG.normal(size=(60, 4))
    model = FMClassifier(2, random_state=0, max_iter=3).fit(rows, np.arange(60) % 3)
    (found,) = interactions(model, rows[:1], 2)
    assert [pair.label for pair in found] == [0, 0, 1, 1, 2, 2]


def test_a_centered_column_counts_from_its_center():
    rows = np.column_stack([RNG.integers(2000, 2020, 100), RNG.normal(size=100)]).astype(float)
    model = FMRegressor(2, random_state=0, max_iter=5).fit(rows, rows[:, 0] + rows[:, 1])
    (found,) = interactions(model, rows[:1])
    center = rows[:, 0].mean()
    assert found[0].value == pytest.approx(model.V_[0] @ model.V_[1] * (rows[0, 0] - center) * rows[0, 1], rel=1e-3)


def test_bad_arguments_are_named():
    model = FMRegressor.from_parameters(0.0, [1.0], [[1.0]])
    with pytest.raises(ValueError, match="n must be a positive integer, or None for all pairs; got 0"):
        interactions(model, [[1.0]], 0)
    with pytest.raises(TypeError, match="ranking_contributions"):
        interactions(FMRanker(), [[1.0]])
