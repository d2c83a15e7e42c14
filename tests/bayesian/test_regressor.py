"""Bayesian regression: accuracy, calibration, units, limits, and what is kept."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import BayesianRidge

import bayesian_cases
from bayesian_cases import FIELDS, NOISE, truth
from fastfm_ext import BayesianFMRegressor, BlockMatrix, DivergenceError, FMRegressor

ratings = bayesian_cases.ratings


@pytest.fixture(scope="module")
def fitted(ratings):
    X, y, _, _ = ratings
    return BayesianFMRegressor(n_factors=4, fields=FIELDS, random_state=0, tol=2e-3).fit(X, y)


def rmse(predicted, y):
    return float(np.sqrt(np.mean((predicted - y) ** 2)))


def test_it_predicts_better_than_gradient_descent(ratings, fitted):
    X, y, X_test, _ = ratings
    descent = FMRegressor(n_factors=4, random_state=0).fit(X, y)
    assert rmse(fitted.predict(X_test), truth(X_test)) < rmse(descent.predict(X_test), truth(X_test))
    assert rmse(fitted.predict(X_test), truth(X_test)) < 0.6 * NOISE


def test_noise_and_intervals_are_calibrated(ratings, fitted):
    _, _, X_test, y_test = ratings
    assert fitted.noise_ == pytest.approx(NOISE, rel=0.1)
    low, high = fitted.predict_interval(X_test, level=0.8).T
    assert np.mean((low <= y_test) & (y_test <= high)) == pytest.approx(0.8, abs=0.06)
    std = fitted.predict_std(X_test, of="mean")
    error = np.abs(fitted.predict(X_test) - truth(X_test))
    assert np.mean(error < 2 * std) > 0.85
    assert error[std > np.quantile(std, 0.8)].mean() > 1.3 * error[std < np.quantile(std, 0.2)].mean()


def test_std_of_an_observation_is_that_of_the_mean_and_the_noise(ratings, fitted):
    X_test = ratings[2]
    mean, std = fitted.predict(X_test, return_std=True)
    np.testing.assert_array_equal(mean, fitted.predict(X_test))
    np.testing.assert_array_equal(std, fitted.predict_std(X_test))
    np.testing.assert_allclose(std**2, fitted.predict_std(X_test, of="mean") ** 2 + fitted.noise_**2)


def test_sampled_predictions_have_the_mean_and_the_std(ratings, fitted):
    X_test = ratings[2][:50]
    sampled = fitted.sample_predictions(X_test, fitted.n_samples_, random_state=0)
    assert sampled.shape == (50, fitted.n_samples_)
    np.testing.assert_allclose(sampled.mean(axis=1), fitted.predict(X_test), atol=1e-4)
    np.testing.assert_allclose(sampled.std(axis=1), fitted.predict_std(X_test, of="mean"), rtol=1e-6)
    observed = fitted.sample_predictions(X_test, 4000, of="observation", random_state=0)
    np.testing.assert_allclose(observed.std(axis=1), fitted.predict_std(X_test), rtol=0.1)


def test_a_linear_model_has_the_posterior_of_bayesian_ridge():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3))
    y = X @ [1.0, -2.0, 0.5] + rng.normal(size=400)
    model = BayesianFMRegressor(n_factors=0, random_state=0, tol=1e-5, n_samples=200).fit(X, y)
    ridge = BayesianRidge().fit(X, y)
    np.testing.assert_allclose(model.w_, ridge.coef_, atol=0.02)
    mean, std = model.predict(X[:20], return_std=True)
    ridge_mean, ridge_std = ridge.predict(X[:20], return_std=True)
    np.testing.assert_allclose(mean, ridge_mean, atol=0.04)
    np.testing.assert_allclose(std, ridge_std, rtol=0.05)


@pytest.mark.parametrize(("factor", "shift"), [(1000.0, 0.0), (1e-3, 5e3)])
def test_the_unit_of_the_target_does_not_matter(ratings, factor, shift):
    X, y, X_test, _ = ratings
    models = [
        BayesianFMRegressor(n_factors=2, max_sweeps=60, random_state=0).fit(X, target)
        for target in (y, factor * y + shift)
    ]
    before, after = (model.predict(X_test, return_std=True) for model in models)
    np.testing.assert_allclose((after[0] - shift) / factor, before[0], atol=0.02)
    np.testing.assert_allclose(after[1] / factor, before[1], rtol=0.02)


def test_unit_and_zero_of_a_numeric_feature_do_not_matter():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = X[:, 0] * X[:, 1] + X[:, 2] + 0.1 * rng.normal(size=300)
    moved = X * [1024.0, 1.0, 2.0**-12] + [5e6, 0.0, 0.0]
    first, second = (
        BayesianFMRegressor(n_factors=2, max_sweeps=300, random_state=0).fit(values, y) for values in (X, moved)
    )
    assert rmse(second.predict(moved), y) == pytest.approx(rmse(first.predict(X), y), rel=0.25)
    w, V = second.w_.astype(float), second.V_.astype(float)
    assert second.V_[0, 0] != 0
    formula = second.w0_ + moved @ w + 0.5 * ((moved @ V) ** 2 - moved**2 @ V**2).sum(axis=1)
    distilled = BayesianFMRegressor(n_factors=2, max_sweeps=300, random_state=0, keep="distilled").fit(moved, y)
    np.testing.assert_allclose(distilled.predict(moved), formula, atol=0.05)
    assert rmse(formula, second.predict(moved)) < 0.1


def test_noise_in_many_numeric_columns_is_not_learned():
    rng = np.random.default_rng(0)
    X, X_test, y = rng.normal(size=(100, 20)), rng.normal(size=(500, 20)), rng.normal(size=100)
    model = BayesianFMRegressor(random_state=0, max_sweeps=200).fit(X, y)
    # With the prior of ids for each of twenty columns it would be 1.5.
    assert rmse(model.predict(X_test), 0.0) < 0.8


def test_numeric_columns_share_a_prior_and_fields_have_one_each(ratings):
    X, y, _, _ = ratings
    numbers = np.random.default_rng(0).normal(size=(1200, 3))
    X = sp.hstack([X, numbers], format="csr")
    model = BayesianFMRegressor(n_factors=2, max_sweeps=20, random_state=0).fit(X, y)
    assert model.hyperparameters_["mu_w"].shape == (3,)
    gamma = BayesianFMRegressor(n_factors=2, max_sweeps=20, random_state=0, prior="normal-gamma").fit(X, y)
    precision = gamma.hyperparameters_["lambda_V"]
    np.testing.assert_array_equal(precision, precision * np.eye(2))
    assert model.hyperparameters_["lambda_V"][0, 0, 1] != 0


def test_weights_count_rows(ratings):
    X, y, X_test, _ = ratings
    twice = np.repeat(np.arange(1200), 2)
    settings = {"n_factors": 2, "max_sweeps": 300, "tol": 0.0, "random_state": 0, "fields": FIELDS}
    repeated = BayesianFMRegressor(**settings).fit(X[twice], y[twice])
    weighted = BayesianFMRegressor(**settings).fit(X, y, sample_weight=np.full(1200, 2.0))
    once = BayesianFMRegressor(**settings).fit(X, y)
    of_repeated, of_weighted, of_once = (
        model.predict_std(X_test, of="mean").mean() for model in (repeated, weighted, once)
    )
    assert of_weighted == pytest.approx(of_repeated, rel=0.1)
    assert of_once > 1.1 * of_weighted
    assert rmse(weighted.predict(X_test), repeated.predict(X_test)) < 0.05


def test_rows_of_weight_0_are_left_out(ratings):
    X, y, X_test, _ = ratings
    weight = np.r_[np.ones(400), np.zeros(800)]
    first = BayesianFMRegressor(n_factors=2, max_sweeps=40, random_state=0).fit(X, y, sample_weight=weight)
    second = BayesianFMRegressor(n_factors=2, max_sweeps=40, random_state=0).fit(X[:400], y[:400])
    np.testing.assert_allclose(first.predict(X_test), second.predict(X_test), rtol=1e-5)


def test_predictions_are_clipped_on_request(ratings):
    X, y, X_test, _ = ratings
    stars = y.round().clip(1, 5)
    model = BayesianFMRegressor(n_factors=2, max_sweeps=40, random_state=0, clip_predictions=True).fit(X, stars)
    np.testing.assert_array_equal(model.target_range_, [1, 5])
    predicted, (low, high) = model.predict(X_test), model.predict_interval(X_test).T
    for values in (predicted, low, high):
        assert values.min() >= 1
        assert values.max() <= 5
    assert model.set_params(clip_predictions=False).predict_interval(X_test).max() > 5


# --- sweeps --------------------------------------------------------------------------------------------------------


def test_sampling_ends_by_the_rule_and_tells_of_it(fitted):
    assert fitted.is_exact_
    assert fitted.mc_error_ <= 2e-3
    assert 16 <= fitted.burn_in_ < fitted.n_sweeps_ < 2000
    assert fitted.r_hat_ < 1.3
    assert fitted.autocorrelation_[0] == 1
    assert {name: len(values) for name, values in fitted.history_.items()} == dict.fromkeys(
        ("noise", "spread", "seconds"), fitted.n_sweeps_
    )
    assert np.mean(fitted.history_["noise"][fitted.burn_in_ :]) == pytest.approx(fitted.noise_, rel=0.01)
    assert fitted.hyperparameters_["mu_V"].shape == (2, 4)
    assert fitted.hyperparameters_["lambda_w"].shape == (2,)


def test_a_smaller_tolerance_takes_more_sweeps_and_makes_seeds_agree(ratings):
    X, y, X_test, _ = ratings
    apart, sweeps = [], []
    for tol in (5e-3, 5e-4):
        models = [
            BayesianFMRegressor(n_factors=2, tol=tol, random_state=seed, fields=FIELDS).fit(X, y) for seed in (0, 1)
        ]
        apart.append(rmse(*(model.predict(X_test) for model in models)))
        sweeps.append(models[0].n_sweeps_)
    assert sweeps[1] > 2 * sweeps[0]
    assert apart[1] < 0.7 * apart[0]


def test_max_sweeps_warns_and_max_seconds_ends(ratings):
    X, y, _, _ = ratings
    with pytest.warns(ConvergenceWarning, match=r"max_sweeps=30 .* more than tol=0"):
        model = BayesianFMRegressor(n_factors=2, max_sweeps=30, tol=0.0).fit(X, y)
    assert (model.n_sweeps_, model.is_exact_) == (30, False)
    assert model.burn_in_ <= 15
    assert BayesianFMRegressor(n_factors=2, tol=0.0, max_seconds=1e-9).fit(X, y).n_sweeps_ == 1


@pytest.mark.parametrize("burn_in", [0, 7])
def test_burn_in_by_a_number(ratings, burn_in):
    X, y, _, _ = ratings
    model = BayesianFMRegressor(n_factors=2, max_sweeps=20, burn_in=burn_in, n_samples=50).fit(X, y)
    assert (model.burn_in_, model.n_samples_) == (burn_in, 20 - burn_in)


def test_the_same_seed_gives_the_same_model_for_any_number_of_threads(ratings):
    X, y, X_test, _ = ratings
    first, second, other = (
        BayesianFMRegressor(n_factors=3, max_sweeps=30, random_state=seed, n_jobs=n_jobs).fit(X, y)
        for seed, n_jobs in ((0, 1), (0, 2), (1, 1))
    )
    np.testing.assert_array_equal(first.predict(X_test), second.predict(X_test))
    np.testing.assert_array_equal(first.V_, second.V_)
    assert (first.predict(X_test) != other.predict(X_test)).any()


def test_warm_start_makes_more_sweeps_of_the_same_chain(ratings):
    X, y, X_test, _ = ratings
    settings = {"n_factors": 2, "burn_in": 10, "tol": 0.0, "random_state": 0}
    warm = BayesianFMRegressor(max_sweeps=30, warm_start=True, **settings).fit(X, y).fit(X, y)
    whole = BayesianFMRegressor(max_sweeps=60, **settings).fit(X, y)
    assert (warm.n_sweeps_, warm.burn_in_) == (60, 10)
    np.testing.assert_array_equal(warm.predict(X_test), whole.predict(X_test))
    with pytest.raises(ValueError, match="rows are not those of the last fit"):
        warm.fit(X[:-1], y[:-1])
    assert warm.n_sweeps_ == 60


# --- what is kept --------------------------------------------------------------------------------------------------


def test_the_mean_alone_is_nearly_as_good_and_knows_the_noise_only(ratings, fitted):
    X, y, X_test, y_test = ratings
    model = BayesianFMRegressor(n_factors=4, fields=FIELDS, random_state=0, tol=2e-3, keep="mean").fit(X, y)
    assert model.n_samples_ == 0
    assert rmse(model.predict(X_test), y_test) < 1.02 * rmse(fitted.predict(X_test), y_test)
    np.testing.assert_array_equal(model.V_, fitted._means[0].V)
    assert model.noise_ == fitted.noise_
    for use in (
        lambda: model.predict(X_test, return_std=True),
        lambda: model.predict_std(X_test),
        lambda: model.predict_interval(X_test),
        lambda: model.sample_predictions(X_test),
    ):
        with pytest.raises(ValueError, match="keep='mean' keeps no draws"):
            use()


def test_number_of_draws_is_bounded(ratings):
    X, y, X_test, _ = ratings
    few = BayesianFMRegressor(n_factors=2, max_sweeps=100, tol=0.0, n_samples=5, random_state=0).fit(X, y)
    many = BayesianFMRegressor(n_factors=2, max_sweeps=100, tol=0.0, random_state=0).fit(X, y)
    assert few.n_samples_ == 5
    assert many.n_samples_ == min(200, 100 - many.burn_in_)
    np.testing.assert_array_equal(few._means[0].w, many._means[0].w)  # the mean is of all sweeps
    # What few draws leave to chance is shrunk.
    assert rmse(few.predict(X_test), many.predict(X_test)) < 0.1


def test_a_target_that_is_constant_is_predicted():
    model = BayesianFMRegressor(n_factors=2, max_sweeps=40, random_state=0).fit(np.eye(20), np.full(20, 7.0))
    np.testing.assert_allclose(model.predict(np.eye(20)), 7.0, atol=0.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prior": "flat"}, "prior of BayesianFMRegressor must be one of"),
        ({"keep": "all"}, "keep of BayesianFMRegressor must be one of"),
        ({"max_sweeps": 0}, "max_sweeps of BayesianFMRegressor must be an integer of at least 1"),
        ({"max_seconds": 0}, "max_seconds of BayesianFMRegressor must be a finite number above 0"),
        ({"burn_in": "some"}, 'burn_in of BayesianFMRegressor must be "auto" or an integer of at least 0'),
        ({"burn_in": 20, "max_sweeps": 20}, "burn_in of BayesianFMRegressor must be less than max_sweeps=20; got 20"),
        ({"n_samples": 1}, 'n_samples of BayesianFMRegressor must be "auto" or an integer of at least 2'),
        ({"fields": [0, 1]}, r"fields must hold an integer for each of the 70 features; got .* shape \(2,\)"),
        ({"fields": np.zeros(70)}, "fields must hold an integer for each of the 70 features"),
    ],
)
def test_an_invalid_hyperparameter_is_named(ratings, settings, message):
    with pytest.raises(ValueError, match=message):
        BayesianFMRegressor(**settings).fit(*ratings[:2])


def test_invalid_arguments_of_predictions_are_named(ratings, fitted):
    X_test = ratings[2]
    for use, message in (
        (lambda: fitted.predict_std(X_test, of="noise"), "of must be one of"),
        (lambda: fitted.predict_interval(X_test, level=1), "level must be between 0 and 1"),
        (lambda: fitted.sample_predictions(X_test, 0), "n must be an integer of at least 1"),
        (lambda: fitted.predict(X_test[:, :5]), "X has 5 features"),
    ):
        with pytest.raises(ValueError, match=message):
            use()


# --- values far from 0 -----------------------------------------------------------------------------------------------


def test_parameters_that_are_not_finite_are_an_error_that_says_what_to_do():
    X = np.random.default_rng(0).normal(size=(60, 2))
    X[3] = 1e18
    blocks = BlockMatrix([sp.csr_array(X[:, :1]), sp.csr_array(X[:, 1:])])
    with pytest.raises(DivergenceError, match=r"sweep \d+.*bring the columns of X to about unit size") as caught:
        BayesianFMRegressor(2, random_state=0).fit(blocks, np.arange(60.0))
    assert caught.value.epoch >= 1
