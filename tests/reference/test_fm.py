"""The NumPy reference against the definition: pairs one by one, and differences for derivatives."""

import numpy as np
import pytest

from differences import central_difference
from fastfm_ext._reference import fm
from fastfm_ext._reference.fm import Fm, ReferenceSizes


def random_model(rng, n=7, k=3):
    return rng.normal(), rng.normal(size=n), rng.normal(size=(n, k))


@pytest.mark.parametrize("seed", range(5))
def test_the_linear_time_form_equals_the_definition(seed):
    rng = np.random.default_rng(seed)
    w0, w, V = random_model(rng)
    X = rng.normal(size=(4, 7)) * (rng.random((4, 7)) < 0.7)
    naive = [fm.score_naive(x, w0, w, V) for x in X]
    np.testing.assert_allclose([fm.score(x, w0, w, V) for x in X], naive, rtol=1e-12)
    np.testing.assert_allclose(fm.predict(X, w0, w, V), naive, rtol=1e-12)


@pytest.mark.parametrize("loss", fm.LOSSES)
@pytest.mark.parametrize("y", [0.0, 1.0])
@pytest.mark.parametrize("p", [-4.1, -0.3, 0.05, 0.7, 5.2])
def test_the_derivative_of_a_loss_matches_differences(loss, y, p):
    f = fm.LOSSES[loss]
    assert f(y, p)[1] == pytest.approx(central_difference(lambda q: f(y, q)[0], p), abs=1e-9)


@pytest.mark.parametrize(("loss", "y"), [("squared", 0.4), ("logistic", 0.4)])
def test_a_loss_is_least_where_its_derivative_is_zero(loss, y):
    f = fm.LOSSES[loss]
    best = y if loss == "squared" else np.log(y / (1 - y))
    assert f(y, best)[1] == pytest.approx(0.0, abs=1e-12)
    assert f(y, best)[0] < min(f(y, best - 0.1)[0], f(y, best + 0.1)[0])


def test_the_logistic_loss_survives_huge_scores():
    for p in (-1e6, 1e6):
        value, gradient = fm.logistic(1.0, p)
        assert np.isfinite(value)
        assert -1.0 <= gradient <= 0.0


def test_score_gradients_match_differences():
    rng = np.random.default_rng(0)
    w0, w, V = random_model(rng)
    x = rng.normal(size=7) * (rng.random(7) < 0.7)
    dw0, dw, dV = fm.score_gradients(x, V)
    assert dw0 == pytest.approx(central_difference(lambda a: fm.score(x, a, w, V), w0))
    for i in range(7):
        shift = np.eye(7)[i]
        assert dw[i] == pytest.approx(
            central_difference(lambda a, e=shift: fm.score(x, w0, w + a * e, V), 0.0), abs=1e-9
        )
        for f in range(3):
            E = np.zeros_like(V)
            E[i, f] = 1.0
            assert dV[i, f] == pytest.approx(
                central_difference(lambda a, e=E: fm.score(x, w0, w, V + a * e), 0.0), abs=1e-9
            )


@pytest.mark.parametrize("loss", fm.LOSSES)
def test_a_small_sgd_step_moves_against_the_gradient_of_the_objective(loss):
    rng = np.random.default_rng(1)
    w0, w, V = random_model(rng)
    x = rng.normal(size=7) * (rng.random(7) < 0.7)
    y, s, eta = 1.0, 1.7, 1e-7
    model = Fm(w0, w, V, loss, "sgd", ReferenceSizes(eta, l2=0.3), ReferenceSizes(eta, l2=0.2))

    def objective(w0, w, V):
        present = x != 0
        penalty = 0.15 * np.sum(w[present] ** 2) + 0.1 * np.sum(V[present] ** 2)
        return s * (fm.LOSSES[loss](y, fm.score(x, w0, w, V))[0] + penalty)

    model.epoch(x[None, :], np.array([y]), np.array([s]))
    for i in range(7):
        shift = np.eye(7)[i]
        slope = central_difference(lambda a, e=shift: objective(w0, w + a * e, V), 0.0)
        assert (w - model.w)[i] / eta == pytest.approx(slope, abs=1e-6)
        E = np.zeros_like(V)
        E[i, 1] = 1.0
        slope = central_difference(lambda a, e=E: objective(w0, w, V + a * e), 0.0)
        assert (V - model.V)[i, 1] / eta == pytest.approx(slope, abs=1e-6)


def test_adagrad_shrinks_its_steps_by_the_root_of_the_squared_gradients():
    model = Fm(0.0, np.zeros(1), np.zeros((1, 1)), solver="adagrad")
    model.epoch(np.array([[1.0]]), np.array([3.0]))
    # The gradient of w is -3, so acc = 1 + 9.
    assert model.w[0] == pytest.approx(0.1 * 3 / np.sqrt(10))


def test_ftrl_is_the_proximal_minimum_of_the_linearised_losses():
    # McMahan et al. 2013, eq. 1: theta minimises g.theta + 1/2 sum_t sigma_t (theta - theta_t)^2 + l1 |theta| + ...
    rng = np.random.default_rng(2)
    sizes = ReferenceSizes(learning_rate=0.3, l2=0.7, l1=0.4, beta=1.1)
    theta = np.array([0.5])
    state = fm.RULES["ftrl"].begin(theta, sizes)
    z0, sum_g, sigmas, thetas = state[0].copy(), 0.0, [], []
    for g in rng.normal(size=(20, 1)):
        n = state[1]
        sigmas.append((np.sqrt(n + g**2) - np.sqrt(n)) / 0.3)
        thetas.append(theta)
        theta, state = fm.RULES["ftrl"].step(theta, g, state, sizes, 1.0)
        sum_g = sum_g + g

    def objective(at):
        proximal = sum(0.5 * s * (at - t) ** 2 for s, t in zip(sigmas, thetas, strict=True))
        return (sum_g + z0) * at + proximal + 0.4 * abs(at) + 0.5 * (0.7 + 1.1 / 0.3) * at**2

    grid = np.linspace(-3, 3, 60_001)
    assert grid[np.argmin(objective(grid))] == pytest.approx(theta[0], abs=1e-4)


def test_ftrl_begins_with_the_parameters_it_is_given_and_l1_makes_zeros():
    sizes = ReferenceSizes(learning_rate=0.1, l1=0.2)
    theta = np.array([0.3, -0.2, 0.0])
    state = fm.RULES["ftrl"].begin(theta, sizes)
    stepped, _ = fm.RULES["ftrl"].step(theta, np.zeros(3), state, sizes, 1.0)
    np.testing.assert_allclose(stepped, theta, atol=1e-12)
    stepped, _ = fm.RULES["ftrl"].step(np.zeros(1), np.array([0.19]), np.zeros((2, 1)), sizes, 1.0)
    assert stepped == 0.0
