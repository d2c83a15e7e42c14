"""L2 that differs from feature to feature: by frequency, and learned on rows that are held out."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from fastfm_ext import FMClassifier, FMEncoder, FMRegressor, _engine
from fastfm_ext._engine.contributions import GroupSums
from fastfm_ext._engine.models import Fields
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.held_out import HeldOutSamples
from fastfm_ext._learning.l2 import (
    FARTHEST,
    AdaptiveL2,
    counts_of,
    derivatives,
    groups_of,
    sample_of,
    scale_by_counts,
    slopes_of,
)
from fastfm_ext._learning.losses import HUBER, LOGISTIC, MULTINOMIAL, SQUARED
from fastfm_ext._learning.mean_loss import mean_loss
from fastfm_ext._learning.samples import Samples
from fastfm_ext._validation.matrices import canonical_csr
from field_aware_cases import FIELD_AWARE, REGRESSORS
from field_contribution_cases import GROUP_OF, MODELS, as_csr, random_parameters, random_rows
from kernel_cases import make_options

# --- by frequency ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [0.0, 0.3, 1.0])
def test_l2_of_all_visits_is_the_same_for_every_exponent(exponent):
    counts = np.array([1.0, 10.0, 0.0, 500.0, 2.5])
    scale = scale_by_counts(counts, exponent)
    assert counts @ scale == pytest.approx(counts.sum(), rel=1e-6)
    paid = (counts * scale)[[0, 3]]
    assert paid[1] / paid[0] == pytest.approx(500.0**exponent, rel=1e-5)
    assert np.isfinite(scale).all()


def test_no_visits_are_no_division_by_zero():
    np.testing.assert_array_equal(scale_by_counts(np.zeros(3), 0.5), np.ones(3))


def test_visits_count_by_their_weights():
    X = canonical_csr(sp.csr_array(np.array([[1, 2, 0], [0, 3, 0], [4, 0, 0]], dtype=np.float32)))
    samples = Samples(X, np.zeros((1, 3), dtype=np.float32), np.array([1.0, 2.0, 4.0], dtype=np.float32))
    np.testing.assert_array_equal(counts_of(samples, np.array([0, 1])), [1.0, 3.0, 0.0])


def ids_of_unlike_frequency():
    """Return rows of one of two features, of 2,000 and of 50 rows, that move the target as much as each other."""
    rare = np.arange(2_050) % 41 == 0
    X = sp.csr_array(np.stack([~rare, rare, np.ones(2_050)], axis=1))
    return X, np.where(rare, -1.0, 1.0)


@pytest.mark.parametrize("solver", ["sgd", "adagrad", "adam"])
def test_a_lower_exponent_shrinks_rare_features_more(solver):
    X, y = ids_of_unlike_frequency()
    weights = []
    for exponent in (1.0, 0.0):
        model = FMRegressor(0, solver=solver, l2_w=0.1, l2_exponent=exponent, early_stopping=False, random_state=0)
        weights.append(np.abs(model.set_params(learning_rate=0.05, max_iter=30).fit(X, y).w_))
    assert weights[1][1] < 0.6 * weights[0][1]
    assert weights[1][0] > 0.9 * weights[0][0]


def test_an_exponent_of_one_is_the_default():
    X, y = ids_of_unlike_frequency()
    models = [FMRegressor(4, random_state=0, **params).fit(X, y) for params in ({}, {"l2_exponent": 1})]
    np.testing.assert_array_equal(models[0].V_, models[1].V_)


def test_rare_features_of_much_l2_leave_the_step_size_to_the_others():
    options = make_options(learning_rate_w=0.1, learning_rate_V=0.1, l2_w=1.0, l2_V=2.0)
    bounded, scale = options.bounding(np.array([1.0, 1000.0], dtype=np.float32))
    np.testing.assert_allclose(scale, [1.0, 5.0], rtol=1e-6)
    assert bounded.w.learning_rate == pytest.approx(0.1)
    assert bounded.V.learning_rate == pytest.approx(0.1)


# --- by held-out rows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [SQUARED, LOGISTIC, HUBER], ids=lambda loss: loss.name)
def test_derivatives_are_those_of_the_loss(loss):
    p, y = np.array([[-2.0, 0.3, 4.0]]), np.array([[1.0, 0.0, 1.0]], dtype=np.float32)
    residual = {"squared": p - y, "huber": np.clip(p - y, -0.7, 0.7), "logistic": 1 / (1 + np.exp(-p)) - y}[loss.name]
    np.testing.assert_allclose(derivatives(loss, y, p, 0.7), residual, rtol=1e-5)


def test_derivatives_of_a_softmax_are_those_of_all_its_scores():
    p, y = np.random.default_rng(0).normal(size=(3, 5)), np.eye(3, dtype=np.float32)[:, [0, 2, 1, 1, 0]]
    share = np.exp(p) / np.exp(p).sum(axis=0)
    np.testing.assert_allclose(derivatives(MULTINOMIAL, y, p, 1.0), share - y, rtol=1e-4, atol=1e-6)


def held_out_rows(rng, n_rows=40, n_features=6, offset=0.5):
    X = canonical_csr(sp.csr_array(rng.normal(size=(n_rows, n_features)).astype(np.float32)))
    samples = Samples(X, rng.normal(size=(1, n_rows)).astype(np.float32), rng.random(n_rows).astype(np.float32))
    params = Parameters.initialise(n_features, 3, make_options(init_stdev=0.5), 0.2, rng)
    params.w[...] = rng.normal(size=n_features)
    return HeldOutSamples(samples, SQUARED, 1.0, offset), params


def test_slopes_are_those_of_the_loss_by_what_a_group_adds():
    held_out, params = held_out_rows(np.random.default_rng(0))
    params.V[...] = 0.0
    group_of = np.array([0, 1, 1, 0, 2, 2], dtype=np.int32)
    slopes = slopes_of(held_out, [params], GroupSums(group_of, 3), 1)
    h, losses = 1e-2, []
    for factor in (1 + h, 1 - h):
        moved = params.copy()
        moved.w[group_of == 1] *= factor
        losses.append(mean_loss([moved], held_out.samples, SQUARED, 1.0, 1, held_out.offset))
    expected = (losses[0] - losses[1]) / (2 * h) * held_out.samples.sample_weight.sum()
    assert slopes.shape == (40, 3)
    assert slopes[:, 1].sum() == pytest.approx(expected, rel=1e-3)


def test_scores_for_slopes_are_those_of_prediction():
    held_out, params = held_out_rows(np.random.default_rng(1))
    one = slopes_of(held_out, [params], GroupSums(np.zeros(6, dtype=np.int32), 1), 1)[:, 0]
    p = _engine.predict(held_out.samples.X, params)
    gradient = (p + 0.5 - held_out.samples.targets[0]) * held_out.samples.sample_weight
    np.testing.assert_allclose(one, gradient * (p - params.w0), rtol=1e-3, atol=1e-4)


def test_factors_follow_the_slopes_and_stay_within_bounds():
    adaptive = AdaptiveL2(np.array([0, 1, 2, 1], dtype=np.int32))
    np.testing.assert_array_equal(adaptive.scale(1), np.ones(4))
    for epoch in range(2, 60):
        adaptive.learn(np.array([[1.0, -1.0, 0.5], [1.0, -1.0, -0.5]] * 50))
        scale = adaptive.scale(epoch)
    np.testing.assert_allclose(np.log(scale), [FARTHEST, -FARTHEST, 0.0, -FARTHEST], atol=1e-9)


def test_epochs_keep_their_factors_for_the_refit():
    adaptive = AdaptiveL2(np.zeros(1, dtype=np.int32))
    first = [adaptive.scale(epoch)[0] for epoch in (1, 2) if adaptive.learn(np.ones((9, 1))) is None]
    assert first[1] > first[0] == 1.0
    assert [adaptive.scale(epoch)[0] for epoch in (1, 2)] == first


def test_slopes_are_measured_on_some_of_many_rows():
    held_out, _ = held_out_rows(np.random.default_rng(0), n_rows=2_000)
    some = sample_of(held_out, n_groups=1 << 10)
    assert some.samples.X.n_rows == 256
    assert sample_of(held_out, n_groups=3) is held_out


def rows_of_a_machine(n_rows=12_000):
    """Return rows of a factorization machine with 10 % noise, and of a field that plays no part."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 20, (n_rows, 3)) + np.array([0, 20, 40])
    w, V = rng.normal(size=60), rng.normal(size=(60, 2))
    w[40:], V[40:] = 0.0, 0.0
    S = V[ids].sum(axis=1)
    p = w[ids].sum(axis=1) + 0.5 * (S**2 - (V[ids] ** 2).sum(axis=1)).sum(axis=1)
    X = sp.csr_array((np.ones(ids.size), ids.ravel(), np.arange(0, ids.size + 1, 3)), (n_rows, 60))
    return X, p + 0.1 * p.std() * rng.normal(size=n_rows), p


