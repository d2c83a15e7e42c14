"""Graphs over raw columns encode them as the encoder does."""

import datetime
import json

import numpy as np
import pytest

from fastfm_ext import (
    FMEncoder,
    FMRanker,
    FMRegressor,
    binned,
    categorical,
    crossed,
    hashed,
    implicit,
    multi,
    numeric,
)
from fastfm_ext.export.onnx.graph import NO_INTEGER
from onnx_cases import exported, run

rng = np.random.default_rng(0)
N_ROWS = 200
TABLE = {
    "user": rng.integers(0, 20, N_ROWS),
    "city": np.array(["Rome", "Oslo", "Lima", "Čapek", ""], dtype=object)[rng.integers(0, 5, N_ROWS)],
    "job": [None if r < 0.2 else ("writer", "baker", "artist")[int(9 * r) % 3] for r in rng.random(N_ROWS)],
    "age": [None if r < 0.2 else float(int(60 * r)) for r in rng.random(N_ROWS)],
    "heat": rng.normal(20, 9, N_ROWS),
    "code": rng.choice([-(2**62), -7, 3, 2**40, 2**62], N_ROWS),
    "shop": rng.random(N_ROWS) < 0.3,
    "tags": ["|".join(rng.choice(list("abcdef"), rng.integers(0, 5))) for _ in range(N_ROWS)],
    "codes": [rng.integers(0, 6, rng.integers(0, 4)).tolist() for _ in range(N_ROWS)],
}
LATER = {
    "user": [3, 99, -5, 7, 0],
    "city": ["Rome", "Paris", "", "Čapek", "Oslo"],
    "job": ["writer", None, "smith", "baker", None],
    "age": [12.0, None, 7.5, 100.0, -3.0],
    "heat": [20.0, -40.0, 70.0, 12.25, 0.0],
    "code": [-7, 0, 2**62, -(2**63) + 1, 2**63 - 1],
    "shop": [True, False, True, False, True],
    "tags": ["a|a|b", "", "x|y|x", "c|x|d|e", "f"],
    "codes": [[1, 1, 2], [], [77, 78], [5], [0, 1, 2, 3, 99]],
}
SPECS = {
    "integers": "user",
    "integers and unknown ones": categorical("user", unknown="feature"),
    "integers far apart": categorical("code", unknown="feature"),
    "integers and missing ones": categorical("user", missing="feature", unknown="feature"),
    "texts": "city",
    "rare texts": categorical("job", min_count=60, missing="feature", unknown="rare"),
    "texts with all shared features": categorical("job", min_count=2, missing="feature", unknown="feature"),
    "truth values": "shop",
    "whole numbers with missing ones": categorical("age", missing="feature", unknown="feature"),
    "number": numeric("heat"),
    "number or missing": numeric("age", missing="feature"),
    "number or nothing": numeric("age"),
    "logarithm": numeric("heat", log=True),
    "bins": binned("heat", 5),
    "bins or missing": binned("age", 4, missing="feature"),
    "bins between edges": binned("heat", edges=[12.25, 20.0]),
    "tokens": multi("tags"),
    "tokens and shared features": multi("tags", min_count=70, missing="feature", unknown="feature", norm="l1"),
    "tokens as they are": multi("tags", norm=None),
    "integers in cells": multi("codes"),
    "integers in cells, with shared features": multi("codes", missing="feature", unknown="feature"),
    "sets": implicit("user", of="city"),
    "sets of texts": implicit("city", of="user", norm="l1"),
    "sets as they are": implicit("shop", of="user", norm=None),
    "pair": crossed("user", "city"),
    "pair with shared features": crossed("user", "job", missing="feature", unknown="feature"),
    "rare pairs": crossed("user", "city", min_count=3, unknown="rare"),
    "triple": crossed("city", "job", "shop", missing="feature", unknown="feature"),
    "four": crossed("shop", "city", "job", "user", unknown="feature"),
}


def tensors(graph, table):
    """The inputs of a graph from columns of a table, as the documentation says."""
    kinds = json.loads({prop.key: prop.value for prop in graph.metadata_props}["inputs"])
    return {name: tensor(kind, table[name]) for name, kind in kinds.items()}


