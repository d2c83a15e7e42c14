"""Numeric columns of users and items that are far from zero help to rank as if they were standardised."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import FMRanker, load_model, save_model

N_USERS, N_ITEMS, N_FEATURES = 60, 40, 4
AGE, USER_LATITUDE, YEAR, ITEM_LATITUDE = range(N_FEATURES)


@pytest.fixture(scope="module")
def data():
    """Users choose the items whose year and latitude suit their age and latitude."""
    rng = np.random.default_rng(0)
    user, item = rng.normal(size=(N_USERS, 2)), rng.normal(size=(N_ITEMS, 2))
    taste = user @ item.T
    chosen = (taste > np.quantile(taste, 0.85, axis=1, keepdims=True)).astype(float)
    X_user, X_item = np.zeros((N_USERS, N_FEATURES)), np.zeros((N_ITEMS, N_FEATURES))
    X_user[:, :2], X_item[:, 2:] = user, item
    return X_user, X_item, chosen


CENTERS, SPREADS = np.array([40.0, 52.4, 1990.0, 48.1]), np.array([10.0, 0.1, 15.0, 0.2])


def far(data):
    X_user, X_item, chosen = data
    units = np.zeros(N_FEATURES), np.zeros(N_FEATURES)
    units[0][:2], units[1][2:] = CENTERS[:2], CENTERS[2:]
    return X_user * SPREADS + units[0], X_item * SPREADS + units[1], chosen


def recall(model, X_user, X_item, chosen):
    scores = model.user_vector(X_user) @ model.item_vector(X_item).T
    first = np.argsort(-scores, axis=1)[:, :6]
    return np.take_along_axis(chosen, first, axis=1).mean()


def train(arguments, **params):
    params = {"loss": "bpr", "l2_V": 0.001, "max_iter": 60, "random_state": 0} | params
    return FMRanker(4, **params).fit(*arguments)


@pytest.mark.parametrize("loss", ["softmax", "bpr", "warp"])
def test_far_columns_rank_as_near_ones(data, loss):
    near, model = train(data, loss=loss), train(far(data), loss=loss)
    assert recall(near, *data) > 0.8
    assert recall(model, *far(data)) > recall(near, *data) - 0.1
    np.testing.assert_array_equal(model._units.centers.columns, [AGE, USER_LATITUDE])
    np.testing.assert_array_equal(model._units.item_centers.columns, [YEAR, ITEM_LATITUDE])


def test_public_parameters_rank_as_the_vectors(data):
    """By the formula of the documentation, up to what is the same for all items of a user."""
    X_user, X_item, chosen = far(data)
    model = train((X_user, X_item, chosen))
    V, w = model.V_.astype(float), model.w_.astype(float)
    S_items = X_item @ V
    own = X_item @ w + 0.5 * (S_items**2 - X_item**2 @ V**2).sum(axis=1)
    by_formula = own + (X_user @ V) @ S_items.T
    by_vectors = model.user_vector(X_user) @ model.item_vector(X_item).T
    difference = by_formula - by_vectors
    np.testing.assert_allclose(difference - difference.mean(axis=1, keepdims=True), 0, atol=0.02)
    assert model.w0_ == 0


def test_a_user_who_is_known_by_far_columns_alone_is_folded_in_near_them(data):
    X_user, X_item, chosen = far(data)
    model = train((X_user, X_item, chosen))
    items = model.item_vector(X_item)
    known = model.fold_in(np.flatnonzero(chosen[0]), items, X_user[:1], random_state=0)
    top = np.argsort(-(items @ known))[:6]
    assert chosen[0, top].mean() > 0.6


def test_later_rows_keep_the_centers_and_files_do(data, tmp_path):
    X_user, X_item, chosen = far(data)
    model = train((X_user, X_item, chosen))
    values = model._units.centers.values, model._units.item_centers.values
    model.partial_fit(X_user[::2] + 1.0, X_item, chosen[::2])
    save_model(tmp_path / "model.fm", model)
    again = load_model(tmp_path / "model.fm").model
    for kept, before in zip((again._units.centers, again._units.item_centers), values, strict=True):
        np.testing.assert_array_equal(kept.values, before)
    np.testing.assert_array_equal(again.item_vector(X_item), model.item_vector(X_item))


@pytest.mark.parametrize("weight", [1e-3, 50.0])
@pytest.mark.parametrize("loss", ["softmax", "bpr", "warp"])
def test_equal_weights_of_any_size_train_and_fold_in_as_ones_do(data, loss, weight):
    plain, weighted = (train((*data[:2], data[2] * factor), loss=loss, max_iter=3) for factor in (1.0, weight))
    np.testing.assert_array_equal(weighted.V_, plain.V_)
    items, history = plain.item_vector(data[1]), sp.csr_array(data[2][:5])
    np.testing.assert_allclose(
        weighted.fold_in(history * weight, items), plain.fold_in(history, items), rtol=1e-4, atol=1e-6
    )