@pytest.mark.parametrize("solver", ["sgd", "adagrad", "adam"])
def test_learned_l2_finds_what_the_default_is_too_strong_for(solver):
    X, y, p = rows_of_a_machine()
    X.fields = np.repeat([3, 1, 2], 20)
    lacks = []
    for adaptive in (False, True):
        model = FMRegressor(4, solver=solver, l2_w=0.05, l2_V=0.05, adaptive_l2=adaptive, random_state=0).fit(X, y)
        lacks.append(np.mean((model.predict(X) - p) ** 2) / p.var())
    assert lacks[1] < 0.3 * lacks[0]


def test_a_field_without_effect_is_given_more_l2_than_the_others():
    X, y, _ = rows_of_a_machine()
    sizes = []
    for fields in (np.zeros(60, dtype=int), np.repeat([0, 1, 2], 20)):
        X.fields = fields
        model = FMRegressor(4, adaptive_l2=True, random_state=0).fit(X, y)
        sizes.append(np.abs(model.w_[40:]).mean())
    assert sizes[1] < 0.85 * sizes[0]


def test_fields_come_with_the_rows_of_an_encoder():
    rows = pd.DataFrame({"user": ["a", "b", "a"], "film": ["x", "x", "y"]})
    encoder = FMEncoder(user=["user"], item=["film"])
    X = encoder.fit_transform(rows)
    np.testing.assert_array_equal(groups_of(X, X.shape[1]), encoder.fields_)
    np.testing.assert_array_equal(groups_of(X.toarray(), 4), np.zeros(4))
    np.testing.assert_array_equal(groups_of(pd.DataFrame({"fields": [0, 1]}), 2), np.zeros(2))


