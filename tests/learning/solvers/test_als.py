"""Alternating least squares: the kernels against the reference, and the estimator that trains by it."""

import io
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import Ridge

from fastfm_ext import DivergenceError, FMClassifier, FMRegressor, load_model, save_model
from fastfm_ext._engine import blocks, sweep
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._engine.sweep import DrawOptions, NormalPrior
from fastfm_ext._learning.block_model import BlockModel
from fastfm_ext._learning.divergence import Guard
from fastfm_ext._learning.loop import Schedule
from fastfm_ext._learning.problem import Problem
from fastfm_ext._learning.samples import Samples
from fastfm_ext._learning.solvers.als import ALS
from fastfm_ext._learning.solvers.sweeps import l2_of_factors
from fastfm_ext._reference.als import Als
from fastfm_ext._validation.matrices import canonical_csr
from training_cases import assert_same_model

TOLERANCE = {"rtol": 2e-4, "atol": 2e-4}


def csr(X):
    return canonical_csr(sp.csr_array(X, dtype=np.float32))


def ratings(n=600, n_users=20, n_films=15):
    """One-hot users and films, and a target of which their factors explain the most."""
    rng = np.random.default_rng(0)
    users, films = rng.integers(0, n_users, n), rng.integers(0, n_films, n)
    taste, kind = rng.normal(size=(n_users, 2)), rng.normal(size=(n_films, 2))
    y = 3.0 + taste[users, 0] + (taste[users] * kind[films]).sum(axis=1) + 0.3 * rng.normal(size=n)
    X = sp.csr_array(np.hstack([np.eye(n_users)[users], np.eye(n_films)[films]]).astype(np.float32))
    return X, y


def dense(n=60, d=6):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.7)
    return sp.csr_array(X.astype(np.float32)), rng.normal(size=n)


def make(**params):
    defaults = {"n_factors": 4, "solver": "als", "max_iter": 6, "l2_w": 1.0, "l2_V": 1.0, "random_state": 0}
    return FMRegressor(**defaults | params)


# --- kernels ---------------------------------------------------------------------------------------------------------


@cache
def swept_reference(load, n, off, k):
    """Sweep the reference three times, once for all instruction sets; return it, its losses, and the problem.

    The parameters of the problem are those to begin with, which are not to be changed.
    """
    X, y = load(n)
    if load is dense and n > 2048:
        X = sp.csr_array(np.where(X.toarray() == 0, 0.5, X.toarray()))
    rng = np.random.default_rng(2)
    weight = rng.integers(1, 4, n).astype(np.float32)
    # Many rows say little of some directions of V: a weak L2 would leave them to rounding.
    l2 = 20.0 if n <= 2048 else 100.0
    options = Options("squared", "als", 0.0, 0.0, l2_w=1.5, l2_V=l2, init_stdev=0.3)
    options = options if off is None else replace(options, **{off: False})
    params = Parameters.initialise(X.shape[1], k, options, 0.3, rng)
    samples = Samples(csr(X), y.astype(np.float32)[None], weight)
    schedule = Schedule(max_iter=3, n_iter_no_change=3, tol=0.0, n_threads=1)
    problem = Problem(samples, np.arange(n), [params], options, schedule, Guard(1.0, ""), rng)
    l2_V = l2_of_factors(l2, samples.X)
    w, V = params.w.astype(float), params.V.astype(float)
    reference = Als(params.w0, w, V, 1.5, l2_V, n <= 2048, options.fit_intercept, options.fit_linear)
    parts = BlockModel.of(blocks.split(samples.X), None, k).parts
    order = np.concatenate([part.block.features for part in parts])
    rows, weight = X.toarray().astype(float), weight.astype(float)
    losses = [reference.sweep(rows, y, weight, order) / weight.sum() for _ in range(3)]
    return reference, losses, problem


