"""Models with factors in float16: half the memory, and all that a float32 model can."""

import io

import numpy as np
import pytest
import scipy.sparse as sp

import stream_cases
from fastfm_ext import DivergenceError, FMClassifier, FMRegressor, load_model, save_model
from fastfm_ext._engine import storage
from fastfm_ext.explain import contributions


def rows(n, seed=0, n_features=60):
    rng = np.random.default_rng(seed)
    ids = np.stack([rng.integers(0, n_features // 2, n), rng.integers(n_features // 2, n_features, n)], axis=1)
    X = sp.csr_array((np.ones(ids.size), ids.ravel(), np.arange(0, ids.size + 1, 2)), shape=(n, n_features))
    of_feature = np.random.default_rng(99).normal(size=n_features)
    return X, (of_feature[ids].sum(axis=1) + rng.normal(size=n) > 0).astype(int)


def make(**params):
    defaults = {"n_factors": 8, "max_iter": 5, "random_state": 0, "early_stopping": False, "dtype": "float16"}
    return FMClassifier(**(defaults | params))


@pytest.fixture(scope="module")
def fitted():
    return make().fit(*rows(2000))


def test_predictions_are_near_those_of_float32(fitted):
    X, _ = rows(500, seed=1)
    exact = make(dtype="float32").fit(*rows(2000))
    np.testing.assert_allclose(fitted.predict_proba(X), exact.predict_proba(X), atol=0.01)
    assert fitted.V_.dtype == np.float32


def test_factors_take_half_the_memory(fitted):
    exact = make(dtype="float32").fit(*rows(2000))
    sizes = [model._scorers[0].tables["V"].nbytes for model in (exact, fitted)]
    assert sizes[0] == 2 * sizes[1]


def test_one_thread_gives_the_same_bits_again(fitted):
    np.testing.assert_array_equal(make().fit(*rows(2000)).V_, fitted.V_)


def test_a_file_is_half_as_large_and_goes_on_as_the_model_would(fitted, tmp_path):
    path = tmp_path / "model.fm"
    save_model(path, fitted)
    X, y = rows(300, seed=2)
    for mmap in (False, True):
        again = load_model(path, mmap=mmap).model
        assert again.dtype == "float16"
        np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
        once, twice = load_model(path).model.partial_fit(X, y), again.partial_fit(X, y)
        np.testing.assert_array_equal(once.V_, twice.V_)
    exact = io.BytesIO()
    save_model(exact, make(dtype="float32", n_factors=64).fit(*rows(2000)))
    save_model(path, make(n_factors=64).fit(*rows(2000)))
    assert path.stat().st_size < 0.65 * len(exact.getvalue())


def test_vectors_give_the_scores(fitted):
    X, _ = rows(50, seed=3)
    left, right = X.copy(), X.copy()
    left.data[1::2] = 0.0
    right.data[::2] = 0.0
    vectors, bias = fitted.user_vectors_and_bias(left)
    scores = bias + np.sum(vectors * fitted.item_vector(right), axis=1)
    np.testing.assert_allclose(scores, fitted.decision_function(X), rtol=1e-4, atol=1e-5)


def test_contributions_add_up_to_the_scores(fitted):
    X, _ = rows(20, seed=3)
    explained = contributions(fitted, X)
    np.testing.assert_allclose(
        np.asarray(explained.values.sum(axis=1)).ravel() + explained.base_value,
        fitted.decision_function(X),
        rtol=1e-4,
        atol=1e-5,
    )


def test_a_growing_model_keeps_its_type():
    model = make().partial_fit(*rows(500), classes=[0, 1])
    before = model.V_.copy()
    model.grow(80)
    np.testing.assert_array_equal(model.V_[:60], before)
    assert (model.V_[60:] == 0).all()
    model.partial_fit(*rows(500, seed=5, n_features=80))
    assert model._scorers[0].dtype == "float16"
    assert np.abs(model.V_[60:]).max() > 0


def test_what_adagrad_remembers_can_decay():
    model = make().partial_fit(*rows(500), classes=[0, 1])
    before = model.V_.copy()
    model.decay_state(0.5)
    np.testing.assert_array_equal(model.V_, before)
    acc = storage.states_of(model._scorers[0].tables["V"])
    assert acc.min() >= 0.5
    assert model.partial_fit(*rows(500)).V_.shape == before.shape


def test_a_batch_with_an_error_changes_nothing():
    model = make().partial_fit(*rows(500), classes=[0, 1])
    before = model.V_.copy()
    X, y = rows(100)
    X.data[:] = 1e30
    with pytest.raises((DivergenceError, ValueError)):
        model.partial_fit(X, y)
    np.testing.assert_array_equal(model.V_, before)


@pytest.mark.parametrize("solver", ["sgd", "ftrl", "adam"])
def test_other_solvers_refuse(solver):
    with pytest.raises(ValueError, match="dtype needs solver=\"adagrad\"; got dtype='float16'"):
        make(solver=solver).fit(*rows(100))


def test_als_refuses():
    with pytest.raises(ValueError, match='dtype needs solver="adagrad"'):
        FMRegressor(solver="als", dtype="float16").fit(*rows(100))


def test_the_softmax_of_classes_refuses():
    with pytest.raises(ValueError, match="dtype='float16' needs multi_class=\"ovr\""):
        make(multi_class="multinomial").fit(*rows(100))


def test_other_types_are_refused():
    with pytest.raises(ValueError, match="dtype of FMClassifier must be one of"):
        make(dtype="bfloat16").fit(*rows(100))


def test_a_model_cannot_change_its_type(fitted):
    X, y = rows(100)
    model = make(warm_start=True).fit(X, y)
    model.set_params(dtype="float32")
    with pytest.raises(ValueError, match="dtype is another now, and the model was trained with 'float16'"):
        model.fit(X, y)


def test_columns_far_from_unit_size_are_refused():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=200), 1e5 * rng.normal(size=200)])
    with pytest.raises(ValueError, match="those of column 1 are of about 1"):
        FMRegressor(dtype="float16", random_state=0).fit(X, X[:, 0])
    FMRegressor(dtype="float16", random_state=0).fit(X / [1, 1e4], X[:, 0])


def test_given_parameters_are_rounded_when_they_are_trained():
    V = np.random.default_rng(0).normal(size=(60, 4)) * 0.01
    model = FMClassifier.from_parameters(0.0, np.zeros(60), V, dtype="float16", random_state=0)
    model.partial_fit(*rows(100))
    assert model._scorers[0].dtype == "float16"


def test_streams_give_the_same_bits_after_a_crash(tmp_path):
    X, y = stream_cases.rows()
    stream = stream_cases.batches(X, y > 0, 100)

    def fit(**settings):
        model = stream_cases.make(dtype="float16")
        return model.fit_stream(stream, classes=[False, True], buffer_rows=200, **settings)

    whole = fit()
    assert whole._scorers[0].dtype == "float16"
    kept = {"checkpoint": tmp_path / "kept.fm", "checkpoint_every": 0}
    with pytest.raises(stream_cases.Crash):
        fit(**kept, progress=stream_cases.crash_after(4))
    stream_cases.assert_same_states(fit(**kept), whole)
