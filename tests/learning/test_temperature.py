"""The search for the temperature of a cosine softmax on held-out interactions."""

import numpy as np
import pytest

from fastfm_ext._engine.csr import Csr
from fastfm_ext._learning import temperature
from fastfm_ext._learning.divergence import DivergenceError
from fastfm_ext._learning.temperature import TEMPERATURES, best_temperature, have_ids, suited_to


class Asked:
    """Values of temperatures, and which were asked for."""

    def __init__(self, values):
        self.values = values
        self.asked = []

    def __call__(self, problem, solver, candidate):
        self.asked.append(candidate)
        return self.values(candidate)


@pytest.mark.parametrize("best", TEMPERATURES)
def test_the_best_temperature_is_climbed_to(monkeypatch, best):
    ask = Asked(lambda candidate: -abs(TEMPERATURES.index(candidate) - TEMPERATURES.index(best)))
    monkeypatch.setattr(temperature, "_value", ask)
    assert best_temperature(None, None) == best
    assert len(set(ask.asked)) == len(ask.asked)


def test_a_temperature_that_diverges_is_the_worst(monkeypatch):
    def diverge(problem, solver, candidate):
        raise DivergenceError("too far", 1)

    monkeypatch.setattr(temperature, "_value_of_part", diverge)
    monkeypatch.setattr(temperature, "replace", lambda problem, **changes: problem)
    problem = type("P", (), {"folds": (), "held_out": None})()
    assert temperature._value(problem, None, 0.1) == float("-inf")


def rows_of(*columns):
    """Return rows of ones, out of 10 columns."""
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in columns])]).astype(np.int64)
    return Csr(indptr, np.concatenate(columns).astype(np.int32), None, 10)


WITH_IDS = rows_of([0, 8], [1, 8], [2, 9], [8, 9])
WITHOUT_IDS = rows_of([0, 8], [8, 9], [7, 9], [7, 9])


def test_items_have_ids_if_half_have_a_feature_of_their_own():
    assert have_ids(WITH_IDS)
    assert have_ids(rows_of([0, 8], [1, 8], [8, 9], [8, 9]))
    assert not have_ids(WITHOUT_IDS)


def test_items_without_ids_want_a_higher_temperature():
    assert suited_to(WITH_IDS, 0.1) == 0.1
    assert suited_to(WITHOUT_IDS, 0.1) == 0.2
    assert suited_to(WITHOUT_IDS, 0.28) == suited_to(WITHOUT_IDS, 0.4) == 0.4