@pytest.mark.parametrize("k", [0, 1, 5, 16, 17, 40])
@pytest.mark.parametrize("off", [None, "fit_intercept", "fit_linear"], ids=str)
@pytest.mark.parametrize(("load", "n"), [(ratings, 600), (dense, 60), (dense, 2100)])
def test_sweeps_follow_the_reference(isa, load, n, off, k):
    """Columns of more than 2048 rows are solved jointly, and shorter ones by coordinates."""
    reference, losses, problem = swept_reference(load, n, off, k)
    params = problem.scorers[0].copy()
    training = ALS.begin(replace(problem, scorers=[params]))
    for epoch, loss in enumerate(losses):
        assert training.run_epoch(epoch) == pytest.approx(loss, rel=1e-3, abs=1e-6)
    np.testing.assert_allclose(params.w0, reference.w0, **TOLERANCE)
    np.testing.assert_allclose(params.w, reference.w, **TOLERANCE)
    assert k == 0 or np.abs(params.V).max() > 0.01  # not all shrunk away
    np.testing.assert_allclose(params.V, reference.V, **TOLERANCE)


@pytest.mark.parametrize("by_coordinate", [False, True])
@pytest.mark.parametrize("fields", [[0, 1, 2, 3], [0, 0, 0, 0]], ids=["columns", "relation"])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_columns_that_are_multiples_of_each_other_stay_finite_without_l2(isa, by_coordinate, fields, size):
    rng = np.random.default_rng(0)
    a = rng.normal(size=50)
    X, y, k = np.stack([a, 2 * a, -3 * a, np.zeros(50)], axis=1) * size, a + a**2, 5
    model = BlockModel.of(blocks.split(csr(X), np.array(fields, dtype=np.int32)), None, k)
    model.set_targets(y)
    model.start(rng, 0.1 / size)
    no_l2 = np.eye(16, dtype=np.float32)
    no_l2[:k] = 0.0
    prior = NormalPrior(no_l2, sweep.zeros(1, 16), np.zeros(1, dtype=np.float32), 0.0)
    how = DrawOptions(1.0, k, fit_linear=True, with_noise=False, by_coordinate=by_coordinate, seed=0)
    for _ in range(4):
        for part in model.parts:
            model.draw(part, [prior] * (1 if part.relation is None else 4), how)
    V, w = model.coefficients()
    assert np.isfinite(V).all()
    assert np.isfinite(w).all()
    assert model.errors().squares < 0.05 * (y @ y)


def test_a_value_that_is_not_finite_is_no_number_behind_a_sweep():
    X, y = dense()
    model = BlockModel.of(blocks.split(csr(X)), None, 3)
    model.start(np.random.default_rng(0), np.inf)
    model.set_targets(y)
    prior = NormalPrior(np.eye(16, dtype=np.float32), sweep.zeros(1, 16), np.zeros(1, dtype=np.float32), 1.0)
    model.draw(model.parts[0], [prior], DrawOptions(1.0, 3, True, with_noise=False, by_coordinate=False, seed=0))
    assert np.isnan(model.parts[0].features.V[0, :3]).all()


# --- the estimator ---------------------------------------------------------------------------------------------------


def test_without_factors_it_is_ridge_regression():
    X, y = dense(300)
    model = make(n_factors=0, l2_w=2.0, max_iter=50, early_stopping=False, tol=0).fit(X, y)
    ridge = Ridge(alpha=2.0).fit(X.toarray(), y)
    scale = model._units.features
    assert not len(scale.columns), "the columns are to be of unit size"
    np.testing.assert_allclose(model.predict(X), ridge.predict(X.toarray()), atol=1e-3)


def test_weights_count_as_repeated_rows():
    X, y = ratings()
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    repeated = np.repeat(np.arange(len(y)), weight)
    settings = {"early_stopping": False, "tol": 0, "max_iter": 3}
    # Weights are relative, so that L2 is, too.
    mean = weight[weight > 0].mean()
    weighted = make(l2_w=1.0, l2_V=1.0, **settings).fit(X, y, weight)
    rows = make(l2_w=mean, l2_V=mean, **settings).fit(X[repeated], y[repeated])
    np.testing.assert_allclose(weighted.predict(X), rows.predict(X), atol=2e-3)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_one_seed_gives_one_model_with_any_number_of_threads(early_stopping):
    X, y = ratings(5000)
    models = [make(early_stopping=early_stopping, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2, 3)]
    for model in models[1:]:
        assert_same_model(model, models[0])
    assert not np.array_equal(make(random_state=1).fit(X, y).V_, models[0].V_)


def test_a_warm_start_goes_on_where_training_stopped():
    X, y = ratings()
    settings = {"early_stopping": False, "tol": 0, "n_iter_no_change": 100}
    at_once = make(max_iter=4, **settings).fit(X, y)
    in_two = make(max_iter=2, warm_start=True, **settings).fit(X, y).fit(X, y)
    assert_same_model(in_two, at_once)


