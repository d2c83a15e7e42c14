"""The compiled kernel against the NumPy reference: same parameters, same rows in the same order."""

from functools import cache

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import _engine
from fastfm_ext._engine import csr as _csr
from fastfm_ext._engine.gradient import HotFeatures, frequent_features
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.losses import SQUARED
from fastfm_ext._learning.solvers.registry import solver_named
from fastfm_ext._native import core
from fastfm_ext._reference import fm
from fastfm_ext._validation.matrices import canonical_csr
from kernel_cases import (
    K_PATHS,
    N_FEATURES,
    N_ROWS,
    ROOT_ERROR,
    TOLERANCE,
    assert_same_parameters,
    loss_tolerance,
    make_options,
    random_rows,
    random_targets,
)
from registries import LOSSES, SOLVERS


def random_parameters(rng, k, options):
    params = Parameters.initialise(N_FEATURES, k, options, intercept=0.3, rng=rng)
    if options.solver != "ftrl":  # whose weights follow from its state
        params.w[...] = rng.normal(size=N_FEATURES)
    return params


def reference_model(params, options, l2_scale=None):
    sizes = [fm.ReferenceSizes(**options_of._asdict()) for options_of in (options.w, options.V)]
    return fm.Fm(
        params.w0,
        params.w.astype(float),
        params.V.astype(float),
        options.loss,
        options.solver,
        *sizes,
        fit_intercept=options.fit_intercept,
        fit_linear=options.fit_linear,
        clip_gradient=options.clip_gradient,
        delta=options.delta,
        l2_scale=l2_scale,
    )


@cache
def trained_reference(options, k, order, density, *, ones, weighted, scaled_l2):
    """Train the reference for three epochs, once for all instruction sets; return it, what the kernel gets, the loss.

    What the kernel gets are rows, targets, weights, the parameters to begin with, which are not to be changed, and what
    L2 is multiplied by.
    """
    rng = np.random.default_rng(0)
    X = random_rows(rng, ones=ones, density=density)
    y = random_targets(rng, options.loss).astype(np.float32).astype(float)
    weight = rng.integers(0, 3, N_ROWS).astype(float) if weighted else None
    params = random_parameters(rng, k, options)
    l2_scale = rng.uniform(0.0, 3.0, N_FEATURES).astype(np.float32) if scaled_l2 else None
    reference = reference_model(params, options, l2_scale)
    csr = canonical_csr(sp.csr_array(X.astype(np.float32)))
    assert (csr.data is None) == ones
    loss = [reference.epoch(X, y, weight, order) for _ in range(3)][-1]
    weight32 = None if weight is None else weight.astype(np.float32)
    return reference, (csr, y.astype(np.float32), weight32, params, l2_scale), loss


def train_both(options, k, *, ones=False, weighted=False, order=None, density=0.4, scaled_l2=False):
    """Train kernel and reference for three epochs; return both models and the losses of the last epoch."""
    reference, given, reference_loss = trained_reference(
        options, k, order, density, ones=ones, weighted=weighted, scaled_l2=scaled_l2
    )
    csr, y, weight, params, l2_scale = given
    params, visited = params.copy(), None if order is None else np.array(order)
    for _ in range(3):
        kernel_loss = _engine.train_epoch(csr, y, weight, visited, params, options, l2_scale=l2_scale)
    return params, reference, kernel_loss, reference_loss


