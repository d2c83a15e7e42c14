"""A Pipeline of our own steps is saved as its steps, and comes back as a Pipeline."""

import io

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from fastfm_ext import FMClassifier, FMEncoder, FMRegressor, ItemIndex, ModelFileError, load_model, numeric, save_model
from fastfm_ext.model_io.container import ModelFileReader, write_parts
from fastfm_ext.model_io.pipeline import SavedPipeline

TABLE = {"user": ["a", "b", "a", "c"] * 10, "age": [20.0, 30.5, 20.0, None] * 10}
LABELS = ["yes", "no", "yes", "no"] * 10


def through_a_file(*args, **kwargs):
    file = io.BytesIO()
    save_model(file, *args, **kwargs)
    return load_model(file)


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_pipeline(FMEncoder(), FMClassifier(n_factors=2, random_state=0)),
        lambda: make_pipeline(FMEncoder(["user", numeric("age")]), FMClassifier(n_factors=2, random_state=0)),
        lambda: Pipeline([("table", FMEncoder(user=["user"])), ("off", "passthrough"), ("fm", FMClassifier(2))]),
        lambda: Pipeline([("encoder", FMEncoder()), ("none", None), ("model", FMClassifier(2))], verbose=True),
    ],
)
def test_a_pipeline_comes_back_as_a_pipeline(make):
    pipeline = make().fit(TABLE, LABELS)
    again = through_a_file(pipeline).model
    assert type(again) is Pipeline
    assert [name for name, _ in again.steps] == [name for name, _ in pipeline.steps]
    assert again.verbose == pipeline.verbose
    assert again.predict(TABLE).tolist() == pipeline.predict(TABLE).tolist()
    np.testing.assert_array_equal(again.predict_proba(TABLE), pipeline.predict_proba(TABLE))
    again.fit(TABLE, LABELS)


def test_a_pipeline_of_a_model_alone_and_of_an_encoder_alone():
    X = np.eye(4)
    alone = make_pipeline(FMRegressor(n_factors=2, random_state=0)).fit(X, X[:, 0])
    np.testing.assert_array_equal(through_a_file(alone).model.predict(X), alone.predict(X))
    encoder = make_pipeline(FMEncoder()).fit(TABLE)
    assert (through_a_file(encoder).model.transform(TABLE) != encoder.transform(TABLE)).nnz == 0


def test_an_index_stands_beside_a_pipeline():
    pipeline = make_pipeline(FMEncoder(), FMClassifier(2)).fit(TABLE, LABELS)
    saved = through_a_file(pipeline, index=ItemIndex().fit(np.eye(2)))
    assert saved.encoder is None
    assert type(saved.model) is Pipeline
    assert saved.index.search([[1.0, 0.0]], 1)[0].tolist() == [[0]]


@pytest.mark.parametrize(
    ("steps", "kind", "message"),
    [
        ([StandardScaler(), FMRegressor(2)], TypeError, "step 'standardscaler' of the Pipeline is a StandardScaler"),
        ([make_pipeline(StandardScaler()), FMRegressor(2)], TypeError, "step 'pipeline' of the Pipeline is a Pipeline"),
    ],
)
def test_foreign_steps_are_refused_by_name(tmp_path, steps, kind, message):
    X = np.eye(4)
    pipeline = make_pipeline(*steps).fit(X, X[:, 0])
    with pytest.raises(kind, match=message):
        save_model(tmp_path / "model.fm", pipeline)
    assert not list(tmp_path.iterdir())


def test_a_derived_class_of_pipeline_is_refused():
    derived = type("Mine", (Pipeline,), {})([("fm", FMRegressor(2).fit(np.eye(3), [1, 2, 3]))])
    with pytest.raises(TypeError, match=r"model must be one of .*, got a Mine"):
        save_model(io.BytesIO(), derived)


def test_two_encoders_have_no_place():
    pipeline = make_pipeline(FMEncoder(), FMClassifier(2)).fit(TABLE, LABELS)
    with pytest.raises(ValueError, match="holds an encoder; another"):
        save_model(io.BytesIO(), pipeline, encoder=FMEncoder().fit(TABLE))
    with pytest.raises(ValueError, match="second model of the Pipeline"):
        save_model(io.BytesIO(), Pipeline([("one", FMRegressor()), ("two", FMRegressor())]))


def test_a_memory_that_is_an_object_is_refused():
    pipeline = Pipeline([("fm", FMRegressor(2).fit(np.eye(3), [1, 2, 3]))], memory=io.BytesIO())
    with pytest.raises(TypeError, match="memory of the Pipeline is a BytesIO"):
        save_model(io.BytesIO(), pipeline)


def test_a_pipeline_that_is_not_fitted_is_refused():
    with pytest.raises(NotFittedError):
        save_model(io.BytesIO(), make_pipeline(FMEncoder(), FMClassifier()))


def test_the_file_names_the_parts_for_other_readers():
    file = io.BytesIO()
    save_model(file, make_pipeline(FMEncoder(), FMClassifier(2)).fit(TABLE, LABELS))
    with ModelFileReader(file) as reader:
        assert sorted(reader.slots) == ["encoder", "model", "pipeline"]


class Spoiled(SavedPipeline):
    """A part that writes any state under the name of a Pipeline."""

    state: dict

    def _to_state(self):
        return self.state, {}


Spoiled.__name__ = "SavedPipeline"
OPTIONS = {"verbose": False, "memory": None}


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"steps": [], "options": OPTIONS},
        {"steps": [("fm", "absent")], "options": OPTIONS},
        {"steps": [("fm", "model"), ("fm", None)], "options": OPTIONS},
        {"steps": [["fm", "model"]], "options": OPTIONS},
        {"steps": [("fm", 3)], "options": OPTIONS},
        {"steps": [("fm", "model")], "options": {"verbose": False}},
        {"steps": [("fm", "model")], "options": {"verbose": False, "memory": 3}},
    ],
)
def test_a_damaged_pipeline_is_a_fault_of_the_file(state):
    file, spoiled = io.BytesIO(), Spoiled([], {})
    spoiled.state = state
    model = FMRegressor(2).fit(np.eye(3), [1, 2, 3])
    write_parts(file, {"pipeline": spoiled, "model": model})
    with pytest.raises(ModelFileError, match="damaged"):
        load_model(file)
