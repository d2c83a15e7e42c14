"""The kernels of field-aware factorization machines against the NumPy reference, on the same rows in the same order."""

from functools import cache

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import _engine
from fastfm_ext._engine.gradient import NO_HOT_FEATURES, HotFeatures, frequent_features
from fastfm_ext._engine.models import FFM, Fields
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._reference import ffm, fm
from fastfm_ext._reference.multinomial import MultinomialFm
from fastfm_ext._validation.matrices import canonical_csr
from kernel_cases import (
    TOLERANCE,
    assert_same_parameters,
    loss_tolerance,
    make_options,
    random_targets,
)
from registries import LOSSES, SOLVERS

N_ROWS, N_FEATURES = 30, 24
K_PATHS = [0, 1, 3, 4, 8, 16, 24]


def one_field(rng):
    return np.zeros(N_FEATURES, dtype=np.int32)


def columns(rng):
    """Return seven fields, one behind the other: rows have several features of some, one of others, none of others."""
    return np.repeat(np.arange(7), [6, 1, 4, 1, 5, 2, 5]).astype(np.int32)


def anywhere(rng):
    return rng.integers(0, 5, N_FEATURES).astype(np.int32)


def many_fields(rng):
    """Return a field for each feature, in any order, and twice as many fields as that."""
    return rng.permutation(2 * N_FEATURES)[:N_FEATURES].astype(np.int32)


def own_field(rng):
    """Return a field for each feature, in the order of features."""
    return np.arange(N_FEATURES, dtype=np.int32)


LAYOUTS = {make.__name__: make for make in (one_field, columns, anywhere, many_fields, own_field)}


def fields_of(layout):
    of_feature = LAYOUTS[layout](np.random.default_rng(3))
    return Fields(int(of_feature.max()) + 1, of_feature)


def random_rows(rng, *, ones=False, n_rows=N_ROWS, n_features=N_FEATURES, density=0.4):
    X = rng.normal(size=(n_rows, n_features)) * (rng.random((n_rows, n_features)) < density)
    X[0] = 0  # a row without any feature
    X[1, 1:] = 0  # and one without any pair
    X[2] = rng.normal(size=n_features)  # and one with all features
    return (X != 0).astype(float) if ones else X.astype(np.float32).astype(float)


def csr_of(X):
    return canonical_csr(sp.csr_array(X.astype(np.float32)))


def random_parameters(rng, k, options, fields, intercept=0.3):
    n_features = len(fields.of_feature)
    params = Parameters.initialise(n_features, k, options, intercept, rng, model=FFM, fields=fields)
    if options.solver != "ftrl":  # whose weights follow from its state
        params.w[...] = rng.normal(size=n_features)
    return params


def factors_of(params):
    """Return V as the reference has it, (n_features, n_fields, n_factors)."""
    return params.V.astype(float)


def reference_model(params, options):
    sizes = [fm.ReferenceSizes(**options_of._asdict()) for options_of in (options.w, options.V)]
    return ffm.Ffm(
        params.w0,
        params.w.astype(float),
        factors_of(params) if params.n_factors else np.zeros((params.n_features, params.fields.n, 0)),
        options.loss,
        options.solver,
        *sizes,
        fit_intercept=options.fit_intercept,
        fit_linear=options.fit_linear,
        clip_gradient=options.clip_gradient,
        delta=options.delta,
        fields=params.fields.of_feature,
    )


@cache
def trained_reference(options, k, layout, order, density, *, ones, weighted):
    """Train the reference for two epochs, once for all instruction sets; return it, what the kernel gets, the loss."""
    rng = np.random.default_rng(0)
    X = random_rows(rng, ones=ones, density=density)
    y = random_targets(rng, options.loss, N_ROWS).astype(np.float32).astype(float)
    weight = rng.integers(0, 3, N_ROWS).astype(float) if weighted else None
    params = random_parameters(rng, k, options, fields_of(layout))
    reference = reference_model(params, options)
    csr = csr_of(X)
    assert (csr.data is None) == ones
    loss = [reference.epoch(X, y, weight, order) for _ in range(2)][-1]
    weight32 = None if weight is None else weight.astype(np.float32)
    return reference, (csr, y.astype(np.float32), weight32, params), loss


