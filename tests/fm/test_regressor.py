"""FMRegressor: predictions within the range of the targets."""

import numpy as np
import pytest

import fastfm_ext
from fastfm_ext import FMRegressor, load_model, save_model


@pytest.fixture(scope="module")
def rows():
    """Ratings of 1 to 5, and rows far from them, whose predictions leave that range on both sides."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    return X, (3 + X[:, 0] + X[:, 1] * X[:, 2]).round().clip(1, 5), 10 * X


def make(**params):
    return FMRegressor(**({"n_factors": 3, "max_iter": 10, "random_state": 0} | params))


def test_clipped_predictions_are_the_others_within_the_range(rows):
    X, y, far = rows
    plain, clipped = make().fit(X, y), make(clip_predictions=True).fit(X, y)
    np.testing.assert_array_equal(clipped.target_range_, [1.0, 5.0])
    assert plain.predict(far).min() < 1
    assert plain.predict(far).max() > 5
    np.testing.assert_array_equal(clipped.predict(far), plain.predict(far).clip(1, 5))
    assert clipped.predict(far).dtype == np.float32
    np.testing.assert_array_equal(clipped.V_, plain.V_)


def test_the_switch_works_on_a_fitted_model(rows):
    X, y, far = rows
    model = make().fit(X, y)
    assert model.set_params(clip_predictions=True).predict(far).max() == 5
    assert model.set_params(clip_predictions=False).predict(far).max() > 5


@pytest.mark.parametrize("warm_start", [False, True])
def test_another_fit_forgets_the_range_unless_it_goes_on(rows, warm_start):
    X, y, _ = rows
    model = make(warm_start=warm_start).fit(X, y).fit(X, y + 10)
    np.testing.assert_array_equal(model.target_range_, [1 if warm_start else 11, 15])


def test_batches_widen_the_range(rows):
    X, y, _ = rows
    model = make().partial_fit(X, y)
    before = model.target_range_
    model.partial_fit(X, y / 2)
    np.testing.assert_array_equal(model.target_range_, [0.5, 5])
    model.partial_fit(X, y * 2)
    np.testing.assert_array_equal(model.target_range_, [0.5, 10])
    np.testing.assert_array_equal(before, [1, 5])


@pytest.mark.parametrize("buffer_rows", [50, 10_000])
@pytest.mark.parametrize("cached", [False, True])
def test_a_stream_widens_the_range_by_its_training_rows_alone(rows, tmp_path, buffer_rows, cached):
    X, y, _ = rows
    stream = [(X[begin : begin + 100], y[begin : begin + 100] + begin / 100) for begin in range(0, 400, 100)]
    cache = tmp_path / "rows" if cached else None
    model = make().fit_stream(stream, 2, validation=(X, y - 50), buffer_rows=buffer_rows, cache=cache)
    np.testing.assert_array_equal(model.target_range_, [1, 8])


def test_rows_of_weight_0_and_validation_rows_play_no_part(rows):
    X, y, _ = rows
    outside = y.copy()
    outside[0] = 100
    weight = np.ones(len(y))
    weight[0] = 0
    model = make().fit(X, outside, weight, X_val=X, y_val=y - 50)
    np.testing.assert_array_equal(model.target_range_, [1, 5])


def test_after_an_error_the_range_is_as_it_was(rows):
    X, y, _ = rows
    model = make().partial_fit(X, y)
    with pytest.raises(ValueError, match="NaN"):
        model.partial_fit(np.where(X > 2, np.nan, X), y * 100)
    model.set_params(learning_rate=1e30)
    with pytest.raises(fastfm_ext.DivergenceError):
        model.partial_fit(3e37 * X, y * 2)
    np.testing.assert_array_equal(model.target_range_, [1, 5])


def test_the_range_is_saved(rows, tmp_path):
    X, y, far = rows
    model = make(clip_predictions=True).fit(X, y)
    save_model(tmp_path / "model.fm", model)
    loaded = load_model(tmp_path / "model.fm").model
    np.testing.assert_array_equal(loaded.target_range_, model.target_range_)
    np.testing.assert_array_equal(loaded.predict(far), model.predict(far))


@pytest.mark.parametrize("limits", [[5.0, 1.0], [1.0], [np.nan, 1.0], [1.0, np.inf], [1, 5]], ids=str)
def test_a_range_that_is_none_is_not_loaded(rows, limits):
    model = make().fit(*rows[:2])
    meta, arrays = model._to_state()
    limits = np.array(limits)
    with pytest.raises(ValueError, match="a range of the targets of"):
        FMRegressor._from_state(meta | {"target_range_dtype": limits.dtype.str}, arrays | {"target_range_": limits})


def test_a_model_saved_without_a_range_says_what_to_do(rows):
    X, y, _ = rows
    meta, arrays = make().fit(X, y)._to_state()
    del arrays["target_range_"]
    model = FMRegressor._from_state(meta, arrays)
    assert model.predict(X).shape == y.shape
    model.partial_fit(X, y)
    with pytest.raises(ValueError, match=r"clip_predictions needs the range of the targets.* Train anew"):
        model.set_params(clip_predictions=True).predict(X)


def test_given_parameters_have_no_range_of_targets_until_they_are_trained(rows):
    X, y, _ = rows
    model = FMRegressor.from_parameters(0.0, np.zeros(4), np.zeros((4, 2)), clip_predictions=True)
    with pytest.raises(ValueError, match=r"clip_predictions needs the range of the targets.* given parameters"):
        model.predict(X)
    predicted = model.partial_fit(X, y).predict(X)
    assert y.min() <= predicted.min() < predicted.max() <= y.max()


@pytest.mark.parametrize("stream", [False, True], ids=["fit", "stream"])
@pytest.mark.parametrize("terms", [{"fit_intercept": False}, {"fit_linear": False}], ids=str)
def test_a_model_without_intercept_or_linear_terms_has_none_of_columns_far_from_zero(terms, stream):
    rng = np.random.default_rng(0)
    X = rng.normal(3.0, 1.0, size=(400, 2))
    y = X[:, 0] if "fit_intercept" in terms else X[:, 0] * X[:, 1]
    model = FMRegressor(n_factors=2, random_state=0, early_stopping=False, max_iter=100, **terms)
    model = model.fit_stream([(X, y)], n_epochs=100) if stream else model.fit(X, y)
    assert model.score(X, y) > 0.95
    assert model.w0_ == 0 if "fit_intercept" in terms else not model.w_.any()
