"""The compiled kernel of the softmax of machines against the NumPy reference: same parameters, same order of rows."""

from functools import cache

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import _engine
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._reference import fm
from fastfm_ext._reference.multinomial import MultinomialFm
from fastfm_ext._validation.matrices import canonical_csr
from kernel_cases import (
    K_PATHS,
    N_FEATURES,
    N_ROWS,
    assert_same_parameters,
    loss_tolerance,
    make_options,
    random_rows,
)
from registries import SOLVERS

N_CLASSES = 4


def random_machines(rng, k, options, n_classes=N_CLASSES):
    machines = [Parameters.initialise(N_FEATURES, k, options, 0.1 * c, rng) for c in range(n_classes)]
    if options.solver != "ftrl":  # whose weights follow from its state
        for params in machines:
            params.w[...] = rng.normal(size=N_FEATURES)
    return machines


def reference_of(machines, options):
    sizes = [fm.ReferenceSizes(**of._asdict()) for of in (options.w, options.V)]
    switches = {"fit_intercept": options.fit_intercept, "fit_linear": options.fit_linear}
    switches["clip_gradient"] = options.clip_gradient
    return MultinomialFm(
        [
            fm.Fm(p.w0, p.w.astype(float), p.V.astype(float), "logistic", options.solver, *sizes, **switches)
            for p in machines
        ]
    )


def one_hot(labels, n_classes=N_CLASSES):
    return (labels == np.arange(n_classes)[:, None]).astype(np.float32)


@cache
def trained_reference(options, k, n_classes, order, *, ones, weighted):
    """Train the reference for three epochs, once for all instruction sets; return it, what the kernel gets, the loss.

    What the kernel gets are rows, targets, weights, and the machines to begin with, which are not to be changed.
    """
    rng = np.random.default_rng(0)
    X, labels = random_rows(rng, ones=ones), rng.integers(0, n_classes, N_ROWS)
    weight = rng.integers(0, 3, N_ROWS).astype(float) if weighted else None
    machines = random_machines(rng, k, options, n_classes)
    reference = reference_of(machines, options)
    csr = canonical_csr(sp.csr_array(X.astype(np.float32)))
    assert (csr.data is None) == ones
    loss = [reference.epoch(X, labels.tolist(), weight, order) for _ in range(3)][-1]
    weight32 = None if weight is None else weight.astype(np.float32)
    return reference, (csr, one_hot(labels, n_classes), weight32, machines), loss


def train_both(options, k, *, ones=False, weighted=False, order=None, n_classes=N_CLASSES):
    """Train kernel and reference for three epochs; return both models and the losses of the last epoch."""
    reference, given, reference_loss = trained_reference(options, k, n_classes, order, ones=ones, weighted=weighted)
    csr, targets, weight, machines = given
    machines = [params.copy() for params in machines]
    visited = None if order is None else np.array(order)
    for _ in range(3):
        kernel_loss = _engine.train_multinomial_epoch(csr, targets, weight, visited, machines, options)
    return machines, reference, kernel_loss, reference_loss


def assert_same(machines, reference, kernel_loss, reference_loss):
    for params, machine in zip(machines, reference.machines, strict=True):
        assert_same_parameters(params, machine, machine.solver)
    assert kernel_loss == pytest.approx(reference_loss, rel=loss_tolerance(machine.solver))


@pytest.mark.parametrize("ones", [False, True], ids=["values", "ones"])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("k", K_PATHS)
def test_training_follows_the_reference(isa, k, solver, ones):
    order = tuple(np.random.default_rng(1).permutation(N_ROWS))
    assert_same(*train_both(make_options(loss="logistic", solver=solver), k, ones=ones, order=order))


@pytest.mark.parametrize("n_classes", [2, 3, 17])
def test_any_number_of_classes_follows_the_reference(isa, n_classes):
    assert_same(*train_both(make_options(loss="logistic"), 5, n_classes=n_classes))


@pytest.mark.parametrize("solver", SOLVERS)
def test_weights_bounds_and_switches_follow_the_reference(isa, solver):
    options = make_options(loss="logistic", solver=solver, clip_gradient=0.3, fit_intercept=False, fit_linear=False)
    assert_same(*train_both(options, 8, weighted=True, order=(3, 3, 5, 0, 59, 3)))


def test_l2_of_each_feature_follows_the_reference(isa):
    options = make_options(loss="logistic", l2_w=0.3, l2_V=0.2)
    _, (csr, targets, weight, machines), _ = trained_reference(options, 5, N_CLASSES, None, ones=False, weighted=True)
    machines = [params.copy() for params in machines]
    reference = reference_of(machines, options)
    l2_scale = np.random.default_rng(1).uniform(0.0, 3.0, N_FEATURES).astype(np.float32)
    for machine in reference.machines:
        machine.l2_scale = l2_scale
    rows = sp.csr_array((csr.data, csr.indices, csr.indptr), (csr.n_rows, N_FEATURES)).toarray().astype(float)
    reference_loss = reference.epoch(rows, targets.argmax(axis=0).tolist(), weight)
    loss = _engine.train_multinomial_epoch(csr, targets, weight, None, machines, options, l2_scale)
    assert_same(machines, reference, loss, reference_loss)


def test_padding_stays_zero(isa):
    machines, *_ = train_both(make_options(loss="logistic"), 5)
    assert not any(params.tables["V"][:, 0, 5:].any() for params in machines)


def test_far_scores_have_a_finite_loss(isa):
    options = make_options(loss="logistic", learning_rate_w=1e-9)
    machines = [Parameters.initialise(1, 0, options, w0, np.random.default_rng(0)) for w0 in (-1e4, 0.0, 1e4)]
    csr = canonical_csr(sp.csr_array((1, 1), dtype=np.float32))
    losses = [
        _engine.train_multinomial_epoch(csr, one_hot(np.array([c]), 3), None, None, machines, options) for c in range(3)
    ]
    assert losses == pytest.approx([2e4, 1e4, 0.0], rel=1e-6, abs=1e-6)


def test_a_score_that_is_not_finite_stops_the_epoch_before_its_step(isa):
    options = make_options(loss="logistic")
    machines = random_machines(np.random.default_rng(7), 4, options)
    machines[3].w[2] = np.inf
    csr = canonical_csr(sp.csr_array(np.eye(N_FEATURES, dtype=np.float32)))
    before = machines[0].V.copy()
    targets = one_hot(np.zeros(N_FEATURES, dtype=int))
    with pytest.raises(_engine.NonFiniteScoreError) as caught:
        _engine.train_multinomial_epoch(csr, targets, None, None, machines, options)
    assert caught.value.row == 2
    assert np.array_equal(machines[0].V[2:], before[2:])
    assert not np.array_equal(machines[0].V[:2], before[:2])