def tensor(kind, column):
    values = list(column)
    if kind in ("texts", "integers"):
        missing = "" if kind == "texts" else NO_INTEGER
        cells = [cell.split("|") if isinstance(cell, str) else list(cell) for cell in values]
        width = max(map(len, cells)) + 1
        filled = [cell + [missing] * (width - len(cell)) for cell in cells]
        return np.array(filled, dtype=object if kind == "texts" else np.int64)
    if kind == "number":
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    if kind == "text":
        return np.array(["" if value is None else value for value in values], dtype=object)
    if kind == "truth value":
        return np.array(values, dtype=bool)
    return np.array([NO_INTEGER if value is None else value for value in values], dtype=np.int64)


def random_model(encoder):
    n = encoder.n_features_out_
    numbers = np.random.default_rng(1)
    return FMRegressor.from_parameters(0.5, numbers.normal(size=n), 0.3 * numbers.normal(size=(n, 4)))


@pytest.mark.parametrize("name", SPECS)
def test_a_column_is_encoded_as_in_the_encoder(name):
    spec = SPECS[name]
    encoder = FMEncoder([spec]).fit(TABLE)
    model = random_model(encoder)
    graph = exported(model, encoder)
    for table in (TABLE, LATER):
        expected = model.predict(encoder.transform(table))
        np.testing.assert_allclose(run(graph, tensors(graph, table))["score"], expected, atol=1e-5)


def test_all_columns_together_are_encoded():
    encoder = FMEncoder([*(spec for spec in SPECS.values() if "age" not in str(spec)), numeric("age")])
    wanted = {str(spec): spec for spec in encoder.columns}
    fields = {}
    for spec in wanted.values():
        fields.setdefault(spec if isinstance(spec, str) else spec.name, spec)
    encoder = FMEncoder(list(fields.values())).fit(TABLE)
    model = random_model(encoder)
    graph = exported(model, encoder)
    for table in (TABLE, LATER):
        expected = model.predict(encoder.transform(table))
        np.testing.assert_allclose(run(graph, tensors(graph, table))["score"], expected, atol=1e-5)


def test_features_that_were_added_later_are_found():
    encoder = FMEncoder(user=["user"], item=["city", multi("tags")]).fit(TABLE)
    encoder.partial_fit(LATER)
    model = random_model(encoder)
    graph = exported(model, encoder)
    expected = model.predict(encoder.transform(LATER))
    np.testing.assert_allclose(run(graph, tensors(graph, LATER))["score"], expected, atol=1e-5)


def test_one_column_may_be_categories_and_numbers():
    encoder = FMEncoder(["user", binned("user", 3)]).fit(TABLE)
    model = random_model(encoder)
    graph = exported(model, encoder)
    assert [value.name for value in graph.graph.input] == ["user"]
    for table in (TABLE, LATER):
        expected = model.predict(encoder.transform(table))
        np.testing.assert_allclose(run(graph, tensors(graph, table))["score"], expected, atol=1e-5)
    missing = run(graph, {"user": np.array([np.nan, 3.5])})["score"]
    np.testing.assert_allclose(missing, model.predict(encoder.transform({"user": [None, 3.5]})), atol=1e-5)


def test_sets_in_which_a_column_is_centered_are_encoded():
    """A film that most users have is a numeric column far from zero, since its value depends on the user's set."""
    numbers = np.random.default_rng(0)
    table = {"user": numbers.integers(0, 30, 400), "film": numbers.integers(0, 8, 400)}
    encoder = FMEncoder(user=["user", implicit("user", of="film")], item=["film"])
    model = FMRegressor(n_factors=4, max_iter=3, random_state=0).fit(
        encoder.fit_transform(table), 3.0 + table["film"] + numbers.normal(size=400)
    )
    assert len(model._units.centers)
    later = {"user": [3, 99, -1, 12], "film": [2, 2, 99, 7]}
    graph = exported(model, encoder)
    for rows in (table, later):
        expected = model.predict(encoder.transform(rows))
        np.testing.assert_allclose(run(graph, tensors(graph, rows))["score"], expected, atol=1e-5)
    for side in ("user", "item"):
        graph = exported(model, encoder, what=f"{side}_vector")
        found = run(graph, tensors(graph, later))["vector"]
        expected = getattr(model, f"{side}_vector")(encoder.transform(later, side=side))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("ids", [[5, 6, 8], [5, 10**9, -(2**62)]], ids=["near", "far apart"])
