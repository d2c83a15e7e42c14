"""Vectors of users and items of field-aware models: exact, and served by an index."""

import io

import numpy as np
import pytest
import scipy.sparse as sp

import field_aware_cases
from fastfm_ext import FMEncoder, ItemIndex, load_model, save_model
from field_aware_cases import FIELD_AWARE, N_ITEMS, N_USERS, encoded, make, plain, scores, target_of

table = field_aware_cases.table

USERS = {"user": np.arange(N_USERS), "day": np.arange(N_USERS) % 3}
ITEMS = {"item": np.arange(N_ITEMS), "kind": np.arange(N_ITEMS) % 4}


def fitted(estimator, table, **params):
    columns = table[0] | {"kind": table[0]["item"] % 4}
    encoder = FMEncoder(user=["user"], item=["item", "kind"], context=["day"])
    X = encoder.fit_transform(columns)
    return encoder, make(estimator, max_iter=30, **params).fit(X, target_of(estimator, table))


def all_scores(model, users, items):
    rows = sp.csr_array(sp.kron(users, np.ones((N_ITEMS, 1))) + sp.kron(np.ones((N_USERS, 1)), items))
    return scores(model, rows).reshape(N_USERS, N_ITEMS)


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_inner_products_and_the_users_bias_are_the_scores(estimator, table):
    encoder, model = fitted(estimator, table)
    users, items = encoder.transform(USERS, side="user"), encoder.transform(ITEMS, side="item")
    vectors, bias = model.user_vectors_and_bias(users)
    found = bias[:, None] + vectors @ model.item_vector(items).T
    np.testing.assert_allclose(found, all_scores(model, users, items), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(model.user_vector(users), vectors)
    np.testing.assert_array_equal(model.user_bias(users), bias)


@pytest.mark.parametrize("kind", ["exact", "ivf"])
@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_an_index_finds_the_items_of_the_highest_scores(estimator, kind, table):
    params = {}
    if kind == "ivf":
        pytest.importorskip("faiss", reason="needs faiss-cpu")
        params = {"n_lists": 2, "target_recall": 1.0}
    encoder, model = fitted(estimator, table)
    users, items = encoder.transform(USERS, side="user"), encoder.transform(ITEMS, side="item")
    index = ItemIndex(kind, **params).fit(model.item_vector(items))
    found, _ = index.search(model.user_vector(users), n=5)
    expected = np.argsort(-all_scores(model, users, items), axis=1, kind="stable")[:, :5]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_the_users_fields_may_be_named_instead(estimator, table):
    encoder, model = fitted(estimator, table)
    X = plain(encoder.transform(table[0] | {"kind": table[0]["item"] % 4}))
    named = np.array(encoder.field_names_)[encoder.fields_]
    by_name = make(estimator, max_iter=30, fields=named, item_fields=["item", "kind"]).fit(
        X, target_of(estimator, table)
    )
    users, items = (plain(encoder.transform(side[1], side=side[0])) for side in (("user", USERS), ("item", ITEMS)))
    found = by_name.user_bias(users)[:, None] + by_name.user_vector(users) @ by_name.item_vector(items).T
    np.testing.assert_allclose(found, all_scores(by_name, users, items), rtol=1e-4, atol=1e-5)
    for twin in (model, by_name):
        file = io.BytesIO()
        save_model(file, twin)
        np.testing.assert_array_equal(load_model(file).model.item_vector(items), twin.item_vector(items))
    with pytest.raises(ValueError, match=r"item_fields holds 'film', and the fields of the model are \['day', "):
        by_name.set_params(item_fields=["film"]).item_vector(items)
    with pytest.raises(ValueError, match=r"which fields are those of items: name them, .*item_fields=\['user'\]"):
        by_name.set_params(item_fields=None).item_vector(items)


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_rows_of_the_other_side_and_normalized_models_are_refused(estimator, table):
    encoder, model = fitted(estimator, table)
    with pytest.raises(ValueError, match="a field of the other side"):
        model.item_vector(encoder.transform(USERS, side="user"))
    _, X = encoded(table)
    model = make(estimator, normalize=True).fit(X, target_of(estimator, table))
    with pytest.raises(ValueError, match="train with normalize=False"):
        model.user_vector(X)


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_vectors_of_columns_far_from_zero(estimator):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=300), rng.normal(50, 1, 300), rng.normal(-9, 1, 300)])
    y = X[:, 0] * (X[:, 1] - 50) + 0.1 * X[:, 2]
    y = y > y.mean() if target_of(estimator, (None, 0, 1)) else y
    model = make(estimator, item_fields=[1, 2], max_iter=30).fit(X, y)
    assert len(model._units.centers) == 2
    users, items = X * [1, 0, 0], X * [0, 1, 1]
    found = model.user_bias(users) + (model.user_vector(users) * model.item_vector(items)).sum(axis=1)
    np.testing.assert_allclose(found, scores(model, X), rtol=1e-3, atol=1e-3)
