"""Pipelines, encoders, fields and backgrounds that users pass in, right and wrong."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastfm_ext import FMEncoder, FMRegressor
from fastfm_ext.explain import contributions, field_interactions, importance, interactions
from fastfm_ext.explain.opened import Columns

X = np.random.default_rng(0).normal(size=(30, 3))
Y = X[:, 0] * X[:, 1] + X[:, 2]
SETTINGS = {"n_factors": 2, "max_iter": 3, "random_state": 0}


@pytest.fixture(scope="module")
def model():
    return FMRegressor(**SETTINGS).fit(X, Y)


def test_the_mean_row_is_a_background_of_a_pipeline_too():
    pipeline = make_pipeline(StandardScaler(), FMRegressor(**SETTINGS)).fit(X, Y)
    mean = X.mean(axis=0)
    found = contributions(pipeline, X, mean)
    np.testing.assert_allclose(found.values.toarray(), contributions(pipeline, X, mean[None]).values.toarray())
    np.testing.assert_allclose(found.scores, pipeline.predict(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("explain", [contributions, interactions, importance, field_interactions])
def test_encoders_that_have_encoded_nothing_are_refused(model, explain):
    with pytest.raises(TypeError, match="encoder must be the FMEncoder that has encoded the rows; got a str"):
        explain(model, X, encoder="user")
    with pytest.raises(NotFittedError):
        explain(model, X, encoder=FMEncoder())


@pytest.mark.parametrize("explain", [contributions, interactions, importance, field_interactions])
def test_no_rows_are_an_error_that_names_x(model, explain):
    with pytest.raises(ValueError, match=r"X has 0 sample\(s\)"):
        explain(model, X[:0])


def test_the_mean_of_a_data_frame_is_a_background():
    pd = pytest.importorskip("pandas", reason="needs pandas")
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = FMRegressor(**SETTINGS).fit(frame, Y)
    found, expected = contributions(model, frame, frame.mean()), contributions(model, frame, frame.mean().to_frame().T)
    np.testing.assert_array_equal(found.values.toarray(), expected.values.toarray())


def test_importance_asks_for_all_names_at_once(monkeypatch, model):
    asked = []
    names = Columns.names
    monkeypatch.setattr(Columns, "names", property(lambda self: asked.append(self) or names.fget(self)))
    assert len(importance(model, X)) == 3
    assert len(asked) == 1


def test_a_class_is_no_model():
    with pytest.raises(TypeError, match="takes models of fastfm_ext"):
        contributions(FMRegressor, X)


def test_fields_of_several_kinds_are_refused(model):
    with pytest.raises(ValueError, match="fields must be all of one kind"):
        contributions(model, X, fields=np.array(["a", None, 1], dtype=object))


def test_an_error_of_the_background_names_it():
    table = {"day": ["mon", "sun"] * 10, "heat": np.arange(20.0)}
    pipeline = make_pipeline(FMEncoder(), FMRegressor(**SETTINGS)).fit(table, np.arange(20.0))
    with pytest.raises(ValueError, match="background has no column"):
        contributions(pipeline, table, {"day": ["mon"]})
