"""The kernels of models with parameters for pairs of fields, FwFM, FvFM and FmFM, against the NumPy reference."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import scipy.sparse as sp

from differences import central_difference
from fastfm_ext import _engine
from fastfm_ext._engine.gradient import HotFeatures, frequent_features
from fastfm_ext._engine.models import FM, FMFM, FVFM, FWFM, Fields
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._reference import fmfm, fwfm
from fastfm_ext._reference.fm import ReferenceSizes
from fastfm_ext._reference.multinomial import multinomial
from fastfm_ext._validation.matrices import canonical_csr
from kernel_cases import (
    N_FEATURES,
    TOLERANCE,
    assert_same_parameters,
    loss_tolerance,
    make_options,
    random_rows,
    random_targets,
)
from registries import LOSSES, SOLVERS

N_ROWS = 25
# By name: the number of fields, and the field of each feature. Rows have some of the 12 features.
LAYOUTS = {
    "several": (5, np.array([0, 3, 1, 1, 4, 2, 0, 3, 3, 2, 4, 1])),
    "one": (1, np.zeros(N_FEATURES, dtype=int)),
    "own": (N_FEATURES, np.arange(N_FEATURES)),
    "shuffled": (N_FEATURES, np.random.default_rng(3).permutation(N_FEATURES)),
    "absent": (40, np.array([0, 39, 5, 5, 17, 17, 2, 30, 31, 12, 39, 8])),
}
MODELS = {"fwfm": (FWFM, fwfm.Fwfm), "fvfm": (FVFM, fmfm.Fmfm), "fmfm": (FMFM, fmfm.Fmfm)}
# For rows so long that others diverge.
SMALL_STEPS = {"learning_rate_w": 1e-4, "learning_rate_V": 1e-4, "learning_rate_R": 1e-4}
KS = [0, 1, 4, 7, 8, 16, 24, 40]


def options_of(**changes):
    sizes = {"learning_rate_R": 0.03, "l2_R": 0.02, "initial_acc_R": 0.6, "l1_R": 0.01, "beta_R": 1.1}
    return make_options(**(sizes | changes))


def fields_of(layout):
    n, of_feature = LAYOUTS[layout]
    return Fields(n, of_feature.astype(np.int32))


@pytest.fixture(params=MODELS)
def model(request):
    return request.param


def start(model, k, options, rng, fields):
    return Parameters.initialise(len(fields.of_feature), k, options, 0.3, rng, model=MODELS[model][0], fields=fields)


def random_parameters(rng, model, k, options, layout="several"):
    params = start(model, k, options, rng, fields_of(layout))
    if options.solver != "ftrl":  # whose weights follow from its state
        params.w[...] = rng.normal(size=N_FEATURES)
        set_pairs(params, params.R + np.float32(0.3) * rng.normal(size=params.R.shape).astype(np.float32))
    return params


def set_pairs(params, R):
    """Set what pairs of fields have, with symmetric matrices of a field with itself."""
    n, n_factors, k = params.fields.n, params.n_factors, params.k
    padded = np.zeros((n, n, *(k,) * (R.ndim - 2)), dtype=np.float32)
    padded[(..., *(slice(n_factors),) * (R.ndim - 2))] = R
    if R.ndim == 4:
        own = np.arange(n)
        padded[own, own] += padded[own, own].swapaxes(1, 2)
    params.tables["R"][:, 0, : padded[0].size] = padded.reshape(n, -1) if padded.size else 0.0


def reference_model(params, options):
    machine = MODELS[params.model.name][1]
    sizes = [ReferenceSizes(**of._asdict()) for of in (options.w, options.V, options.R)]
    parts = params.w0, params.w.astype(float), params.V.astype(float), params.R.astype(float), params.fields.of_feature
    bound = {"clip_gradient": options.clip_gradient, "delta": options.delta}
    return machine(*parts, options.loss, options.solver, *sizes, **bound)


def as_csr(X):
    return canonical_csr(sp.csr_array(X.astype(np.float32)))


@cache
def trained_reference(model, options, k, layout, *, ones, weighted, density, n_epochs):
    rng = np.random.default_rng(0)
    X = random_rows(rng, ones=ones, density=density, n_rows=N_ROWS)
    y = random_targets(rng, options.loss, N_ROWS).astype(np.float32).astype(float)
    weight = rng.integers(0, 3, N_ROWS).astype(float) if weighted else None
    params = random_parameters(rng, model, k, options, layout)
    reference = reference_model(params, options)
    loss = [reference.epoch(X, y, weight) for _ in range(n_epochs)][-1]
    return reference, (as_csr(X), y.astype(np.float32), weight, params), loss


def assert_training_follows(model, options, k, layout, *, ones=False, weighted=False, density=0.4, n_epochs=2):
    case = {"ones": ones, "weighted": weighted, "density": density, "n_epochs": n_epochs}
    reference, (csr, y, weight, params), expected = trained_reference(model, options, k, layout, **case)
    params = params.copy()
    weight32 = None if weight is None else weight.astype(np.float32)
    found = [_engine.train_epoch(csr, y, weight32, None, params, options) for _ in range(n_epochs)][-1]
    assert_same_parameters(params, reference, options.solver, ("w0", "w", "V", "R"))
    assert found == pytest.approx(expected, rel=loss_tolerance(options.solver))
    assert not params.tables["V"][:, 0, k:].any()
    if model == "fwfm":
        assert not params.tables["R"][:, 0, params.fields.n :].any()
    else:
        assert np.count_nonzero(params.tables["R"][:, 0]) <= params.R.size


@pytest.mark.parametrize("ones", [False, True], ids=["values", "ones"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("k", KS)
def test_scores_are_those_of_the_reference(isa, model, k, layout, ones):
    rng = np.random.default_rng(0)
    params = random_parameters(rng, model, k, options_of(), layout)
    X = random_rows(rng, ones=ones, n_rows=N_ROWS)
    reference = reference_model(params, options_of())
    found = _engine.predict(as_csr(X), params)
    np.testing.assert_allclose(found, [reference.score(x) for x in X], **TOLERANCE)


@pytest.mark.parametrize("ones", [False, True], ids=["values", "ones"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("k", KS)
def test_training_follows_the_reference(isa, model, k, loss, solver, ones):
    assert_training_follows(model, options_of(loss=loss, solver=solver), k, "several", ones=ones)


@pytest.mark.parametrize("density", [0.1, 1.0])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("k", [4, 16])
def test_any_fields_follow_the_reference(isa, model, k, solver, layout, density):
    options = options_of(solver=solver, **(SMALL_STEPS if solver == "sgd" else {}))
    assert_training_follows(model, options, k, layout, density=density, n_epochs=1)


@pytest.mark.parametrize("solver", SOLVERS)
def test_weights_and_bounds_follow_the_reference(isa, model, solver):
    assert_training_follows(model, options_of(solver=solver, clip_gradient=0.3), 8, "absent", weighted=True)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("n_fields", [3, 70, 300])
def test_long_rows_follow_the_reference(isas, model, n_fields, solver):
    rng = np.random.default_rng(0)
    options = options_of(solver=solver, **SMALL_STEPS)
    of_feature = rng.permutation(np.arange(300) % n_fields).astype(np.int32)
    before = start(model, 5, options, rng, Fields(n_fields, of_feature))
    reference = reference_model(before, options)
    X = rng.normal(size=(2, 300)).astype(np.float32).astype(float)
    y = rng.normal(size=2).astype(np.float32).astype(float)
    reference.epoch(X, y)
    for _ in isas:
        params = before.copy()
        _engine.train_epoch(as_csr(X), y.astype(np.float32), None, None, params, options)
        assert_same_parameters(params, reference, solver, ("w0", "w", "V", "R"))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("n_fields", [3, 7, 39])
@pytest.mark.parametrize("k", [4, 8])
def test_rows_of_ones_of_all_fields_in_order_follow_the_reference(isa, model, k, n_fields, solver):
    rng = np.random.default_rng(0)
    options = options_of(solver=solver, **SMALL_STEPS)
    params = start(model, k, options, rng, Fields(n_fields, np.repeat(np.arange(n_fields), 2).astype(np.int32)))
    reference = reference_model(params, options)
    X = np.eye(2)[rng.integers(0, 2, (10, n_fields))].reshape(10, -1)  # one of the two features of each field
    y = rng.normal(size=10).astype(np.float32).astype(float)
    reference.epoch(X, y)
    _engine.train_epoch(as_csr(X), y.astype(np.float32), None, None, params, options)
    assert_same_parameters(params, reference, solver, ("w0", "w", "V", "R"))


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_softmax_of_several_machines_follows_the_reference(isa, model, solver):
    rng = np.random.default_rng(0)
    options = options_of(loss="logistic", solver=solver)
    machines = [random_parameters(rng, model, 8, options, "absent") for _ in range(3)]
    references = [reference_model(params, options) for params in machines]
    X, labels = random_rows(rng, n_rows=N_ROWS), rng.integers(0, 3, N_ROWS)
    for x, label in zip(X, labels, strict=True):
        g = multinomial(int(label), np.array([machine.score(x) for machine in references]))[1]
        for machine, g_c in zip(references, g, strict=True):
            machine.step(x, float(g_c), 1.0)
    targets = (labels == np.arange(3)[:, None]).astype(np.float32)
    _engine.train_multinomial_epoch(as_csr(X), targets, None, None, machines, options)
    for params, reference in zip(machines, references, strict=True):
        assert_same_parameters(params, reference, solver, ("w0", "w", "V", "R"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_with_pairs_that_stay_as_they_start_it_is_the_factorization_machine(isa, model, layout):
    options = options_of(learning_rate_R=0.0, l2_R=0.0)
    rng = np.random.default_rng(0)
    csr, y = as_csr(random_rows(rng, n_rows=N_ROWS)), random_targets(rng, "squared", N_ROWS).astype(np.float32)
    plain = Parameters.initialise(N_FEATURES, 8, options, 0.3, np.random.default_rng(1), model=FM)
    weighted = start(model, 8, options, np.random.default_rng(1), fields_of(layout))
    R = weighted.R
    np.testing.assert_allclose(_engine.predict(csr, weighted), _engine.predict(csr, plain), **TOLERANCE)
    for params in (plain, weighted):
        _engine.train_epoch(csr, y, None, None, params, options)
    np.testing.assert_allclose(weighted.w, plain.w, **TOLERANCE)
    np.testing.assert_allclose(weighted.V, plain.V, **TOLERANCE)
    np.testing.assert_array_equal(weighted.R, R)


def test_what_stands_below_the_diagonal_is_not_of_use(isa, model):
    rng = np.random.default_rng(0)
    csr, y = as_csr(random_rows(rng, n_rows=N_ROWS)), random_targets(rng, "squared", N_ROWS).astype(np.float32)
    results = []
    for below in (0.0, 5.0):
        params = random_parameters(np.random.default_rng(1), model, 8, options_of())
        n, of_pair = params.fields.n, params.R[0, 0].size
        for F, G in zip(*np.tril_indices(n, -1), strict=True):
            params.tables["R"][F, 0, G * of_pair : (G + 1) * of_pair] = below
        _engine.train_epoch(csr, y, None, None, params, options_of())
        results.append((params.V.copy(), params.R))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


@pytest.mark.parametrize("n_threads", [2, 3])
@pytest.mark.parametrize("solver", SOLVERS)
def test_threads_learn_as_well_as_one(isa, model, solver, n_threads):
    rng = np.random.default_rng(14)
    X = random_rows(rng, n_rows=30_000)
    csr = as_csr(X)
    y = (X @ rng.normal(size=N_FEATURES)).astype(np.float32)
    options = options_of(solver=solver, l2_w=0.0, l2_V=0.0, l2_R=0.0)
    params = random_parameters(np.random.default_rng(6), model, 4, options)
    # As if records were too large for each thread to have all.
    hot = HotFeatures.of(csr, frequent_features(csr, 1 << 20))
    errors = []
    for _ in range(15):
        _engine.train_epoch(csr, y, None, None, params, options, n_threads, hot)
        errors.append(np.mean((_engine.predict(csr, params, n_threads) - y) ** 2))
    assert np.median(errors[-5:]) < 0.05 * y.var()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_references_gradients_are_those_of_its_score(model, layout):
    rng = np.random.default_rng(2)
    machine = reference_model(random_parameters(rng, model, 3, options_of(), layout), options_of())
    x = rng.normal(size=N_FEATURES) * (rng.random(N_FEATURES) < 0.6)
    gradients = dict(zip("VR", machine.score_gradients(x), strict=True))

    def changed(table, place, value):
        parts = {"V": machine.V.copy(), "R": machine.R.copy()}
        parts[table][place] = value
        F, G = place[:2]
        if table == "R" and F != G:
            parts["R"][G, F] = machine.turned(parts["R"][F, G])
        return replace(machine, **parts).score(x)

    n, shape = machine.R.shape[0], machine.R.shape[2:]
    pairs = [(0, 0), (0, n - 1), (n // 2, n // 2), (n // 3, n // 2)]
    places = {"V": [(0, 1), (5, 2), (11, 0)], "R": [pair + (1, 2)[: len(shape)] for pair in pairs]}
    for table, gradient in gradients.items():
        for at in places[table]:
            numeric = central_difference(
                lambda t, table=table, at=at: changed(table, at, t), getattr(machine, table)[at]
            )
            assert gradient[at] == pytest.approx(numeric, abs=1e-9)
