"""Interactions are those that a model has learned, with the names of its features."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

import field_aware_cases
from fastfm_ext import (
    FFMClassifier,
    FFMRegressor,
    FMClassifier,
    FMEncoder,
    FMRanker,
    FMRegressor,
    numeric,
    top_interactions,
)
from fastfm_ext._engine.field_contributions import pairs_among
from field_aware_cases import FIELD_AWARE, encoded, make, target_of

table = field_aware_cases.table

RNG = np.random.default_rng(0)
N = 600
TABLE = {
    "day": RNG.choice(["sat", "sun", "mon"], N),
    "place": RNG.choice(["beach", "office"], N),
    "heat": RNG.normal(20, 8, N),
}
# On Sundays the beach is good, and at the beach the heat is.
IS_BEACH = TABLE["place"] == "beach"
LIKED = 5.0 * ((TABLE["day"] == "sun") & IS_BEACH) + 2.0 * IS_BEACH * (TABLE["heat"] - 20) / 8


def pairs_of(found):
    return [{pair.first, pair.second} for pair in found]


def test_what_was_planted_is_found():
    model = make_pipeline(FMEncoder(), FMRegressor(4, random_state=0, max_iter=50)).fit(TABLE, LIKED)
    encoder, fm = model[0], model[-1]
    assert encoder.columns_[2] == numeric("heat")
    found = top_interactions(fm, 2, encoder)
    assert {"day=sun", "place=beach"} in pairs_of(found)
    assert all(pair.value == pytest.approx(fm.V_[pair.i] @ fm.V_[pair.j]) for pair in found)
    assert top_interactions(model, 2) == found


def test_pairs_of_one_field_are_left_out():
    model = make_pipeline(FMEncoder(), FMRegressor(4, random_state=0, max_iter=5)).fit(TABLE, LIKED)
    fields = model[0].fields_
    every = top_interactions(model[-1], 100)
    assert len(every) == 15
    different = top_interactions(model, 100)
    assert [(pair.i, pair.j) for pair in different] == [p[3:5] for p in every if fields[p.i] != fields[p.j]]
    assert top_interactions(model[-1], 100, fields=fields) == [
        pair._replace(first=str(pair.i), second=str(pair.j)) for pair in different
    ]


def test_a_column_of_large_values_counts_by_their_size():
    X = np.column_stack([RNG.integers(0, 2, N), 1000.0 * RNG.normal(size=N), RNG.integers(0, 2, N)])
    model = FMRegressor(2, random_state=0, max_iter=30).fit(X, X[:, 0] * X[:, 1])
    best = top_interactions(model, 1)[0]
    assert (best.first, best.second) == ("0", "1")
    assert abs(best.value) > 100 * abs(model.V_[0] @ model.V_[1])


def test_each_class_of_many_has_its_own():
    labels = np.where(LIKED > 3, "good", np.where(LIKED < -1, "bad", "fair"))
    model = make_pipeline(FMEncoder(), FMClassifier(3, random_state=0, max_iter=5)).fit(TABLE, labels)
    found = top_interactions(model, 4)
    assert [pair.label for pair in found] == ["bad"] * 4 + ["fair"] * 4 + ["good"] * 4
    for pair in found:
        V = model[-1].V_[list(model.classes_).index(pair.label)]
        assert pair.value == pytest.approx(V[pair.i] @ V[pair.j])


def test_a_ranker_and_a_model_of_named_columns():
    ranker = FMRanker(3, max_iter=2, random_state=0).fit(np.eye(4, 9), np.eye(5, 9, 4), np.eye(4, 5))
    assert len(top_interactions(ranker, 50, fields=np.arange(9) >= 4)) == 20
    pd = pytest.importorskip("pandas", reason="needs pandas")
    frame = pd.DataFrame({"a": [1.0, 0, 1], "b": [0.0, 1, 1]})
    (only,) = top_interactions(FMRegressor(2, max_iter=1).fit(frame, [1, 2, 3]))
    assert (only.first, only.second) == ("a", "b")


def test_a_model_without_factors_has_none():
    assert top_interactions(FMRegressor.from_parameters(0, [1, 2], np.zeros((2, 0)))) == []


def test_wrong_arguments_are_named():
    model = FMRegressor.from_parameters(0, [1, 2], [[1], [2]])
    with pytest.raises(ValueError, match="n must be a positive integer, got 0"):
        top_interactions(model, 0)
    with pytest.raises(ValueError, match="fields has 3 features, and the model has 2"):
        top_interactions(model, fields=[0, 1, 1])
    encoder = FMEncoder().fit(TABLE)
    with pytest.raises(ValueError, match="the encoder has 6 features, and the model has 2"):
        top_interactions(model, encoder=encoder)
    with pytest.raises(ValueError, match="give one of them"):
        top_interactions(model, encoder=encoder, fields=[0, 1])
    with pytest.raises(NotFittedError):
        top_interactions(FMRegressor())
    with pytest.raises(ValueError, match="fields are those that the model has; FFMRegressor was trained with them"):
        top_interactions(FFMRegressor(max_iter=1).fit(np.eye(3), [1, 2, 3]), fields=[0, 1, 2])


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_pairs_of_a_model_with_fields_are_what_rows_of_two_ones_add(table, estimator):
    encoder, X = encoded(table)
    model = make(estimator, init_stdev=0.5, max_iter=2).fit(X, target_of(estimator, table))
    params = model._scorers[0]
    every = pairs_among(np.arange(X.shape[1]), params)
    every[encoder.fields_[:, None] == encoder.fields_] = 0.0
    strongest = np.sort(np.abs(every[np.triu_indices(len(every))]))[::-1]
    for n in (1, 15, 10_000):
        found = top_interactions(model, n, encoder)
        np.testing.assert_allclose([abs(pair.value) for pair in found], strongest[strongest > 0][:n], rtol=1e-5)
        names = encoder.get_feature_names_out()
        for pair in found:
            assert (pair.first, pair.second) == (names[pair.i], names[pair.j])
            assert pair.value == pytest.approx(every[pair.i, pair.j], rel=1e-4)


def test_numbers_of_a_model_with_fields_count_by_their_size_and_classes_each_for_itself():
    X = np.column_stack([RNG.integers(0, 2, N), 1000.0 * RNG.normal(size=N), RNG.integers(0, 2, N)])
    model = FFMClassifier(2, random_state=0, max_iter=30).fit(X, np.digitize(X[:, 0] * X[:, 1], [-500.0, 500.0]))
    found = top_interactions(model, 1)
    assert [pair.label for pair in found] == [0, 1, 2]
    for number in (0, 2):
        assert {found[number].first, found[number].second} == {"0", "1"}
        assert abs(found[number].value) > 100 * abs(model.V_[number, 0, 1] @ model.V_[number, 1, 0])
