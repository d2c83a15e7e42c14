"""The search for the temperature of a cosine softmax on held-out interactions."""

import pytest

from fastfm_ext._learning import temperature
from fastfm_ext._learning.divergence import DivergenceError
from fastfm_ext._learning.temperature import TEMPERATURES, best_temperature


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
