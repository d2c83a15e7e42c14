"""More features than before: the model grows, and what it has learned stays."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from fastfm_ext import FMClassifier, FMRegressor, load_model, save_model
from registries import SOLVERS
from stream_cases import BUFFER_ROWS, assert_same_states, batches, make, rows, states, target_of
from training_cases import ESTIMATORS

OLD, NEW = 40, 60


@pytest.fixture(scope="module")
def data():
    X, y = rows()
    X = X.tocsc()[:, np.r_[0:20, 40:60, 20:40]].tocsr()  # rows of the first two thirds' columns come first
    is_new = np.asarray(X[:, OLD:].sum(axis=1) > 0) & (np.arange(len(y)) > 700)
    X = X.tolil()
    X[np.flatnonzero(~is_new), OLD:] = 0
    return sp.csr_array(X), y


def old_part(X):
    return sp.csr_array(X[:700, :OLD])


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_growing_changes_nothing_that_was_learned(data, estimator, solver):
    X, y = data[0], target_of(estimator, data[1])
    model = make(estimator, solver=solver).fit(old_part(X), y[:700])
    before = [array.copy() for array in states(model)]
    scores = model._raw_predictions(old_part(X))
    assert model.grow(NEW) is model
    assert model.n_features_in_ == NEW
    for old, new in zip(before, states(model), strict=True):
        np.testing.assert_array_equal(new[: len(old)], old)
    np.testing.assert_array_equal(model._raw_predictions(X[:700]), scores)
    assert not model.w_[OLD:].any()
    assert not model.V_[OLD:].any()


def test_the_first_factors_of_new_features_are_not_those_of_the_first_features(data):
    X = sp.csr_array(sp.hstack([data[0], data[0][:, :20]]))
    still = {"l2_V": 0.0, "learning_rate": 1e-9, "max_iter": 1}
    model, again = (make(FMRegressor, **still).fit(old_part(data[0]), data[1][:700]) for _ in range(2))
    for learner in (model, again):
        learner.partial_fit(X, data[1])
    assert np.abs(model.V_[:40] - model.V_[40:]).max() > 1e-3
    assert 0.3 < np.std(model.V_[OLD:]) / model._options().init_stdev < 3
    assert_same_states(model, again)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_partial_fit_grows_for_sparse_rows_and_learns_the_new_features(data, estimator):
    X, y = data[0], target_of(estimator, data[1])
    model = make(estimator).partial_fit(old_part(X), y[:700])
    grown = make(estimator).partial_fit(old_part(X), y[:700]).grow(NEW)
    for _ in range(3):
        model.partial_fit(X, y)
        grown.partial_fit(X, y)
    assert_same_states(model, grown)
    assert (model.w_[OLD:] != 0).all()


def test_a_warm_fit_grows_too(data):
    X, y = data
    model = make(FMRegressor, warm_start=True, max_iter=2).fit(old_part(X), y[:700]).fit(X, y)
    assert model.V_.shape == (NEW, 4)


def test_after_an_error_the_model_has_its_old_width(data):
    X, y = data
    model = make(FMRegressor).fit(old_part(X), y[:700])
    before = dict(model.__dict__)
    with pytest.raises(ValueError, match="y"):
        model.partial_fit(X, np.full(len(y), np.nan))
    assert model.__dict__ == before


def test_dense_rows_do_not_make_a_model_grow(data):
    X, y = data
    model = make(FMRegressor).fit(old_part(X).toarray(), y[:700])
    with pytest.raises(ValueError, match=f"X has {NEW} features, but FMRegressor is expecting {OLD} features"):
        model.partial_fit(X.toarray(), y)
    with pytest.raises(ValueError, match=f"X has {NEW} features, but FMRegressor is expecting {OLD} features"):
        model.predict(X)


@pytest.mark.parametrize("n_features", [OLD - 1, 2**31, 50.0, True, "60", None])
def test_growing_to_what_is_no_larger_width_is_refused(data, n_features):
    model = make(FMRegressor).fit(old_part(data[0]), data[1][:700])
    with pytest.raises(ValueError, match=f"n_features must be an integer from {OLD}"):
        model.grow(n_features)


def test_named_columns_and_changed_layouts_cannot_grow(data):
    frame = pd.DataFrame(old_part(data[0]).toarray(), columns=[f"c{i}" for i in range(OLD)])
    model = FMRegressor(random_state=0, max_iter=1).fit(frame, data[1][:700])
    with pytest.raises(ValueError, match="trained on 40 named columns, and cannot grow to 60"):
        model.grow(NEW)
    model = make(FMRegressor).fit(old_part(data[0]), data[1][:700]).set_params(n_factors=9)
    with pytest.raises(ValueError, match="n_factors is now 9"):
        model.grow(NEW)


def test_a_grown_model_saves_and_loads_and_a_mapped_one_grows(data, tmp_path):
    X, y = data
    save_model(tmp_path / "old.fastfm", make(FMClassifier).fit(old_part(X), y[:700] > 0))
    model = load_model(tmp_path / "old.fastfm", mmap=True).model.grow(NEW)
    save_model(tmp_path / "new.fastfm", model)
    assert_same_states(load_model(tmp_path / "new.fastfm").model, model)
    model.partial_fit(X, y > 0)


def test_a_stream_that_widens_gives_the_model_of_one_that_was_wide_from_the_start(data, tmp_path):
    X, y = data[0], data[1] > 0
    parts = list(batches(X, y, 100)())
    widening = [(old_part(part) if number < 7 else part, target) for number, (part, target) in enumerate(parts)]
    assert {part.shape[1] for part, _ in widening} == {OLD, NEW}
    for cache in (None, tmp_path):
        model = make().fit_stream(widening, 3, buffer_rows=BUFFER_ROWS, cache=cache, validation=(X, y))
        wide = make().fit_stream(parts, 3, buffer_rows=BUFFER_ROWS, cache=cache, validation=(X, y))
        assert_same_states(model, wide)


def test_a_warm_stream_grows(data):
    X, y = data[0], data[1] > 0
    model = make(warm_start=True).fit_stream([(old_part(X), y[:700])], 2)
    before = model.predict_proba(old_part(X))
    model.fit_stream(batches(X, y, 100), 2)
    assert model.n_features_in_ == NEW
    assert np.abs(model.predict_proba(sp.csr_array(X[:700])) - before).max() < 0.5
