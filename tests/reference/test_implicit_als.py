"""The reference of least squares over all pairs: its gradient is that of its loss, its solution has none."""

import numpy as np
import pytest

from fastfm_ext._reference.implicit_als import ImplicitLeastSquares


def problem(rng: np.random.Generator, *, shared: bool = False) -> ImplicitLeastSquares:
    """Return a problem of 4 users and 5 items; the first 4 of 8 features are the users', or the first 5 are."""
    X_user, X_item = np.zeros((4, 8)), np.zeros((5, 8))
    X_user[:, : 5 if shared else 4] = rng.normal(size=(4, 5 if shared else 4))
    X_item[:, 4:] = rng.normal(size=(5, 4)) * (rng.random((5, 4)) < 0.7)
    chosen = rng.uniform(0.5, 2, (4, 5)) * (rng.random((4, 5)) < 0.5)
    return ImplicitLeastSquares(X_user, X_item, chosen, unobserved_weight=0.1, l2_w=0.02, l2_V=0.05)


@pytest.mark.parametrize("shared", [False, True])
def test_the_gradient_is_that_of_the_loss(shared):
    rng = np.random.default_rng(0)
    task = problem(rng, shared=shared)
    w, V = rng.normal(size=8), rng.normal(size=(8, 3))
    g_w, g_V = task.gradient(w, V)
    h = 1e-5
    for values, gradient in ((w, g_w), (V, g_V)):
        for at in np.ndindex(*values.shape):
            before = values[at]
            values[at] = before + h
            above = task.loss(w, V)
            values[at] = before - h
            below = task.loss(w, V)
            values[at] = before
            assert (above - below) / (2 * h) == pytest.approx(gradient[at], rel=1e-6, abs=1e-6)


def test_the_solution_of_the_users_side_has_no_gradient_and_less_loss():
    rng = np.random.default_rng(0)
    task = problem(rng)
    w, V = rng.normal(size=8), rng.normal(size=(8, 3))
    users = np.arange(4)
    solved = task.solve(w, V, users)
    g_w, g_V = task.gradient(*solved)
    np.testing.assert_allclose(g_w[users], 0, atol=1e-9)
    np.testing.assert_allclose(g_V[users], 0, atol=1e-9)
    assert task.loss(*solved) < task.loss(w, V)
