"""Alternating least squares against the reference of the same problem."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._engine.ranking import Choices
from fastfm_ext._learning.divergence import Guard
from fastfm_ext._learning.loop import Schedule
from fastfm_ext._learning.problem import Problem
from fastfm_ext._learning.solvers.alternation import Alternation
from fastfm_ext._reference.implicit_als import ImplicitLeastSquares

N_STEPS = 200
UNOBSERVED_WEIGHT, L2_W, L2_V = 0.1, 0.02, 0.05
# The features of users and of items; "apart" sides have an id each, and others share features between rows.
SIDES = {
    "ids": (lambda rng: np.eye(6), lambda rng: np.eye(8)),
    "ids with values": (lambda rng: np.diag(rng.uniform(0.5, 2, 6)), lambda rng: np.diag(rng.uniform(-2, -0.5, 8))),
    "features of users": (lambda rng: some(rng, 6, 9), lambda rng: np.eye(8)),
    "features of both": (lambda rng: some(rng, 6, 9), lambda rng: some(rng, 8, 5)),
}


def some(rng: np.random.Generator, n_rows: int, n_features: int) -> np.ndarray:
    return rng.normal(size=(n_rows, n_features)) * (rng.random((n_rows, n_features)) < 0.5)


def make(rng: np.random.Generator, sides: str, *, n_shared: int = 0) -> ImplicitLeastSquares:
    X_user, X_item = (side(rng) for side in SIDES[sides])
    n_before = X_user.shape[1]
    d = n_before + X_item.shape[1] - n_shared
    both = np.zeros((6, d)), np.zeros((8, d))
    both[0][:, :n_before] = X_user
    both[1][:, n_before - n_shared :] = X_item
    chosen = rng.uniform(0.5, 2, (6, 8)) * (rng.random((6, 8)) < 0.4)
    chosen[:, 0] = 1.0  # each user chose something: the others are left out
    return ImplicitLeastSquares(*both, chosen, UNOBSERVED_WEIGHT, L2_W, L2_V)


def to_csr(matrix: np.ndarray) -> Csr:
    csr = sp.csr_array(matrix.astype(np.float32))
    return Csr(csr.indptr.astype(np.int64), csr.indices.astype(np.int32), csr.data, matrix.shape[1])


def training_of(
    task: ImplicitLeastSquares,
    rng: np.random.Generator,
    *,
    n_factors: int = 3,
    n_threads: int = 1,
    fit_linear: bool = True,
):
    options = Options("squared", "sgd", 1.0, 1.0, L2_W, L2_V, 0.3, fit_linear=fit_linear)
    params = Parameters.initialise(task.X_user.shape[1], n_factors, options, 0.0, rng)
    choices = Choices.of(*(to_csr(matrix) for matrix in (task.X_user, task.X_item, task.chosen)))
    schedule = Schedule(1, 1, 0.0, n_threads)
    visited = np.arange(choices.interactions.nnz)
    problem = Problem(choices, visited, [params], options, schedule, Guard(1.0, ""), rng)
    return params, Alternation(problem, task.unobserved_weight, N_STEPS, N_STEPS)


def after_users(task: ImplicitLeastSquares, params: Parameters) -> tuple[np.ndarray, np.ndarray]:
    users = np.flatnonzero(task.X_user.any(axis=0))
    return task.solve(params.w.astype(float), params.V.astype(float), users)


@pytest.mark.parametrize("n_factors", [3, 70])
@pytest.mark.parametrize("sides", SIDES)
def test_a_sweep_solves_the_users_then_the_items(sides, n_factors):
    rng = np.random.default_rng(0)
    task = make(rng, sides)
    params, training = training_of(task, rng, n_factors=n_factors)
    between = after_users(task, params)
    loss = training.run_epoch(1)
    assert loss * task.chosen.sum() == pytest.approx(task.loss(*between), rel=1e-4)
    if sides != "features of both":  # whose items have pair terms, so that the step may be halved
        items = np.flatnonzero(task.X_item.any(axis=0))
        expected = task.scores(*task.solve(*between, items))
        np.testing.assert_allclose(task.scores(params.w, params.V), expected, atol=2e-3)


def test_every_instruction_set_gives_the_same_sweep(isa):
    rng = np.random.default_rng(0)
    task = make(rng, "features of both")
    params, training = training_of(task, rng, n_factors=37)
    between = after_users(task, params)
    loss = training.run_epoch(1)
    assert loss * task.chosen.sum() == pytest.approx(task.loss(*between), rel=1e-4)
    assert task.loss(params.w, params.V) < task.loss(*between)


@pytest.mark.parametrize("n_shared", [0, 2])
def test_the_loss_falls_to_a_point_without_gradient(n_shared):
    rng = np.random.default_rng(1)
    task = make(rng, "features of both", n_shared=n_shared)
    params, training = training_of(task, rng)
    losses = [task.loss(params.w, params.V)]
    first = max(np.abs(gradient).max() for gradient in task.gradient(params.w.astype(float), params.V.astype(float)))
    for epoch in range(1, 201):
        training.run_epoch(epoch)
        losses.append(task.loss(params.w.astype(float), params.V.astype(float)))
    assert (np.diff(losses) < 1e-5).all()
    last = max(np.abs(gradient).max() for gradient in task.gradient(params.w.astype(float), params.V.astype(float)))
    assert last < 0.01 * first


def test_without_linear_weights_these_stay_zero_and_the_loss_falls():
    rng = np.random.default_rng(2)
    for sides in SIDES:
        task = make(rng, sides)
        params, training = training_of(task, rng, fit_linear=False)
        losses = [training.run_epoch(epoch) for epoch in range(1, 6)]
        assert not params.w.any()
        assert losses[-1] < losses[0]


@pytest.mark.parametrize("sides", ["ids", "features"])
def test_any_number_of_threads_gives_the_same_bits(sides):
    def swept(n_threads: int) -> np.ndarray:
        rng = np.random.default_rng(3)
        n_users, n_items = 700, 500  # several blocks of rows
        X_user = np.eye(n_users) if sides == "ids" else some(rng, n_users, 40)
        X_item = np.eye(n_items) if sides == "ids" else some(rng, n_items, 30)
        d = X_user.shape[1] + X_item.shape[1]
        both = np.zeros((n_users, d)), np.zeros((n_items, d))
        both[0][:, : X_user.shape[1]], both[1][:, X_user.shape[1] :] = X_user, X_item
        chosen = (rng.random((n_users, n_items)) < 0.02).astype(float)
        task = ImplicitLeastSquares(*both, chosen, UNOBSERVED_WEIGHT, L2_W, L2_V)
        params, training = training_of(task, rng, n_factors=20, n_threads=n_threads)
        training.run_epoch(1)
        training.run_epoch(2)
        return np.column_stack([params.w, params.V])

    alone = swept(1)
    assert np.isfinite(alone).all()
    for n_threads in (2, 3, 5):
        np.testing.assert_array_equal(swept(n_threads), alone)


def test_users_who_chose_nothing_are_left_out():
    rng = np.random.default_rng(4)
    task = make(rng, "ids")
    without = ImplicitLeastSquares(task.X_user[:5], task.X_item, task.chosen[:5], UNOBSERVED_WEIGHT, L2_W, L2_V)
    task.chosen[5] = 0.0
    found = []
    for each in (task, without):
        params, training = training_of(each, np.random.default_rng(5))
        training.run_epoch(1)
        found.append(params)
    np.testing.assert_array_equal(found[0].V[6:], found[1].V[6:])