def train_both(options, k, layout="columns", *, ones=False, weighted=False, order=None, density=0.4):
    """Train kernel and reference for two epochs; return both models and the losses of the last epoch."""
    reference, given, reference_loss = trained_reference(
        options, k, layout, order, density, ones=ones, weighted=weighted
    )
    csr, y, weight, params = given
    params, visited = params.copy(), None if order is None else np.array(order)
    for _ in range(2):
        kernel_loss = _engine.train_epoch(csr, y, weight, visited, params, options)
    return params, reference, kernel_loss, reference_loss


def assert_same(params, reference, kernel_loss, reference_loss):
    assert_same_parameters(params, reference, reference.solver, tables=("w0", "w"))
    if params.n_factors:
        values, n_vectors = params.tables["V"][:, 0], params.fields.n * params.k
        assert not values[:, n_vectors:].any()  # padding of records and of vectors
        assert not values[:, :n_vectors].reshape(-1, params.k)[:, params.n_factors :].any()
        as_reference = FactorsAlone(factors_of(params))
        assert_same_parameters(as_reference, reference, reference.solver, tables=("V",))
    assert kernel_loss == pytest.approx(reference_loss, rel=loss_tolerance(reference.solver))


class FactorsAlone:
    def __init__(self, V):
        self.V = V


