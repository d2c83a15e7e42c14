"""The compiled kernel against the NumPy reference: same parameters, same rows in the same order."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import _engine
from fastfm_ext._engine import csr as _csr
from fastfm_ext._engine.parameters import Options, Parameters
from fastfm_ext._reference import fm
from fastfm_ext._validation.matrices import canonical_csr
from kernel_cases import K_PATHS, TOLERANCE

N_ROWS, N_FEATURES = 60, 12


def random_rows(rng, *, ones=False, n_rows=N_ROWS):
    X = rng.normal(size=(n_rows, N_FEATURES)) * (rng.random((n_rows, N_FEATURES)) < 0.4)
    X[0] = 0  # a row without any feature
    return (X != 0).astype(float) if ones else X.astype(np.float32).astype(float)


def random_parameters(rng, k, options):
    params = Parameters.initialise(N_FEATURES, k, options, intercept=0.3, rng=rng)
    if options.solver != "ftrl":  # whose weights follow from its state
        params.w_records[:, 0] = rng.normal(size=N_FEATURES)
    return params


def make_options(**changes):
    defaults = {
        "loss": "squared",
        "solver": "sgd",
        "learning_rate_w": 0.02,
        "learning_rate_V": 0.01,
        "l2_w": 0.01,
        "l2_V": 0.02,
        "init_stdev": 0.1,
        "initial_acc_w": 0.5,
        "initial_acc_V": 0.7,
        "l1_w": 0.05,
        "l1_V": 0.01,
        "beta_w": 0.8,
        "beta_V": 1.3,
    }
    return Options(**(defaults | changes))


def reference_model(params, options):
    sizes = [
        fm.StepSizes(**options_of._asdict(), initial_acc=initial_acc)
        for options_of, initial_acc in ((options.w, options.initial_acc_w), (options.V, options.initial_acc_V))
    ]
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
    )


def random_targets(rng, loss, n_rows=N_ROWS):
    return rng.normal(size=n_rows) if loss == "squared" else rng.integers(0, 2, n_rows).astype(float)


def train_both(options, k, *, ones=False, weighted=False, order=None, seed=0):
    """Train kernel and reference for three epochs; return both models and the losses of the last epoch."""
    rng = np.random.default_rng(seed)
    X, y = random_rows(rng, ones=ones), random_targets(rng, options.loss).astype(np.float32).astype(float)
    weight = rng.integers(0, 3, N_ROWS).astype(float) if weighted else None
    params = random_parameters(rng, k, options)
    reference = reference_model(params, options)
    csr = canonical_csr(sp.csr_array(X.astype(np.float32)))
    assert (csr.data is None) == ones
    weight32 = None if weight is None else weight.astype(np.float32)
    for _ in range(3):
        kernel_loss = _engine.train_epoch(csr, y.astype(np.float32), weight32, order, params, options)
        reference_loss = reference.epoch(X, y, weight, order)
    return params, reference, kernel_loss, reference_loss


def assert_same_parameters(params, reference):
    np.testing.assert_allclose(params.w0, reference.w0, **TOLERANCE)
    np.testing.assert_allclose(params.w, reference.w, **TOLERANCE)
    np.testing.assert_allclose(params.V, reference.V, **TOLERANCE)


@pytest.mark.parametrize("ones", [False, True], ids=["values", "ones"])
@pytest.mark.parametrize("solver", _engine.SOLVERS)
@pytest.mark.parametrize("loss", _engine.LOSSES)
@pytest.mark.parametrize("k", K_PATHS)
def test_training_follows_the_reference(isa, k, loss, solver, ones):
    order = np.random.default_rng(1).permutation(N_ROWS)
    result = train_both(make_options(loss=loss, solver=solver), k, ones=ones, order=order)
    params, reference, kernel_loss, reference_loss = result
    assert_same_parameters(params, reference)
    assert kernel_loss == pytest.approx(reference_loss, rel=2e-5)


@pytest.mark.parametrize("fit_linear", [False, True], ids=["no-linear", "linear"])
@pytest.mark.parametrize("fit_intercept", [False, True], ids=["no-intercept", "intercept"])
@pytest.mark.parametrize("solver", _engine.SOLVERS)
def test_parts_that_are_switched_off_do_not_move(isa, solver, fit_intercept, fit_linear):
    options = make_options(solver=solver, fit_intercept=fit_intercept, fit_linear=fit_linear)
    params, reference, *_ = train_both(options, k=5)
    assert_same_parameters(params, reference)


@pytest.mark.parametrize("solver", _engine.SOLVERS)
def test_sample_weights_follow_the_reference(isa, solver):
    params, reference, kernel_loss, reference_loss = train_both(make_options(solver=solver), k=8, weighted=True)
    assert_same_parameters(params, reference)
    assert kernel_loss == pytest.approx(reference_loss, rel=2e-5)


@pytest.mark.parametrize("solver", _engine.SOLVERS)
@pytest.mark.parametrize("loss", _engine.LOSSES)
def test_clipped_gradients_follow_the_reference(isa, loss, solver):
    options = make_options(loss=loss, solver=solver, clip_gradient=0.3)
    params, reference, kernel_loss, reference_loss = train_both(options, k=8, weighted=True)
    assert_same_parameters(params, reference)
    assert kernel_loss == pytest.approx(reference_loss, rel=2e-5)


def test_the_order_may_repeat_and_leave_out_rows(isa):
    order = np.array([3, 3, 5, 0, 59, 3])
    params, reference, *_ = train_both(make_options(), k=4, order=order)
    assert_same_parameters(params, reference)


@pytest.mark.parametrize("solver", _engine.SOLVERS)
@pytest.mark.parametrize("k", K_PATHS)
def test_padding_stays_zero(isa, k, solver):
    params, *_ = train_both(make_options(solver=solver), k)
    assert not params.V_records[:, 0, k:].any()


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


@pytest.mark.parametrize("solver", _engine.SOLVERS)
def test_threads_learn_as_well_as_one_where_rows_seldom_meet(isa, solver):
    rng = np.random.default_rng(5)
    n_rows, n_values = 40_000, 1_000
    ids = rng.integers(0, n_values, (n_rows, 2)) + np.array([0, n_values])
    weights = rng.normal(size=2 * n_values)
    y = weights[ids].sum(axis=1).astype(np.float32)
    indptr = np.arange(0, 2 * n_rows + 1, 2, dtype=np.int64)
    csr = _csr.Csr(indptr, ids.ravel().astype(np.int32), None, 2 * n_values)
    rates = {"sgd": 0.1, "adagrad": 0.5, "ftrl": 0.5}
    options = make_options(solver=solver, learning_rate_w=rates[solver], l2_w=0.0, l2_V=0.0, l1_w=0.0, l1_V=0.0)
    errors = {}
    for n_threads in (1, 2):
        params = Parameters.initialise(2 * n_values, 4, options, 0.0, np.random.default_rng(6))
        assert len(_engine.hot_features(csr, params.record_bytes)) == 0
        for _ in range(5):
            _engine.train_epoch(csr, y, None, None, params, options, n_threads)
        errors[n_threads] = np.mean((_engine.predict(csr, params) - y) ** 2)
    assert errors[1] < 0.02 * y.var()
    assert errors[2] < 0.03 * y.var()


def test_a_score_that_is_not_finite_stops_the_epoch_before_its_step(isa):
    options = make_options()
    params = random_parameters(np.random.default_rng(7), 4, options)
    params.w_records[2, 0] = np.inf
    csr = canonical_csr(sp.csr_array(np.eye(N_FEATURES, dtype=np.float32)))
    V_before = params.V.copy()
    with pytest.raises(_engine.NonFiniteScoreError) as caught:
        _engine.train_epoch(csr, np.zeros(N_FEATURES, dtype=np.float32), None, None, params, options)
    assert caught.value.row == 2
    assert np.array_equal(params.V[2:], V_before[2:])
    assert not np.array_equal(params.V[:2], V_before[:2])


@pytest.mark.parametrize("scale", [0.01, 30.0])
@pytest.mark.parametrize("solver", _engine.SOLVERS)
def test_training_in_other_units_gives_the_same_model_in_those_units(solver, scale):
    rng = np.random.default_rng(8)
    X, y = random_rows(rng), random_targets(rng, "squared").astype(np.float32)
    csr = canonical_csr(sp.csr_array(X.astype(np.float32)))
    predictions = []
    for s in (1.0, scale):
        options = make_options(solver=solver).in_units_of(s)
        params = Parameters.initialise(N_FEATURES, 5, options, intercept=0.0, rng=np.random.default_rng(9))
        for _ in range(3):
            _engine.train_epoch(csr, y * np.float32(s), None, None, params, options)
        predictions.append(_engine.predict(csr, params) / s)
    np.testing.assert_allclose(predictions[0], predictions[1], rtol=1e-4, atol=1e-4)


def test_an_unknown_instruction_set_is_refused():
    with pytest.raises(ValueError, match="choose from"):
        _engine.use_isa("mmx")


def test_rows_are_taken_in_the_given_order():
    rng = np.random.default_rng(10)
    X = random_rows(rng).astype(np.float32)
    rows = np.array([5, 0, 5, 59, 2])
    taken = _csr.take_rows(canonical_csr(sp.csr_array(X)), rows)
    dense = sp.csr_array((taken.data, taken.indices, taken.indptr), shape=(5, N_FEATURES)).toarray()
    np.testing.assert_array_equal(dense, X[rows])


def test_rows_of_ones_are_taken_without_values():
    X = random_rows(np.random.default_rng(11), ones=True).astype(np.float32)
    taken = _csr.take_rows(canonical_csr(sp.csr_array(X)), np.array([3, 1]))
    assert taken.data is None
    assert taken.nnz == X[[3, 1]].sum()


def orders_of_epoch(csr, rng):
    return np.concatenate(list(_csr.block_orders(csr, rng)))


@pytest.mark.parametrize("n_rows", [1, 2, 60, 20_000])
def test_the_block_order_visits_every_row_once_and_in_blocks(n_rows, monkeypatch):
    monkeypatch.setattr(_csr, "ORDERED_ROWS", 7_000)
    rng = np.random.default_rng(12)
    csr = canonical_csr(sp.csr_array(random_rows(rng, n_rows=n_rows).astype(np.float32)))
    first, second = (orders_of_epoch(csr, rng) for _ in range(2))
    for order in (first, second):
        np.testing.assert_array_equal(np.sort(order), np.arange(n_rows))
    if n_rows > 2:
        assert not np.array_equal(first, second)
    if n_rows == 20_000:  # some 2,500 rows of 5 values fit a block
        jumps = np.abs(np.diff(first))
        assert np.mean(jumps > 5_000) < 0.01
        assert np.median(jumps) > 300


def test_every_place_in_a_block_is_as_likely_for_every_row():
    csr = canonical_csr(sp.csr_array(np.ones((4, 1), dtype=np.float32)))
    rng = np.random.default_rng(13)
    counts = np.zeros((4, 4))
    for _ in range(4_000):
        counts[np.arange(4), orders_of_epoch(csr, rng)] += 1
    # 1,000 expected, standard deviation 27.
    assert np.abs(counts - 1_000).max() < 150


def test_the_bias_learns_from_the_rows_of_every_thread(isa):
    n_rows = 40_000
    csr = canonical_csr(sp.csr_array((n_rows, 1), dtype=np.float32))
    y = np.repeat(np.float32([0.0, 10.0]), n_rows // 2)
    options = make_options(solver="adagrad", learning_rate_w=1e-6)  # so small that every gradient stays near 5
    params = Parameters.initialise(1, 0, options, 5.0, np.random.default_rng(0))
    _engine.train_epoch(csr, y, None, None, params, options, n_threads=2)
    assert params.w0_record[1] == pytest.approx(25.0 * n_rows, rel=0.01)


@pytest.mark.parametrize("solver", _engine.SOLVERS)
@pytest.mark.parametrize("k", [0, 4, 10, 48])
def test_copies_of_hot_features_learn_as_well_as_one_thread(isa, k, solver):
    rng = np.random.default_rng(14)
    X = random_rows(rng, n_rows=30_000)
    csr = canonical_csr(sp.csr_array(X.astype(np.float32)))
    y = fm.predict(X, 1.0, rng.normal(size=N_FEATURES), np.zeros((N_FEATURES, 1))).astype(np.float32)
    options = make_options(solver=solver, l2_w=0.0, l2_V=0.0)
    params = random_parameters(np.random.default_rng(6), k, options)
    hot = _engine.hot_features(csr, params.record_bytes)
    assert len(hot) == N_FEATURES
    renamed = _engine.rename_hot_features(csr, hot)
    for _ in range(5):
        _engine.train_epoch(renamed, y, None, None, params, options, 2, hot)
    assert np.mean((_engine.predict(csr, params) - y) ** 2) < 0.05 * y.var()
    assert not params.V_records[:, 0, k:].any()


def test_rare_features_are_not_hot():
    rng = np.random.default_rng(15)
    indices = rng.integers(0, 50_000, 40_000).astype(np.int32)
    csr = _csr.Csr(np.arange(40_001, dtype=np.int64), indices, None, 50_000)
    assert len(_engine.hot_features(csr, 136)) == 0


CSR_FAULTS = {
    "none": ([0, 2, 2, 4], [0, 2, 1, 2], [1, 2, 3, 4]),
    "duplicate": ([0, 2, 2, 4], [0, 0, 1, 2], [1, 2, 3, 4]),
    "descending": ([0, 2, 2, 4], [2, 0, 1, 2], [1, 2, 3, 4]),
    "negative index": ([0, 2, 2, 4], [-1, 2, 1, 2], [1, 2, 3, 4]),
    "index too large": ([0, 2, 2, 4], [0, 2, 1, 3], [1, 2, 3, 4]),
    "falling indptr": ([0, 3, 2, 4], [0, 2, 1, 2], [1, 2, 3, 4]),
    "late begin": ([1, 2, 2, 4], [0, 2, 1, 2], [1, 2, 3, 4]),
    "early end": ([0, 2, 2, 3], [0, 2, 1, 2], [1, 2, 3, 4]),
    "zero": ([0, 2, 2, 4], [0, 2, 1, 2], [1, 2, 0, 4]),
    "nan": ([0, 2, 2, 4], [0, 2, 1, 2], [1, 2, np.nan, 4]),
    "infinite": ([0, 2, 2, 4], [0, 2, 1, 2], [1, -np.inf, 3, 4]),
}


@pytest.mark.parametrize("fault", CSR_FAULTS)
def test_only_a_faultless_matrix_is_taken_at_once(isa, fault):
    types = (np.int64, np.int32, np.float32)
    arrays = [np.array(a, dtype=t) for a, t in zip(CSR_FAULTS[fault], types, strict=True)]
    taken = _csr.csr_at_once(*arrays, 3)
    assert (taken is not None) == (fault == "none")


@pytest.mark.parametrize("seed", range(30))
def test_a_random_matrix_is_taken_at_once_exactly_if_scipy_calls_it_canonical(isa, seed):
    rng = np.random.default_rng(seed)
    indptr = np.r_[0, np.cumsum(rng.integers(0, 3, 5))]
    indices = rng.integers(0, 4, indptr[-1]).astype(np.int32)
    X = sp.csr_array((np.ones(indptr[-1], dtype=np.float32), indices, indptr), shape=(5, 4))
    taken = _csr.csr_at_once(indptr.astype(np.int64), indices, X.data, 4)
    assert (taken is not None) == X.has_canonical_format