@pytest.mark.parametrize("multi_class", ["ovr", "multinomial"])
def test_classes_share_the_learned_l2(multi_class):
    X, y, _ = rows_of_a_machine(3_000)
    labels = np.digitize(y, [-1.0, 1.0])
    losses = []
    for adaptive in (False, True):
        model = FMClassifier(4, multi_class=multi_class, l2_w=1.0, l2_V=1.0, adaptive_l2=adaptive, random_state=0)
        model.fit(X[:2_000], labels[:2_000], X_val=X[2_000:], y_val=labels[2_000:])
        losses.append(min(model.history_["val_loss"]))
    assert losses[1] < 0.8 * losses[0]


def test_a_fit_with_learned_l2_is_reproducible():
    X, y, _ = rows_of_a_machine(1_000)
    models = [FMRegressor(4, adaptive_l2=True, random_state=3).fit(X, y) for _ in range(2)]
    np.testing.assert_array_equal(models[0].V_, models[1].V_)


# --- where there is none ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("params", [{"early_stopping": False}, {"early_stopping": "auto"}])
def test_learned_l2_without_rows_to_learn_from_is_refused(params):
    X, y = np.eye(10), np.arange(10.0)
    with pytest.raises(ValueError, match="adaptive_l2=True learns from rows that are held out, and there are none"):
        FMRegressor(adaptive_l2=True, **params).fit(X, y)


@pytest.mark.parametrize("cls", [FMRegressor, *FIELD_AWARE])
def test_learned_l2_is_refused_where_no_rows_are_held_out(cls):
    X, y = np.eye(10), np.arange(10) % 2
    with pytest.raises(ValueError, match=r"^adaptive_l2=True learns from rows that fit holds out"):
        cls(adaptive_l2=True).partial_fit(X, y)
    with pytest.raises(ValueError, match=r"^adaptive_l2=True learns from rows that fit holds out"):
        cls(adaptive_l2=True).fit_stream([(X, y)], validation=(X, y))