@pytest.mark.parametrize("ones", [False, True], ids=["values", "ones"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("k", K_PATHS)
def test_scores_are_those_of_the_reference(isa, k, layout, ones):
    rng = np.random.default_rng(0)
    params = random_parameters(rng, k, make_options(init_stdev=0.3), fields_of(layout))
    X = random_rows(rng, ones=ones)
    reference = reference_model(params, make_options())
    expected = [ffm.score(x, params.w0, reference.w, reference.V, params.fields.of_feature) for x in X]
    np.testing.assert_allclose(_engine.predict(csr_of(X), params), expected, **TOLERANCE)


def test_gradients_of_the_reference_are_those_of_its_score():
    rng = np.random.default_rng(0)
    fields, x = fields_of("columns"), random_rows(rng)[3]
    w, V = np.zeros(N_FEATURES), rng.normal(size=(N_FEATURES, fields.n, 2))
    dV, is_visited = ffm.factor_gradients(x, V, fields.of_feature)
    assert 0 < is_visited.sum() < is_visited.size
    for index in np.ndindex(V.shape):
        sides = []
        for step in (1e-5, -1e-5):
            moved = V.copy()
            moved[index] += step
            sides.append(ffm.score(x, 0.0, w, moved, fields.of_feature))
        assert dV[index] == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=1e-8)
        assert is_visited[index[:2]] or dV[index] == 0


@pytest.mark.parametrize("ones", [False, True], ids=["values", "ones"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("k", K_PATHS)
def test_training_follows_the_reference(isa, k, layout, solver, ones):
    order = tuple(np.random.default_rng(1).permutation(N_ROWS))
    assert_same(*train_both(make_options(solver=solver), k, layout, ones=ones, order=order))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_follows_the_reference(isa, loss, solver):
    assert_same(*train_both(make_options(loss=loss, solver=solver), 4, weighted=True))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("density", [0.1, 1.0])
@pytest.mark.parametrize("layout", ["columns", "own_field"])
def test_short_and_full_rows_follow_the_reference(isa, layout, density, solver):
    assert_same(*train_both(make_options(solver=solver), 4, layout, density=density))


@pytest.mark.parametrize("ones", [False, True], ids=["values", "ones"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("k", [3, 4, 8, 16])
def test_rows_of_fields_side_by_side_follow_the_reference(isa, k, solver, ones):
    """Of any number of fields, from the first one on or from a later one."""
    rng = np.random.default_rng(9)
    options = make_options(solver=solver, l2_V=0.2)
    params = random_parameters(rng, k, options, fields_of("own_field"))
    reference = reference_model(params, options)
    X = np.zeros((2 * N_FEATURES, N_FEATURES))
    for n, row in enumerate(X):
        first = n % 5 * (n >= N_FEATURES)
        row[first : first + n % N_FEATURES + 1] = 1.0
    if not ones:
        X *= rng.uniform(0.5, 1.5, X.shape).astype(np.float32)
    y = rng.normal(size=len(X)).astype(np.float32)
    expected = reference.epoch(X, y.astype(float))
    found = _engine.train_epoch(csr_of(X), y, None, None, params, options)
    assert_same(params, reference, found, expected)


@pytest.mark.parametrize("solver", [name for name in SOLVERS if name != "ftrl"])
@pytest.mark.parametrize("layout", ["anywhere", "own_field"])
@pytest.mark.parametrize("k", [4, 8, 16])
def test_l2_of_each_feature_follows_the_reference(isa, k, layout, solver):
    options = make_options(solver=solver, l2_w=0.3, l2_V=0.2)
    _, (csr, y, weight, params), _ = trained_reference(options, k, layout, None, 0.4, ones=False, weighted=True)
    params, reference = params.copy(), reference_model(params, options)
    reference.l2_scale = l2_scale = np.random.default_rng(1).uniform(0.0, 3.0, N_FEATURES).astype(np.float32)
    rows = sp.csr_array((csr.data, csr.indices, csr.indptr), (csr.n_rows, N_FEATURES)).toarray().astype(float)
    expected = reference.epoch(rows, y.astype(float), weight.astype(float))
    found = _engine.train_epoch(csr, y, weight, None, params, options, l2_scale=l2_scale)
    assert_same(params, reference, found, expected)


@pytest.mark.parametrize("solver", SOLVERS)
def test_weights_bounds_and_switches_follow_the_reference(isa, solver):
    options = make_options(solver=solver, clip_gradient=0.3, fit_intercept=False, fit_linear=False)
    assert_same(*train_both(options, 8, weighted=True, order=(3, 3, 5, 0, 29, 2, 3)))


@pytest.mark.parametrize("k", [4, 8, 16])
@pytest.mark.parametrize("solver", ["sgd", "adagrad"])
def test_rows_of_300_nonzeros_follow_the_reference(isa, solver, k):
    """Half of the fields have a single feature."""
    rng = np.random.default_rng(5)
    n_features = 300
    of_feature = rng.permutation(np.concatenate([np.arange(12), rng.integers(12, 24, n_features - 12)]))
    fields = Fields(24, of_feature.astype(np.int32))
    X = np.concatenate([np.ones((1, n_features)), random_rows(rng, n_rows=4, n_features=n_features)])
    X *= 0.3  # so that scores of so many pairs are of the usual size
    X = X.astype(np.float32).astype(float)
    options = make_options(solver=solver)
    params = random_parameters(rng, k, options, fields)
    reference = reference_model(params, options)
    y = rng.normal(size=len(X)).astype(np.float32)
    expected = reference.epoch(X, y.astype(float))
    found = _engine.train_epoch(csr_of(X), y, None, None, params, options)
    assert_same(params, reference, found, expected)


@pytest.mark.parametrize("k", [0, 4, 16])
def test_only_vectors_of_pairs_change(isa, k):
    """Their state, too: a vector that no pair has pays no L2."""
    rng = np.random.default_rng(6)
    options = make_options(solver="adagrad", l2_V=0.5)
    params = random_parameters(rng, k, options, fields_of("columns"))
    before = params.copy()
    x = np.zeros((1, N_FEATURES))
    x[0, [1, 2, 6, 23]] = 1.0  # fields 0, 0, 1 and 6
    _engine.train_epoch(csr_of(x), np.ones(1, np.float32), None, None, params, options)
    differs = (params.tables["V"] != before.tables["V"])[..., : 7 * params.k]
    changed = differs.reshape(N_FEATURES, 2, 7, -1).any(axis=(1, 3))
    expected = np.zeros((N_FEATURES, 7), dtype=bool)
    if k:
        expected[[1, 2], :2] = expected[[1, 2, 6], 6] = expected[[6, 23], 0] = expected[23, 1] = True
    np.testing.assert_array_equal(changed, expected)


@pytest.mark.parametrize("k", [4, 16])
def test_a_row_has_the_same_score_first_and_last(isa, k):
    """The kernel asks for the parameters of later rows, until there are none."""
    rng = np.random.default_rng(8)
    X = csr_of(random_rows(rng, n_rows=100, density=0.2))
    params = random_parameters(rng, k, make_options(), fields_of("anywhere"))
    alone = [_engine.predict(_engine.csr.take_rows(X, np.array([r])), params)[0] for r in range(X.n_rows)]
    np.testing.assert_array_equal(_engine.predict(X, params), alone)


def test_prediction_is_the_same_with_any_number_of_threads(isa):
    rng = np.random.default_rng(4)
    X = csr_of(random_rows(rng, n_rows=20_000, density=0.2))
    params = random_parameters(rng, 4, make_options(), fields_of("anywhere"))
    np.testing.assert_array_equal(_engine.predict(X, params, 3), _engine.predict(X, params))


def test_a_score_that_is_not_finite_stops_the_epoch_before_its_step(isa):
    params = random_parameters(np.random.default_rng(7), 4, make_options(), fields_of("columns"))
    params.tables["V"][1, 0] = np.inf
    X = np.zeros((2, N_FEATURES))
    X[0, [2, 9]] = X[1, [1, 9]] = 1.0
    with pytest.raises(_engine.NonFiniteScoreError) as caught:
        _engine.train_epoch(csr_of(X), np.zeros(2, dtype=np.float32), None, None, params, make_options())
    assert caught.value.row == 1
    assert np.isfinite(params.V[2:]).all()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("hot", [False, True], ids=["few", "hot"])
@pytest.mark.parametrize("k", [0, 4, 16])
def test_threads_learn_as_well_as_one(isa, k, hot, solver):
    """With few parameters, and with copies of hot features as if parameters were many."""
    rng = np.random.default_rng(14)
    X = random_rows(rng, n_rows=20_000, density=0.3)
    csr = csr_of(X)
    y = (1.0 + X @ rng.normal(size=N_FEATURES)).astype(np.float32)
    rate = 0.1 if solver == "adagrad" else 0.02
    options = make_options(solver=solver, learning_rate_w=rate, l2_w=0.0, l2_V=0.0)
    params = random_parameters(np.random.default_rng(6), k, options, fields_of("columns"))
    copied = HotFeatures.of(csr, frequent_features(csr, 1 << 22)) if hot else NO_HOT_FEATURES
    assert len(copied.features) == (N_FEATURES if hot else 0)
    errors = []
    for _ in range(4):
        _engine.train_epoch(csr, y, None, None, params, options, 2, copied)
        errors.append(np.mean((_engine.predict(csr, params) - y) ** 2))
    assert (np.median(errors) if solver == "adam" else errors[-1]) < 0.05 * y.var()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("k", [0, 4, 5, 16])
def test_the_softmax_of_machines_follows_the_reference(isa, k, solver):
    rng = np.random.default_rng(0)
    X, labels = random_rows(rng), rng.integers(0, 3, N_ROWS)
    options = make_options(loss="logistic", solver=solver)
    machines = [random_parameters(rng, k, options, fields_of("columns"), 0.1 * c) for c in range(3)]
    reference = MultinomialFm([reference_model(params, options) for params in machines])
    targets = (labels == np.arange(3)[:, None]).astype(np.float32)
    for _ in range(2):
        expected = reference.epoch(X, labels.tolist())
        found = _engine.train_multinomial_epoch(csr_of(X), targets, None, None, machines, options)
    for params, machine in zip(machines, reference.machines, strict=True):
        assert_same(params, machine, found, expected)
