"""The closed form of Shapley values is what the definition gives over all coalitions."""

import numpy as np
import pytest

from fastfm_ext._reference import contributions as reference
from fastfm_ext._reference import fm

N, K = 6, 3


@pytest.fixture
def machine():
    rng = np.random.default_rng(0)
    x = rng.normal(size=N) * [1, 1, 0, 1, 0, 1]
    B = rng.normal(size=(4, N)) * (rng.random((4, N)) < 0.6)
    return x, B, 0.3, rng.normal(size=N), rng.normal(size=(N, K))


@pytest.mark.parametrize("background", ["rows", "mean", "zero"])
def test_the_closed_form_is_the_definition(machine, background):
    x, B, w0, w, V = machine
    B = {"rows": B, "mean": B.mean(axis=0, keepdims=True), "zero": np.zeros((1, N))}[background]
    single = [[i] for i in range(N)]
    found = reference.contributions(x[None], B, w, V)[0]
    np.testing.assert_allclose(found, reference.naive_contributions(x, B, w0, w, V, single), atol=1e-12)
    mean_score = fm.predict(B, w0, w, V).mean()
    assert mean_score + found.sum() == pytest.approx(fm.score(x, w0, w, V))


def test_the_value_of_a_group_is_the_sum_of_its_features(machine):
    x, B, w0, w, V = machine
    groups = [[0, 4], [1, 2, 5], [3]]
    as_players = reference.naive_contributions(x, B, w0, w, V, groups)
    alone = reference.contributions(x[None], B, w, V)[0]
    np.testing.assert_allclose(as_players, [alone[group].sum() for group in groups], atol=1e-12)


def test_the_mean_row_is_another_background_than_the_rows(machine):
    # Features of a row go together in a product, which the mean row does not know.
    x, B, _, w, V = machine
    of_mean = reference.contributions(x[None], B.mean(axis=0, keepdims=True), w, V)
    assert np.abs(of_mean - reference.contributions(x[None], B, w, V)).max() > 0.1


def test_an_interaction_is_a_second_difference(machine):
    x, B, w0, w, V = machine

    def value(coalition):
        return reference.coalition_value(coalition, x, B, w0, w, V)

    for others in ([], [3], [3, 5]):
        difference = value([*others, 0, 1]) - value([*others, 0]) - value([*others, 1]) + value(others)
        assert reference.interaction(0, 1, x, B, V) == pytest.approx(difference)
