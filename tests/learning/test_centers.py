"""Numeric columns and targets far from zero are learned as if they were standardised, and stay in the user's units."""

import json
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastfm_ext import FMClassifier, FMRegressor, load_model, save_model
from fastfm_ext._reference import fm
from registries import ALL_SOLVERS

N = 1200
FAR = {
    "year": (1980, 20),
    "latitude": (52.4, 0.09),
    "kelvin": (288.0, 8.0),
    "easting": (395_000, 3_000),
    "seconds since 1970": (1.715e9, 1e7),
    "the same within an hour": (1.715e9, 1e3),
}


def target_of(z, rng):
    return z[:, 0] + z[:, 1] * z[:, 2] + 0.1 * rng.normal(size=len(z))


@pytest.fixture(scope="module")
def table():
    """Three far columns, one near zero, an id in one-hot form, a constant, and nothing at all."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(N, 4))
    far = z[:, :3] * [20, 0.09, 8.0] + [1980, 52.4, 288.0]
    X = np.column_stack([far, z[:, 3], np.eye(3)[np.arange(N) % 3], np.full(N, 101.325), np.zeros(N)])
    return X, target_of(z, rng) + z[:, 3] * (np.arange(N) % 3 == 1)


def with_zeros(X):
    """A zero is a value, also where a column is far from it."""
    X = X[:50].copy()
    X[[3, 5, 5], [0, 0, 2]] = 0.0
    return X


USER, ITEM = np.array([0, 3, 4, 5, 6, 7]), np.array([1, 2, 8])


@pytest.fixture(scope="module")
def model(table):
    return FMRegressor(4, random_state=0).fit(*table)


# --- columns -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ALL_SOLVERS)
@pytest.mark.parametrize("name", FAR)
def test_a_far_column_learns_as_it_does_after_a_standard_scaler(name, solver):
    rng = np.random.default_rng(1)
    z = rng.normal(size=(N, 3))
    center, spread = FAR[name]
    X, y = np.column_stack([center + spread * z[:, 0], center + spread * z[:, 1], z[:, 2]]), target_of(z, rng)
    first, rest = slice(0, 900), slice(900, N)
    model = FMRegressor(4, solver=solver, random_state=0).fit(X[first], y[first])
    scaled = make_pipeline(StandardScaler(), FMRegressor(4, solver=solver, random_state=0)).fit(X[first], y[first])
    assert scaled.score(X[rest], y[rest]) > 0.9
    assert model.score(X[rest], y[rest]) > scaled.score(X[rest], y[rest]) - 0.03


def test_public_parameters_give_the_predictions_by_the_formula(table, model):
    X = with_zeros(table[0])
    w0, w, V = model.w0_, model.w_.astype(float), model.V_.astype(float)
    np.testing.assert_allclose(fm.predict(X, w0, w, V), model.predict(X), atol=2e-3)


def test_user_and_item_vectors_give_the_predictions(table, model):
    X = with_zeros(table[0])
    users, items = X.copy(), X.copy()
    users[:, ITEM] = items[:, USER] = 0
    for one, other in ((users, items), (items, users)):
        vectors, bias = model.user_vectors_and_bias(one)
        terms = np.column_stack([bias, vectors * model.item_vector(other)]).astype(float)
        rounding = 2.0**-23 * np.abs(terms).sum(axis=1).max()
        np.testing.assert_allclose(terms.sum(axis=1), model.predict(X), atol=4 * rounding)
        np.testing.assert_array_equal(bias, model.user_bias(one))
    np.testing.assert_allclose(model.user_vector(users)[:, 1:], users @ model.V_, rtol=1e-4, atol=1e-4)


def test_every_form_of_the_rows_gives_the_same_model(table, model):
    X, y = table
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])])
    forms = [X.tolist(), np.asfortranarray(X), sp.csr_array(X), sp.csc_matrix(X), sp.coo_array(X), frame]
    for form in forms:
        again = FMRegressor(4, random_state=0).fit(form, y)
        np.testing.assert_array_equal(again.predict(form), model.predict(X))


def test_rows_of_weight_zero_have_no_part_in_the_centers(table, model):
    X, y = table
    more = np.vstack([X, X * 1e3])
    weights = np.repeat([1.0, 0.0], N)
    weighted = FMRegressor(4, random_state=0).fit(more, np.tile(y, 2), weights)
    np.testing.assert_array_equal(weighted.predict(X), model.predict(X))


def test_validation_rows_are_centered_too(table):
    X, y = table
    model = FMRegressor(4, random_state=0).fit(X[:900], y[:900], X_val=X[900:], y_val=y[900:])
    error = y[900:] - model.predict(X[900:])
    assert model.history_["val_loss"][model.best_epoch_ - 1] == pytest.approx(0.5 * np.mean(error**2), rel=1e-4)


def test_validation_rows_of_a_stream_are_centered_too(table):
    X, y = table
    model = FMRegressor(4, random_state=0).fit_stream([(X[:900], y[:900])], 20, validation=(X[900:], y[900:]))
    error = y[900:] - model.predict(X[900:])
    assert model.history_["val_loss"][model.best_epoch_ - 1] == pytest.approx(0.5 * np.mean(error**2), rel=1e-4)


def test_a_classifier_of_three_classes_centers_as_well(table):
    X, y = table
    classes = np.digitize(y, [-0.7, 0.7])
    model = FMClassifier(4, random_state=0).fit(X, classes)
    scaled = make_pipeline(StandardScaler(), FMClassifier(4, random_state=0)).fit(X, classes)
    assert model.score(X, classes) > scaled.score(X, classes) - 0.05
    for number, scores in enumerate(model.decision_function(X).T):
        w, V = model.w_[number].astype(float), model.V_[number].astype(float)
        np.testing.assert_allclose(fm.predict(X, float(model.w0_[number]), w, V), scores, atol=5e-3)


def test_a_column_that_is_centered_already_is_left_alone(table):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(N, 3)), np.eye(3)[np.arange(N) % 3]])
    assert not len(FMRegressor(4, random_state=0).fit(X, table[1])._units.centers)


@pytest.mark.parametrize("how", ["warm start", "partial_fit", "fit_stream"])
def test_training_goes_on_from_the_same_centers(table, how, tmp_path):
    X, y = table
    model = FMRegressor(4, random_state=0, warm_start=True)
    if how == "fit_stream":
        model.fit_stream([(X, y)], 20, cache=tmp_path, buffer_rows=200)
    elif how == "partial_fit":
        for _ in range(20):
            model.partial_fit(X, y)
    else:
        model.fit(X, y)
    centers, score = model._units.centers, model.score(X, y)
    assert score > 0.8
    rows = X[::2] + np.where(X[::2] > 50, 1.0, 0.0)
    if how == "fit_stream":
        model.fit_stream([(rows, y[::2])], 1)
    elif how == "partial_fit":
        model.partial_fit(rows, y[::2])
    else:
        model.set_params(max_iter=2).fit(rows, y[::2])
    np.testing.assert_array_equal(model._units.centers.values, centers.values)


def test_a_stream_learns_what_fit_learns_from_the_same_rows(table):
    X, y = table
    plain = FMRegressor(4, shuffle=False, early_stopping=False, max_iter=3, tol=0, random_state=0)
    model = FMRegressor(4, shuffle=False, early_stopping=False, max_iter=3, tol=0, random_state=0)
    plain.fit(X, y)
    batches = [(sp.csr_array(X[begin : begin + 100]), y[begin : begin + 100]) for begin in range(0, N, 100)]
    model.fit_stream(batches, 3, buffer_rows=N)
    np.testing.assert_array_equal(model.predict(X), plain.predict(X))


def test_a_checkpoint_of_centered_columns_is_taken_up_again(table, tmp_path):
    X, y = table
    batches = [(X[begin : begin + 100], y[begin : begin + 100] + 1e9) for begin in range(0, N, 100)]
    whole, broken = (FMRegressor(4, random_state=0) for _ in range(2))
    whole.fit_stream(batches, 4, buffer_rows=300)
    broken.fit_stream(batches, 2, buffer_rows=300, checkpoint=tmp_path / "point")
    broken = FMRegressor(4, random_state=0).fit_stream(batches, 4, buffer_rows=300, checkpoint=tmp_path / "point")
    np.testing.assert_array_equal(broken.predict(X), whole.predict(X))


def test_time_that_goes_on_in_a_stream_does_no_harm():
    rng = np.random.default_rng(0)
    seconds, z = 1.7e9 + 60.0 * np.arange(20_000), rng.normal(size=(20_000, 2))
    X, y = np.column_stack([seconds, z]), z[:, 0] * z[:, 1] + z[:, 0] + 0.1 * rng.normal(size=20_000)
    batches = [(X[begin : begin + 500], y[begin : begin + 500]) for begin in range(0, 20_000, 500)]
    model = FMRegressor(4, random_state=0).fit_stream(batches, 1, buffer_rows=500)
    assert model.score(X, y) > 0.8
    for batch in batches:
        model.partial_fit(*batch)
    assert model.score(X, y) > 0.8


# --- targets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ALL_SOLVERS)
@pytest.mark.parametrize("offset", [1e6, -1e8, 1e9, 1e10])
def test_a_target_far_from_zero_is_learned_as_one_near_it(table, solver, offset):
    X, y = table
    near = FMRegressor(4, solver=solver, random_state=0).fit(X, y)
    far = FMRegressor(4, solver=solver, random_state=0).fit(X, y + offset)
    assert far.predict(X).dtype == np.float64
    np.testing.assert_allclose(far.predict(X) - offset, near.predict(X), atol=0.05)
    assert far.w0_ == pytest.approx(near.w0_ + offset, abs=50)
    np.testing.assert_allclose(far.user_bias(X), far.predict(X), rtol=1e-12)


@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_a_target_near_zero_is_predicted_in_float32(table, loss):
    X, y = table
    assert FMRegressor(4, loss=loss, random_state=0).fit(X, y + 50).predict(X).dtype == np.float32
    far = FMRegressor(4, loss=loss, random_state=0).fit(X, y + 5e7)
    assert far.score(X, y + 5e7) > 0.9


def test_a_target_without_an_intercept_keeps_its_zero(table):
    X, y = table
    model = FMRegressor(4, fit_intercept=False, random_state=0).fit(X[:, 3:4], 300 + y)
    assert model._units.target_center == 0
    assert model.w0_ == 0


def test_a_far_target_goes_on_in_later_batches_and_in_validation(table):
    X, y = table
    model = FMRegressor(4, random_state=0)
    for _ in range(30):
        model.partial_fit(X, y + 1e9)
    assert model.score(X, y + 1e9) > 0.8
    model = FMRegressor(4, random_state=0).fit(X[:900], y[:900] + 1e9, X_val=X[900:], y_val=y[900:] + 1e9)
    assert min(model.history_["val_loss"]) < 0.3 * y.var()


# --- files ---------------------------------------------------------------------------------------------------------


def format_of(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("manifest.json"))["format_version"]


@pytest.mark.parametrize("mmap", [False, True])
def test_a_model_of_centered_columns_returns_from_a_file(table, tmp_path, mmap):
    X, y = table
    model = FMRegressor(4, random_state=0).fit(X, y + 1e9)
    save_model(tmp_path / "model.fm", model)
    for again in (load_model(tmp_path / "model.fm", mmap=mmap).model, pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.predict(X), model.predict(X))
        np.testing.assert_array_equal(again.w_, model.w_)
        again.partial_fit(X, y + 1e9)


def test_only_files_that_an_earlier_reader_would_get_wrong_have_the_new_format(table, tmp_path):
    X, y = table
    path = tmp_path / "model.fm"
    for rows, target, version in ((X, y, 2), (X[:, 3:4], y, 1), (X[:, 3:4], y + 1e6, 2), (X[:, 4:7], y, 1)):
        save_model(path, FMRegressor(4, random_state=0).fit(rows, target))
        assert format_of(path) == version


def test_rows_of_nothing_but_constants_are_predicted_by_the_mean():
    X = np.tile([0.1, 0.6], (12, 1))
    model = FMRegressor(n_factors=2, random_state=0).fit(X, np.arange(12.0))
    np.testing.assert_allclose(model.predict(X), 5.5, atol=0.3)
    assert not model.V_.any()