@pytest.mark.parametrize("value", [-0.1, 1.1, None, "auto"])
def test_exponents_outside_of_their_range_are_refused(value):
    with pytest.raises(ValueError, match="l2_exponent of FMRegressor must be a number from 0 to 1"):
        FMRegressor(l2_exponent=value).fit(np.eye(3), np.arange(3.0))


# --- models with fields ----------------------------------------------------------------------------------------------


def field_aware_regressor(cls, *args, **params):
    return cls(*args, fields=np.repeat([3, 1, 2], 20), random_state=0, **params)


@pytest.mark.parametrize("solver", ["sgd", "adagrad", "adam"])
@pytest.mark.parametrize("cls", REGRESSORS)
def test_a_lower_exponent_shrinks_rare_features_of_models_with_fields_more(cls, solver):
    X, y = ids_of_unlike_frequency()
    weights = []
    for exponent in (1.0, 0.0):
        model = cls(0, fields=[0, 0, 1], solver=solver, l2_w=0.1, l2_exponent=exponent, early_stopping=False)
        model.set_params(learning_rate=0.05, max_iter=30, random_state=0).fit(X, y)
        weights.append(np.abs(model.w_))
    assert weights[1][1] < 0.6 * weights[0][1]
    assert weights[1][0] > 0.9 * weights[0][0]


@pytest.mark.parametrize("cls", REGRESSORS)
def test_the_factors_of_models_with_fields_pay_by_frequency_too(cls):
    X, y, _ = rows_of_a_machine(3_000)
    rows = np.concatenate([np.arange(3_000), np.flatnonzero(X[:, [0]].toarray()[:, 0]).repeat(20)])
    sizes = []
    for exponent in (1.0, 0.0):
        model = field_aware_regressor(cls, 4, l2_exponent=exponent, l2_V=0.3, early_stopping=False, max_iter=15)
        V = model.fit(X[rows], y[rows]).V_.reshape(60, -1)[:20]
        sizes.append(np.linalg.norm(V[0]) / np.linalg.norm(V[1:]))
    assert sizes[1] > 1.2 * sizes[0]


@pytest.mark.parametrize("name", MODELS)
def test_slopes_of_models_with_fields_are_those_of_the_loss(name):
    rng = np.random.default_rng(0)
    params, rows = random_parameters(rng, name, 3), random_rows(rng, 40)
    samples = Samples(as_csr(rows), rng.normal(size=(1, 40)).astype(np.float32), None)
    held_out = HeldOutSamples(samples, SQUARED, 1.0, 0.5)
    of_all = slopes_of(held_out, [params], GroupSums(np.zeros(len(GROUP_OF), dtype=np.int32), 1), 1)[:, 0]
    p = _engine.predict(samples.X, params)
    np.testing.assert_allclose(of_all, (p + 0.5 - samples.targets[0]) * (p - params.w0), rtol=1e-3, atol=1e-3)
    by_group = slopes_of(held_out, [params], GroupSums(GROUP_OF, 4), 1)
    np.testing.assert_allclose(by_group.sum(axis=1), of_all, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("cls", REGRESSORS)
def test_models_with_fields_learn_the_l2_of_their_fields(cls):
    X, y, p = rows_of_a_machine()
    lacks = []
    for adaptive in (False, True):
        model = field_aware_regressor(cls, 4, l2_w=0.05, l2_V=0.05, adaptive_l2=adaptive, max_iter=40).fit(X, y)
        lacks.append(np.mean((model.predict(X) - p) ** 2) / p.var())
    assert lacks[1] < 0.8 * lacks[0]


def test_the_fields_of_a_model_come_before_those_of_its_rows():
    X = sp.csr_array(np.eye(4))
    X.fields = np.array([0, 0, 0, 1])
    fields = np.array([1, 0, 1, 2], dtype=np.int32)
    np.testing.assert_array_equal(groups_of(X, 4, Fields(3, fields)), fields)
    np.testing.assert_array_equal(groups_of(X, 4), X.fields)
