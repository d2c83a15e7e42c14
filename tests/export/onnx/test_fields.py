"""Exported field-aware models: predictions and vectors of the graph are those of the model."""

import numpy as np
import pytest
import scipy.sparse as sp

import field_aware_cases
from fastfm_ext import FMEncoder, FwFMClassifier, implicit, numeric
from field_aware_cases import CLASSIFIERS, FIELD_AWARE, REGRESSORS, encoded, make, scores, target_of
from onnx_cases import exported, ids_and_values, run

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
table = field_aware_cases.table


def predictions(model, X):
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


def found_by(graph, inputs):
    outputs = run(graph, inputs)
    return outputs["probabilities"] if "probabilities" in outputs else outputs["score"]


@pytest.mark.parametrize("n_factors", [0, 3])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_predictions_of_ids_and_values(estimator, normalize, n_factors, table):
    X, y = (
        sp.csr_array(np.random.default_rng(0).normal(size=(900, 6)) * (np.arange(6) % 4 > 0)),
        target_of(estimator, table),
    )
    X = sp.vstack([X[:899], sp.csr_array((1, 6))]).tocsr()  # the last row is empty
    model = make(estimator, n_factors=n_factors, fields=[1, 0, 0, 2, 1, 2], normalize=normalize).fit(X, y)
    np.testing.assert_allclose(found_by(exported(model), ids_and_values(X)), predictions(model, X), **TOLERANCE)


@pytest.mark.parametrize("multi_class", ["ovr", "multinomial"])
@pytest.mark.parametrize("estimator", CLASSIFIERS)
def test_predictions_of_several_classes(estimator, multi_class, table):
    _, X = encoded(table)
    model = make(estimator, multi_class=multi_class).fit(X, np.digitize(table[1], [-0.5, 0.5]))
    outputs = run(exported(model), ids_and_values(X))
    np.testing.assert_allclose(outputs["probabilities"], model.predict_proba(X), **TOLERANCE)
    np.testing.assert_array_equal(outputs["label"], model.predict(X))


@pytest.mark.parametrize("estimator", REGRESSORS)
def test_columns_and_targets_far_from_zero(estimator):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(50, 1, 900), rng.normal(-20, 2, 900), rng.normal(size=900)])
    y = 1e6 + X[:, 0] * X[:, 1] + X[:, 2]
    model = make(estimator, max_iter=20).fit(X, y)
    assert len(model._units.centers) == 2
    np.testing.assert_allclose(run(exported(model), ids_and_values(X))["score"], model.predict(X), rtol=1e-7)


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_graphs_begin_at_raw_columns_with_what_users_have_chosen(estimator, table):
    columns, y = table[0] | {"size": np.random.default_rng(1).normal(30.0, 2.0, 900)}, target_of(estimator, table)
    encoder = FMEncoder(user=["user", implicit("user", of="item")], item=["item"], context=["day", numeric("size")])
    X = encoder.fit_transform(columns)
    model = make(estimator, normalize=estimator is FwFMClassifier).fit(X, y)
    found = found_by(exported(model, encoder), columns)
    np.testing.assert_allclose(found, predictions(model, X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_vectors_and_bias_are_those_of_the_model(estimator, table):
    columns = table[0] | {"kind": table[0]["item"] % 5}
    encoder = FMEncoder(user=["user"], item=["item", "kind"], context=["day"])
    X, y = encoder.fit_transform(columns), target_of(estimator, table)
    model = make(estimator).fit(X, y)
    users, items = encoder.transform(columns, side="user"), encoder.transform(columns, side="item")
    of_users = run(exported(model, encoder, what="user_vector"), {name: columns[name] for name in ("user", "day")})
    of_items = run(exported(model, encoder, what="item_vector"), {name: columns[name] for name in ("item", "kind")})
    np.testing.assert_allclose(of_users["vector"], model.user_vector(users), **TOLERANCE)
    np.testing.assert_allclose(of_users["bias"], model.user_bias(users), **TOLERANCE)
    np.testing.assert_allclose(of_items["vector"], model.item_vector(items), **TOLERANCE)
    together = of_users["bias"] + (of_users["vector"] * of_items["vector"]).sum(axis=1)
    np.testing.assert_allclose(together, scores(model, X), **TOLERANCE)


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_vectors_of_columns_far_from_zero(estimator, table):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=900), rng.normal(50, 1, 900), rng.normal(-9, 1, 900)])
    model = make(estimator, item_fields=[1, 2]).fit(X, target_of(estimator, table))
    assert len(model._units.centers) == 2
    users, items = X * [1, 0, 0], X * [0, 1, 1]
    of_users = run(exported(model, what="user_vector"), ids_and_values(users))
    of_items = run(exported(model, what="item_vector"), ids_and_values(items))
    np.testing.assert_allclose(of_users["vector"], model.user_vector(users), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(of_users["bias"], model.user_bias(users), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(of_items["vector"], model.item_vector(items), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_vectors_that_the_model_has_not_are_refused(estimator, table):
    encoder, X = encoded(table)
    model = make(estimator, fields=encoder.fields_).fit(field_aware_cases.plain(X), target_of(estimator, table))
    with pytest.raises(ValueError, match="set item_fields of the model"):
        exported(model, what="item_vector")
    with pytest.raises(ValueError, match="vectors of a model with normalize=True"):
        exported(make(estimator, normalize=True).fit(X, target_of(estimator, table)), what="user_vector")