def test_features_keep_what_they_have_where_later_rows_lack_them():
    X, y = ratings()
    model = make(early_stopping=False, warm_start=True).fit(X, y)
    before, first_user = model.V_.copy(), X[:, [0]].toarray().ravel() > 0
    model.fit(X[~first_user], y[~first_user])
    np.testing.assert_array_equal(model.V_[0], before[0])
    assert not np.array_equal(model.V_[1], before[1])


def test_features_that_no_row_has_are_zero():
    X, y = ratings()
    wide = sp.csr_array(sp.hstack([X, sp.csr_array((X.shape[0], 3))]))
    model = make().fit(wide, y)
    assert not model.w_[-3:].any()
    assert not model.V_[-3:].any()
    np.testing.assert_array_equal(model.predict(wide), make().fit(X, y).predict(X))


@pytest.mark.parametrize("refit", [True, False])
def test_early_stopping_and_refit_keep_the_best_epoch(refit):
    X, y = ratings(3000)
    model = make(early_stopping=True, refit=refit, max_iter=30).fit(X, y)
    assert model.best_epoch_ == 1 + int(np.argmin(model.history_["val_loss"]))
    if refit:
        epochs = {"max_iter": model.best_epoch_, "n_iter_no_change": model.best_epoch_}
        assert_same_model(make(early_stopping=False, **epochs).fit(X, y), model)


def test_it_learns_factors_from_few_sweeps():
    X, y = ratings(3000)
    model = make(max_iter=10).fit(X[:2500], y[:2500])
    assert model.score(X[2500:], y[2500:]) > 0.9
    assert make(n_factors=0).fit(X[:2500], y[:2500]).score(X[2500:], y[2500:]) < 0.6


def test_the_loss_of_training_is_that_of_the_model():
    X, y = ratings()
    model = make(early_stopping=False, tol=0).fit(X, y)
    losses = model.history_["train_loss"]
    assert losses[2] < 0.5 * losses[0]
    assert losses[-1] == pytest.approx(np.mean((y - model.predict(X)) ** 2) / 2, rel=1e-4)


def test_a_saved_model_predicts_the_same_and_goes_on():
    X, y = ratings()
    model, file = make(warm_start=True, early_stopping=False).fit(X, y), io.BytesIO()
    save_model(file, model)
    file.seek(0)
    twin = load_model(file).model
    assert_same_model(twin, model)
    assert_same_model(twin.fit(X, y), model.fit(X, y))


@pytest.mark.parametrize("estimator", [FMClassifier, FMRegressor])
def test_other_losses_are_refused_by_name(estimator):
    params, wanted = ({}, "logistic") if estimator is FMClassifier else ({"loss": "huber"}, "huber")
    with pytest.raises(ValueError, match=f'solver="als" has no loss "{wanted}"; "als" has: "squared"'):
        estimator(solver="als", **params).fit(np.eye(4), [0, 1, 0, 1])


@pytest.mark.parametrize("method", ["partial_fit", "fit_stream"])
def test_batches_need_another_solver(method):
    with pytest.raises(AttributeError, match=method) as error:
        getattr(make(), method)
    assert 'solver="als" needs all rows at once' in str(error.value.__cause__)


def test_a_divergence_tells_what_to_try_and_leaves_no_model():
    X, y = dense()
    model = make(early_stopping=False, init_stdev=1e30)
    with pytest.raises(DivergenceError, match=r"diverged in epoch 1.*Try a larger l2_V") as error:
        model.fit(X, y)
    assert error.value.learning_rate is None
    assert not hasattr(model, "V_")


def test_l2_of_factors_grows_with_the_longest_row():
    X = np.ones((30, 20))
    assert l2_of_factors(2.0, csr(X)) == 2.0
    X[3] *= 3.0
    assert l2_of_factors(2.0, csr(X)) == pytest.approx(18.0)
    assert l2_of_factors(2.0, csr(X[:, :5])) == pytest.approx(4.5)


def test_a_row_far_longer_than_others_is_no_reason_for_factors():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 6))
    y = X[:, 0] + 0.5 * rng.normal(size=800)
    X[:3] *= 30.0
    model = make(l2_V=None, max_iter=20).fit(X[:600], y[:600])
    assert model.score(X[600:], y[600:]) > 0.7
