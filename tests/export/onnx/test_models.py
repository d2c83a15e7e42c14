"""Exported models: what a file holds, and what models are refused."""

import json
import os

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastfm_ext import (
    BayesianFMRegressor,
    FMClassifier,
    FMEncoder,
    FMRanker,
    FMRecommender,
    FMRegressor,
    numeric,
    write_onnx,
)
from fastfm_ext.export.onnx import graph as graphs
from onnx_cases import exported, run

RATINGS = {"user": ["ann", "ann", "bob", "cat"], "film": ["Alien", "Brazil", "Alien", "Čapek"]}
STARS = [5.0, 4.0, 2.0, 3.0]


@pytest.fixture(scope="module")
def fitted():
    pytest.importorskip("onnx", reason="needs onnx")
    encoder = FMEncoder(user=["user"], item=["film"])
    return FMRegressor(n_factors=3, random_state=0).fit(encoder.fit_transform(RATINGS), STARS), encoder


def inputs_of(table):
    return {name: np.array(column, dtype=object) for name, column in table.items()}


def test_a_file_holds_the_graph_and_an_old_one_is_replaced(fitted, tmp_path):
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    write_onnx(path, *fitted)
    assert os.listdir(tmp_path) == ["model.onnx"]
    graph = onnx.load(path)
    found = run(graph, inputs_of(RATINGS))["score"]
    np.testing.assert_allclose(found, fitted[0].predict(fitted[1].transform(RATINGS)), atol=1e-5)


def test_an_export_that_fails_leaves_the_old_file(fitted, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="pass the model's own encoder"):
        write_onnx(path, fitted[0], FMEncoder().fit({"user": ["ann"]}))
    assert path.read_bytes() == b"old"


def test_a_graph_says_what_it_is_and_asks_for_operators_of_2021(fitted):
    graph = exported(*fitted)
    assert (graph.producer_name, graph.ir_version) == ("fastfm-ext", 7)
    assert {opset.domain: opset.version for opset in graph.opset_import} == {"": 14, "ai.onnx.ml": 2}
    about = {prop.key: prop.value for prop in graph.metadata_props}
    assert about["model"] == "FMRegressor"
    assert about["what"] == "prediction"
    assert about["n_features"] == "6"
    assert about["fastfm_ext_version"] == graph.producer_version
    assert json.loads(about["inputs"]) == {"user": "text", "film": "text"}
    without = exported(fitted[0])
    assert {opset.domain: opset.version for opset in without.opset_import} == {"": 14}
    about = {prop.key: prop.value for prop in without.metadata_props}
    assert json.loads(about["inputs"]) == {"ids": "features", "values": "features"}


def test_a_pipeline_is_exported_with_its_encoder():
    pipeline = make_pipeline(FMEncoder(), FMRegressor(n_factors=3, random_state=0)).fit(RATINGS, STARS)
    found = run(exported(pipeline), inputs_of(RATINGS))["score"]
    np.testing.assert_allclose(found, pipeline.predict(RATINGS), atol=1e-5)
    with pytest.raises(ValueError, match="encoder must be left out with a Pipeline"):
        exported(pipeline, FMEncoder().fit(RATINGS))


def test_later_training_does_not_change_a_graph(fitted):
    X = fitted[1].transform(RATINGS)
    model = FMRegressor(n_factors=3, random_state=0).fit(X, STARS)
    expected, graph = model.predict(X), exported(model, fitted[1])
    model.partial_fit(X, STARS)
    assert not np.array_equal(model.predict(X), expected)
    np.testing.assert_allclose(run(graph, inputs_of(RATINGS))["score"], expected, atol=1e-5)


def test_models_that_cannot_be_exported_are_refused(fitted):
    with pytest.raises(ValueError, match="what must be 'prediction', 'user_vector', 'item_vector'; got 'vectors'"):
        exported(*fitted, what="vectors")
    with pytest.raises(TypeError, match=r"must be a regressor, a classifier or a ranker, got an? FMEncoder"):
        exported(fitted[1])
    with pytest.raises(TypeError, match=r"got an? FMRecommender; of a recommender pass recommender\.model"):
        exported(FMRecommender())
    with pytest.raises(TypeError, match="this one has a StandardScaler, too"):
        exported(make_pipeline(StandardScaler(), FMRegressor()))
    with pytest.raises(TypeError, match="encoder must be an FMEncoder, got an ndarray"):
        exported(fitted[0], np.eye(3))
    with pytest.raises(TypeError, match="got a type"):
        exported(FMRegressor)
    with pytest.raises(NotFittedError):
        exported(FMRegressor())
    with pytest.raises(NotFittedError):
        exported(fitted[0], FMEncoder())
    several = FMClassifier(max_iter=2).fit(np.eye(3), [0, 1, 2])
    with pytest.raises(ValueError, match="one for each of 3 classes"):
        exported(several, what="user_vector")


def test_the_centered_form_of_a_bayesian_model_is_refused():
    table = {"user": np.arange(60) % 12, "age": 20.0 + np.arange(60) % 12, "film": np.arange(60) % 7}
    encoder = FMEncoder(user=["user", numeric("age")], item=["film"])
    X = encoder.fit(table).transform_blocks(table)
    model = BayesianFMRegressor(n_factors=2, form="centered", max_sweeps=5, random_state=0).fit(X, np.arange(60) % 5)
    with pytest.raises(ValueError, match='form="centered" is no single factorization machine'):
        exported(model)


def test_a_column_without_a_name_is_refused():
    table = {"": ["a", "b", "a"], "film": ["x", "y", "y"]}
    encoder = FMEncoder(["", "film"])
    model = FMRegressor(2, max_iter=1, random_state=0).fit(encoder.fit_transform(table), [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"an input of ONNX must have a name.*column under a name"):
        exported(model, encoder)


def test_no_column_holds_what_users_chose():
    table = {"user": [0, 0, 1, 1, 2, 2] * 2, "film": list("abbcca") * 2}
    recommender = FMRecommender(FMRanker(n_factors=2, user_history=True, max_iter=1, random_state=0))
    recommender.fit(table, user="user", item="film")
    graph = exported(recommender.model, recommender.encoder, what="item_vector")
    assert [value.name for value in graph.graph.input] == ["film"]
    for what in ("prediction", "user_vector"):
        with pytest.raises(ValueError, match=r"users are what they chose.*give the graph rows of with_history"):
            exported(recommender.model, recommender.encoder, what=what)


def test_tables_beyond_what_a_file_holds_are_an_error(fitted, monkeypatch):
    monkeypatch.setattr(graphs, "MOST_BYTES", 300)
    exported(fitted[0])
    with pytest.raises(ValueError, match=r"cannot hold\. Serve it with load_model"):
        exported(*fitted)
    monkeypatch.setattr(graphs, "MOST_BYTES", 100)
    with pytest.raises(ValueError, match=r"cannot hold\. Serve it with load_model"):
        exported(fitted[0])
