"""The reference of multinomial training: derivatives against differences, two classes against the logistic loss."""

import numpy as np
import pytest

from differences import central_difference
from fastfm_ext._reference import fm
from fastfm_ext._reference.multinomial import MultinomialFm, multinomial


@pytest.mark.parametrize("y", [0, 1, 3])
def test_derivatives_match_differences(y):
    p = np.array([0.3, -1.2, 2.5, 0.0])
    _, g = multinomial(y, p)
    for c in range(len(p)):
        at = np.eye(len(p))[c]
        assert g[c] == pytest.approx(central_difference(lambda h, at=at: multinomial(y, p + h * at)[0], 0.0), abs=1e-8)
    assert g.sum() == pytest.approx(0.0, abs=1e-12)


def test_two_classes_lose_what_the_logistic_loss_of_their_difference_does():
    for y in (0, 1):
        value, g = multinomial(y, np.array([0.4, 1.7]))
        assert (value, g[1]) == pytest.approx(fm.logistic(float(y), 1.7 - 0.4))


def test_an_epoch_visits_rows_in_order_and_weighs_them():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(6, 3)), [0, 1, 2, 0, 1, 2]

    def model():
        return MultinomialFm([fm.Fm(0.0, np.zeros(3), np.full((3, 2), 0.1 * c)) for c in range(3)])

    first, second = model(), model()
    loss = first.epoch(X, y, np.array([0, 1, 0, 2, 0, 0.0]))
    by_hand = second._step(X[1], y[1], 1.0) + 2.0 * second._step(X[3], y[3], 2.0)
    assert loss == pytest.approx(by_hand)
    for a, b in zip(first.machines, second.machines, strict=True):
        np.testing.assert_array_equal(a.V, b.V)
