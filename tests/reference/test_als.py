"""The reference of alternating least squares against its objective, and a closed form."""

from copy import deepcopy

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from differences import central_difference
from fastfm_ext._reference.als import Als
from fastfm_ext._reference.fm import predict

N, D, K, L2_W, L2_V = 40, 5, 2, 0.7, 1.3


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(N, D)), rng.normal(size=N), rng.integers(1, 4, N).astype(float)


def model_of(k=K, **switches):
    return Als(0.1, np.zeros(D), 0.5 * np.random.default_rng(1).normal(size=(D, k)), L2_W, L2_V, **switches)


def objective(model, X, y, s):
    errors = y - predict(X, model.w0, model.w, model.V)
    return s @ errors**2 / 2 + L2_W / 2 * model.w @ model.w + L2_V / 2 * (model.V**2).sum()


@pytest.mark.parametrize("by_coordinate", [False, True])
@pytest.mark.parametrize("switches", [{}, {"fit_intercept": False}, {"fit_linear": False}], ids=str)
def test_the_objective_falls_in_every_sweep_until_its_slopes_are_zero(rows, by_coordinate, switches):
    X, y, s = rows
    model, values = model_of(by_coordinate=by_coordinate, **switches), []
    for _ in range(3000):
        loss = model.sweep(X, y, s)
        values.append(objective(model, X, y, s))
    assert loss == pytest.approx(s @ (y - predict(X, model.w0, model.w, model.V)) ** 2 / 2)
    assert (np.diff(values) < 1e-10).all()
    free = [("V", (i, f)) for i in range(D) for f in range(K)]
    free += [("w", (i,)) for i in range(D)] if model.fit_linear else []
    for name, at in free:

        def value(theta, name=name, at=at):
            moved = deepcopy(model)
            getattr(moved, name)[at] = theta
            return objective(moved, X, y, s)

        assert central_difference(value, float(getattr(model, name)[at])) == pytest.approx(0.0, abs=1e-4)
    assert model.fit_linear or not model.w.any()
    assert model.fit_intercept or model.w0 == 0.1


def test_without_factors_it_is_ridge_regression(rows):
    X, y, s = rows
    model = model_of(k=0)
    for _ in range(200):
        model.sweep(X, y, s)
    ridge = Ridge(alpha=L2_W).fit(X, y, sample_weight=s)
    np.testing.assert_allclose(model.w, ridge.coef_, rtol=1e-8)
    assert model.w0 == pytest.approx(ridge.intercept_)
