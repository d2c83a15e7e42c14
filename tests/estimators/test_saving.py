"""Copies and files of an estimator: they predict and go on training as the original does."""

import copy
import io
import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import estimator_cases
from estimator_cases import ESTIMATORS, assert_same_model, target_of
from fastfm_ext import FMClassifier, FMRegressor
from registries import SOLVERS

rows = estimator_cases.rows


def through_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


def through_state(model):
    meta, arrays = model._to_state()
    return type(model)._from_state(meta, {name: array.copy() for name, array in arrays.items()})


COPIES = [lambda model: pickle.loads(pickle.dumps(model)), through_joblib, copy.deepcopy, through_state]

COPY_NAMES = ["pickle", "joblib", "deepcopy", "state"]


@pytest.mark.parametrize("make_copy", COPIES, ids=COPY_NAMES)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_copy_predicts_and_goes_on_training_bit_for_bit(rows, make_copy, solver, estimator):
    X, y = rows[0] * 50, target_of(estimator, rows)  # values that training scales
    model = estimator(n_factors=5, solver=solver, max_iter=5, random_state=0).fit(X, y)
    twin = make_copy(model)
    assert_same_model(twin, model, X)
    for _ in range(2):
        model.partial_fit(X, y)
        twin.partial_fit(X, y)
    assert_same_model(twin, model, X)
    assert twin.n_iter_ == model.n_iter_


def test_multiclass_model_copies(rows):
    X = rows[0]
    y = np.array(["a", "b", "c"])[np.argmax(X[:, :3], axis=1)]
    model = FMClassifier(random_state=0, max_iter=5).fit(X, y)
    for make_copy in COPIES:
        twin = make_copy(model)
        np.testing.assert_array_equal(twin.classes_, model.classes_)
        assert_same_model(twin, model, X)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_model_mapped_read_only_predicts_and_its_training_leaves_the_file_alone(rows, estimator, tmp_path):
    X, y = rows[0], target_of(estimator, rows)
    model = estimator(random_state=0, max_iter=3).fit(X, y)
    path = tmp_path / "model.joblib"
    joblib.dump(model, path)
    before = path.read_bytes()
    mapped = joblib.load(path, mmap_mode="r")
    assert_same_model(mapped, model, X)
    mapped.partial_fit(X, y)
    assert_same_model(mapped, model.partial_fit(X, y), X)
    assert path.read_bytes() == before


def test_clone_is_unfitted_with_the_same_parameters(rows):
    X, y, _ = rows
    model = FMRegressor(n_factors=3, l2_V=0.5, random_state=1, max_iter=2).fit(X, y)
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        twin.predict(X)


def test_pickle_of_an_unfitted_estimator(rows):
    model = pickle.loads(pickle.dumps(FMRegressor(n_factors=2)))
    assert model.fit(rows[0], rows[1]).V_.shape == (6, 2)