@pytest.mark.parametrize("ones", [False, True], ids=["values", "ones"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("k", K_PATHS)
def test_training_follows_the_reference(isa, k, loss, solver, ones):
    order = tuple(np.random.default_rng(1).permutation(N_ROWS))
    result = train_both(make_options(loss=loss, solver=solver), k, ones=ones, order=order)
    params, reference, kernel_loss, reference_loss = result
    assert_same_parameters(params, reference, solver)
    assert kernel_loss == pytest.approx(reference_loss, rel=loss_tolerance(solver))


@pytest.mark.parametrize("k", [128, 300])
@pytest.mark.parametrize("solver", SOLVERS)
def test_many_factors_follow_the_reference(isa, solver, k):
    params, reference, kernel_loss, reference_loss = train_both(make_options(solver=solver), k)
    assert_same_parameters(params, reference, solver)
    assert kernel_loss == pytest.approx(reference_loss, rel=loss_tolerance(solver))


@pytest.mark.parametrize("fit_linear", [False, True], ids=["no-linear", "linear"])
@pytest.mark.parametrize("fit_intercept", [False, True], ids=["no-intercept", "intercept"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_parts_that_are_switched_off_do_not_move(isa, solver, fit_intercept, fit_linear):
    options = make_options(solver=solver, fit_intercept=fit_intercept, fit_linear=fit_linear)
    params, reference, *_ = train_both(options, k=5)
    assert_same_parameters(params, reference, solver)


@pytest.mark.parametrize("solver", SOLVERS)
def test_sample_weights_follow_the_reference(isa, solver):
    params, reference, kernel_loss, reference_loss = train_both(make_options(solver=solver), k=8, weighted=True)
    assert_same_parameters(params, reference, solver)
    assert kernel_loss == pytest.approx(reference_loss, rel=loss_tolerance(solver))


@pytest.mark.parametrize("ones", [False, True], ids=["values", "ones"])
@pytest.mark.parametrize("solver", [name for name in SOLVERS if name != "ftrl"])
@pytest.mark.parametrize("k", K_PATHS)
def test_l2_of_each_feature_follows_the_reference(isa, k, solver, ones):
    options = make_options(solver=solver, l2_w=0.3, l2_V=0.2)
    params, reference, *_ = train_both(options, k, ones=ones, weighted=True, scaled_l2=True)
    assert_same_parameters(params, reference, solver)


def test_l2_of_too_few_features_is_refused(isa):
    params = random_parameters(np.random.default_rng(7), 4, make_options())
    csr = canonical_csr(sp.csr_array(np.eye(N_FEATURES, dtype=np.float32)))
    y, few = np.zeros(N_FEATURES, dtype=np.float32), np.ones(N_FEATURES - 1, dtype=np.float32)
    with pytest.raises(ValueError, match=f"L2 of {N_FEATURES - 1} features, of {N_FEATURES}"):
        _engine.train_epoch(csr, y, None, None, params, make_options(), l2_scale=few)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("loss", LOSSES)
def test_clipped_gradients_follow_the_reference(isa, loss, solver):
    options = make_options(loss=loss, solver=solver, clip_gradient=0.3)
    params, reference, kernel_loss, reference_loss = train_both(options, k=8, weighted=True)
    assert_same_parameters(params, reference, solver)
    assert kernel_loss == pytest.approx(reference_loss, rel=loss_tolerance(solver))


def test_the_order_may_repeat_and_leave_out_rows(isa):
    order = (3, 3, 5, 0, 59, 3)
    params, reference, *_ = train_both(make_options(), k=4, order=order)
    assert_same_parameters(params, reference, "sgd")


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("density", [0.1, 1.0])
def test_short_and_long_rows_follow_the_reference(isa, density, solver):
    """So few and so many nonzeros that the kernel asks for parameters as far and as near ahead as it ever does."""
    order = tuple(np.random.default_rng(1).permutation(N_ROWS))
    params, reference, *_ = train_both(make_options(solver=solver), k=8, order=order, density=density)
    assert_same_parameters(params, reference, solver)


@pytest.mark.parametrize("acc", [1.2e-38, 1e-30, 1e-4, 1.0, 3.0, 1e30, 3.4e38, np.inf])
@pytest.mark.parametrize("k", [1, 4, 5, 16, 40])
def test_adagrad_divides_by_the_root_of_every_normal_sum(isa, k, acc):
    """One step on parameters of 0 and 1, from sums that the squared gradient does not change, or that are infinite."""
    gradient = np.float32(1e-7 * np.sqrt(min(acc, 1.0)))
    options = make_options(solver="adagrad", l2_w=0.0, l2_V=0.0, fit_intercept=False)
    params = Parameters.initialise(5, k, options, intercept=-10.0 * k, rng=np.random.default_rng(0))
    params.w[...], params.V[...] = 0.0, 1.0  # the 10 pairs of 5 features add up to 10 k
    for table in params.tables.values():
        table[:, 1] = acc
    csr = canonical_csr(sp.csr_array(np.ones((1, 5), dtype=np.float32)))
    _engine.train_epoch(csr, np.array([-gradient]), None, None, params, options)
    for found, start, size, g in ((params.w, 0.0, options.w, gradient), (params.V, 1.0, options.V, 4.0 * gradient)):
        step = size.learning_rate * float(g) / np.sqrt(acc)
        np.testing.assert_allclose(found - start, -step, rtol=ROOT_ERROR + 1e-6, atol=2.0**-24 * start)
    assert not params.tables["V"][:, 0, k:].any()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("k", K_PATHS)
def test_padding_stays_zero(isa, k, solver):
    params, *_ = train_both(make_options(solver=solver), k)
    assert not params.tables["V"][:, 0, k:].any()


@pytest.mark.parametrize("ones", [False, True], ids=["values", "ones"])
@pytest.mark.parametrize("k", K_PATHS)
def test_prediction_matches_the_reference(isa, k, ones):
    rng = np.random.default_rng(2)
    X, params = random_rows(rng, ones=ones), random_parameters(rng, k, make_options())
    csr = canonical_csr(sp.csr_array(X.astype(np.float32)))
    expected = fm.predict(X, params.w0, params.w.astype(float), params.V.astype(float))
    np.testing.assert_allclose(_engine.predict(csr, params), expected, **TOLERANCE)


@pytest.mark.parametrize("ones", [False, True], ids=["values", "ones"])
@pytest.mark.parametrize("k", K_PATHS)
def test_pooled_sums_match_the_reference(isa, k, ones):
    rng = np.random.default_rng(3)
    X, params = random_rows(rng, ones=ones), random_parameters(rng, k, make_options())
    csr = canonical_csr(sp.csr_array(X.astype(np.float32)))
    own, sum_vx = _engine.pool(csr, params)
    expected = fm.predict(X, 0.0, params.w.astype(float), params.V.astype(float))
    np.testing.assert_allclose(own, expected, **TOLERANCE)
    np.testing.assert_allclose(sum_vx, X @ params.V, **TOLERANCE)


@pytest.mark.parametrize("n_threads", [2, 3, 7])
def test_prediction_is_the_same_with_any_number_of_threads(isa, n_threads):
    rng = np.random.default_rng(4)
    X = random_rows(rng, n_rows=50_000)
    params = random_parameters(rng, 8, make_options())
    csr = canonical_csr(sp.csr_array(X.astype(np.float32)))
    np.testing.assert_array_equal(_engine.predict(csr, params, n_threads), _engine.predict(csr, params))
    for threaded, single in zip(_engine.pool(csr, params, n_threads), _engine.pool(csr, params), strict=True):
        np.testing.assert_array_equal(threaded, single)


def test_adagrad_begins_with_normal_sums(isa):
    options = make_options(solver="adagrad", initial_acc_w=1e-42, initial_acc_V=0.0)
    params = Parameters.initialise(3, 4, options, intercept=0.0, rng=np.random.default_rng(0))
    assert all((table[:, 1] == np.finfo(np.float32).tiny).all() for table in params.tables.values())


@pytest.mark.parametrize("ones", [False, True], ids=["values", "ones"])
@pytest.mark.parametrize("k", K_PATHS)
def test_a_row_has_the_same_score_first_and_last(isa, k, ones):
    """The kernel asks for the parameters of later rows, until there are none."""
    rng = np.random.default_rng(8)
    X, params = random_rows(rng, ones=ones, n_rows=300, density=0.2), random_parameters(rng, k, make_options())
    csr = canonical_csr(sp.csr_array(X.astype(np.float32)))
    alone = [_engine.predict(_csr.take_rows(csr, np.array([r])), params)[0] for r in range(csr.n_rows)]
    np.testing.assert_array_equal(_engine.predict(csr, params), alone)


@pytest.mark.parametrize("solver", SOLVERS)
def test_threads_learn_as_well_as_one_where_rows_seldom_meet(isa, solver):
    rng = np.random.default_rng(5)
    n_rows, n_values = 40_000, 1_000
    ids = rng.integers(0, n_values, (n_rows, 2)) + np.array([0, n_values])
    weights = rng.normal(size=2 * n_values)
    y = weights[ids].sum(axis=1).astype(np.float32)
    indptr = np.arange(0, 2 * n_rows + 1, 2, dtype=np.int64)
    n_features = 250_000  # most of which no row has: too many for each thread to have all
    csr = _csr.Csr(indptr, ids.ravel().astype(np.int32), None, n_features)
    rate = 10 * solver_named(solver).defaults(SQUARED).learning_rate
    options = make_options(solver=solver, learning_rate_w=rate, l2_w=0.0, l2_V=0.0, l1_w=0.0, l1_V=0.0)
    errors = {}
    for n_threads in (1, 2):
        params = Parameters.initialise(n_features, 4, options, 0.0, np.random.default_rng(6))
        assert not core.has_replicas(params.record.model, n_features * params.record_bytes)
        assert len(_engine.hot_features(csr, params.record, 2).features) == 0
        for _ in range(5):
            _engine.train_epoch(csr, y, None, None, params, options, n_threads)
        errors[n_threads] = np.mean((_engine.predict(csr, params) - y) ** 2)
    assert errors[1] < 0.02 * y.var()
    assert errors[2] < 0.03 * y.var()


def test_a_score_that_is_not_finite_stops_the_epoch_before_its_step(isa):
    options = make_options()
    params = random_parameters(np.random.default_rng(7), 4, options)
    params.w[2] = np.inf
    csr = canonical_csr(sp.csr_array(np.eye(N_FEATURES, dtype=np.float32)))
    V_before = params.V.copy()
    with pytest.raises(_engine.NonFiniteScoreError) as caught:
        _engine.train_epoch(csr, np.zeros(N_FEATURES, dtype=np.float32), None, None, params, options)
    assert caught.value.row == 2
    assert np.array_equal(params.V[2:], V_before[2:])
    assert not np.array_equal(params.V[:2], V_before[:2])


def test_ftrl_begins_with_float32_arithmetic_on_every_instruction_set(isa):
    theta = np.random.default_rng(0).normal(size=(50, 1, 16)).astype(np.float32)
    theta[::3] = 0.0
    records = np.concatenate([theta, np.full((50, 2, 16), np.nan, dtype=np.float32)], axis=1)
    sizes = _engine.StepSizes(learning_rate=0.07, beta=0.9, l1=0.3, l2=0.123)
    core.begin(records, "ftrl", sizes)
    z = -theta * np.float32(0.9 / 0.07 + 0.123) - np.sign(theta) * np.float32(0.3)
    begun = np.concatenate([theta, z, np.zeros_like(z)], axis=1)
    np.testing.assert_array_equal(records.view(np.int32), begun.view(np.int32))  # zeros with their signs


def test_state_of_no_optimizer_is_refused():
    shapes = {"w0": (1, 10, 1), "w": (2, 10, 1), "V": (2, 10, 4)}
    params = Parameters({name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, 4)
    with pytest.raises(ValueError, match="no optimizer has 9 state values for a parameter"):
        _engine.predict(canonical_csr(sp.csr_array(np.eye(2, dtype=np.float32))), params)


def test_the_bias_learns_from_the_rows_of_every_thread(isa):
    n_rows = 40_000
    csr = canonical_csr(sp.csr_array((n_rows, 1), dtype=np.float32))
    y = np.repeat(np.float32([0.0, 10.0]), n_rows // 2)
    options = make_options(solver="adagrad", learning_rate_w=1e-6)  # so small that every gradient stays near 5
    params = Parameters.initialise(1, 0, options, 5.0, np.random.default_rng(0))
    _engine.train_epoch(csr, y, None, None, params, options, n_threads=2)
    assert params.tables["w0"][0, 1, 0] == pytest.approx(25.0 * n_rows, rel=0.01)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("k", [0, 4, 10, 48])
def test_copies_of_hot_features_learn_as_well_as_one_thread(isa, k, solver):
    rng = np.random.default_rng(14)
    X = random_rows(rng, n_rows=30_000)
    csr = canonical_csr(sp.csr_array(X.astype(np.float32)))
    y = fm.predict(X, 1.0, rng.normal(size=N_FEATURES), np.zeros((N_FEATURES, 1))).astype(np.float32)
    options = make_options(solver=solver, l2_w=0.0, l2_V=0.0)
    params = random_parameters(np.random.default_rng(6), k, options)
    # As if records were too large for each thread to have all.
    hot = HotFeatures.of(csr, frequent_features(csr, 1 << 22))
    assert len(hot.features) == N_FEATURES
    errors = []
    for _ in range(5):
        _engine.train_epoch(csr, y, None, None, params, options, 2, hot)
        errors.append(np.mean((_engine.predict(csr, params) - y) ** 2))
    # Once the gradients are small, Adam alone makes a leap now and then, with one thread as well.
    assert (np.median(errors) if solver == "adam" else errors[-1]) < 0.05 * y.var()
    assert not params.tables["V"][:, 0, k:].any()


def test_copies_of_hot_features_pay_their_own_l2(isa):
    rng = np.random.default_rng(14)
    X = random_rows(rng, n_rows=30_000)
    csr = canonical_csr(sp.csr_array(X.astype(np.float32)))
    y = X.sum(axis=1).astype(np.float32)
    options = make_options(l2_w=30.0, l2_V=0.0)
    params = Parameters.initialise(N_FEATURES, 4, options, 0.0, rng)
    hot = HotFeatures.of(csr, frequent_features(csr, 1 << 22))
    l2_scale = np.zeros(N_FEATURES, dtype=np.float32)
    l2_scale[3] = 1.0
    for _ in range(5):
        _engine.train_epoch(csr, y, None, None, params, options, 2, hot, l2_scale=l2_scale)
    pays = l2_scale > 0
    assert np.abs(params.w[pays]).max() < 0.1
    assert params.w[~pays].min() > 0.9
