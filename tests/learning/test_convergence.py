"""The warning of a fit that ends at `max_iter` while it still gains."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import ranking_cases
from fastfm_ext import FMClassifier, FMRanker, FMRegressor
from training_cases import ESTIMATORS, make, target_of

events = ranking_cases.events  # pytest finds fixtures among the names of the test's module

pytestmark = pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def easy():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 4))
    return X, X[:, 0] - X[:, 1] + X[:, 2] * X[:, 3]


@pytest.mark.parametrize("max_iter", [1, 2])
@pytest.mark.parametrize("validated", [False, True])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_fit_that_is_cut_short_warns_where_it_was_called(easy, estimator, validated, max_iter):
    X, y = easy[0], target_of(estimator, easy[1])
    watched = "validation loss" if validated else "training loss"
    message = f"ended at max_iter={max_iter} while the {watched} still fell by more than tol=0.0001 an epoch. Raise max"
    model = make(estimator, max_iter=max_iter, early_stopping=validated)
    with pytest.warns(ConvergenceWarning, match=message) as caught:
        model.fit(X, y)
    assert caught[0].filename == __file__
    assert model.n_iter_ == max_iter


def test_a_ranker_that_is_cut_short_warns(events):
    with pytest.warns(ConvergenceWarning, match="max_iter=2 while the training loss still fell"):
        FMRanker(4, similarity="dot", max_iter=2, early_stopping=False, random_state=0).fit(*events)
    with pytest.warns(ConvergenceWarning, match="max_iter=1 while the validation metric still rose"):
        FMRanker(4, similarity="dot", max_iter=1, early_stopping=True, random_state=0).fit(*events)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_fit_that_stops_by_itself_does_not_warn(easy, estimator):
    X, y = easy[0], target_of(estimator, easy[1])
    model = make(estimator, max_iter=1000, tol=0.01).fit(X, y)
    assert model.n_iter_ < 1000


def test_a_fit_that_gains_nothing_any_more_does_not_warn_even_if_max_iter_ends_it(easy):
    X, y = easy
    model = make(FMRegressor, max_iter=1000, tol=0.01, n_iter_no_change=5).fit(X, y)
    make(FMRegressor, max_iter=model.n_iter_ - 1, tol=0.01, n_iter_no_change=5).fit(X, y)
    make(FMRegressor, max_iter=model.n_iter_, tol=0.01, n_iter_no_change=5).fit(X, y)


def test_patience_of_one_epoch_is_enough_to_have_stopped(easy):
    X, y = easy
    n = make(FMRegressor, max_iter=1000, tol=0.01, n_iter_no_change=1).fit(X, y).n_iter_
    make(FMRegressor, max_iter=n, tol=0.01, n_iter_no_change=1).fit(X, y)


def test_training_on_batches_does_not_warn(easy):
    X, y = easy
    make(FMRegressor).partial_fit(X, y)
    make(FMRegressor).fit_stream([(X, y)], 2)
    make(FMClassifier).fit_stream([(X, y > 0)], 2, validation=(X, y > 0))


def test_a_fit_that_a_callback_ends_does_not_warn(easy):
    X, y = easy
    make(FMRegressor, max_iter=5).fit(X, y, callback=lambda progress: progress.epoch == 2)


def test_the_model_is_fitted_though_the_warning_is_an_error(easy):
    X, y = easy
    model = make(FMRegressor, max_iter=2)
    with pytest.raises(ConvergenceWarning):
        model.fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        twin = make(FMRegressor, max_iter=2).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), twin.predict(X))