def test_missing_integers_are_told_from_unknown_ones(ids):
    encoder = FMEncoder([categorical("x", missing="feature", unknown="feature")]).fit({"x": [*ids, None]})
    model = random_model(encoder)
    column = [*ids, 7, None, 2**63 - 1, -(2**63) + 1, 4, 9]
    found = run(exported(model, encoder), {"x": tensor("integer", column)})["score"]
    np.testing.assert_allclose(found, model.predict(encoder.transform({"x": column})), atol=1e-5)


def test_columns_may_have_any_names():
    names = ["score", "score_", "constant_0", "value_3_0", "ids", "n", "a b/c"]
    table = dict.fromkeys(names, TABLE["city"])
    encoder = FMEncoder(names).fit(table)
    model = random_model(encoder)
    graph = exported(model, encoder)
    assert [value.name for value in graph.graph.output] == ["score__"]
    (found,) = run(graph, tensors(graph, table)).values()
    np.testing.assert_allclose(found, model.predict(encoder.transform(table)), atol=1e-5)


def test_a_vector_takes_the_columns_of_its_side_alone():
    encoder = FMEncoder(user=["user", numeric("age")], item=["city"], context=["shop"]).fit(TABLE)
    model = random_model(encoder)
    for side, columns in (("user", ["user", "age", "shop"]), ("item", ["city"])):
        graph = exported(model, encoder, what=f"{side}_vector")
        assert [value.name for value in graph.graph.input] == columns
        expected = getattr(model, f"{side}_vector")(encoder.transform(LATER, side=side))
        found = run(graph, tensors(graph, LATER))["vector"]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_ranker_scores_the_users_and_items_of_rows():
    encoder = FMEncoder(user=["user", "job"], item=["city", multi("tags")]).fit(TABLE)
    X_user, X_item = encoder.transform(TABLE, side="user"), encoder.transform(TABLE, side="item")
    model = FMRanker(n_factors=4, max_iter=2, random_state=0).fit(X_user, X_item, np.eye(N_ROWS))
    graph = exported(model, encoder)
    users = model.user_vector(encoder.transform(LATER, side="user"))
    items = model.item_vector(encoder.transform(LATER, side="item"))
    found = run(graph, tensors(graph, LATER))["score"]
    np.testing.assert_allclose(found, (users * items).sum(axis=1), atol=1e-5)


@pytest.mark.parametrize(
    ("spec", "column", "message"),
    [
        (hashed("x", 8), ["a", "b"], r"field 'x' is hashed\('x', n_features=8\), of a kind"),
        ("x", [0.5, 1.25], "column 'x' has categories that are neither all text"),
        ("x", [datetime.date(2024, 1, 1)] * 2, "column 'x' has categories that are neither all text"),
        (crossed("y", "x"), [0.5, 1.25], "column 'x' has categories that are neither all text"),
        (multi("x", sep=None), [[True], [False]], "column 'x' holds cells of truth values"),
    ],
    ids=str,
)
def test_a_column_that_onnx_cannot_encode_is_an_error_that_names_it(spec, column, message):
    encoder = FMEncoder([spec]).fit({"x": column, "y": ["c", "d"]})
    with pytest.raises(ValueError, match=message) as error:
        exported(random_model(encoder), encoder)
    assert "Leave the encoder out" in str(error.value)


def test_a_column_that_is_read_as_two_types_is_an_error():
    encoder = FMEncoder([multi("tags"), crossed("user", "tags")]).fit(TABLE)
    with pytest.raises(ValueError, match="column 'tags' is read as texts and as text"):
        exported(random_model(encoder), encoder)


def test_an_encoder_without_columns_of_the_side_is_an_error():
    encoder = FMEncoder(["user", "city"]).fit(TABLE)
    with pytest.raises(ValueError, match="the encoder has no columns of item to take as inputs"):
        exported(random_model(encoder), encoder, what="item_vector")
