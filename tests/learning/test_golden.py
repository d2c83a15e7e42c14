"""Training gives the numbers that it gave before, on every instruction set."""

import json

import numpy as np
import pytest

import golden_cases

HINT = "Meant? Then python tests/support/golden_cases.py --regenerate, and say so in CHANGELOG.md."


@pytest.fixture(scope="module")
def golden():
    return json.loads(golden_cases.GOLDEN.read_text(encoding="utf-8"))


def test_every_solver_and_loss_gives_the_numbers_it_gave_before(golden, isa):
    values = golden_cases.values()
    assert values.keys() == golden.keys()
    for name, numbers in values.items():
        for what, value in numbers.items():
            # Instruction sets round differently, and WARP and FTRL have corners where a rounding decides.
            message = f"{what} of {name}. {HINT}"
            np.testing.assert_allclose(value, golden[name][what], rtol=2e-3, atol=2e-4, err_msg=message)


def test_rankings_by_cosines_have_the_numbers_of_before(isa):
    golden = json.loads(golden_cases.COSINES.read_text(encoding="utf-8"))
    values = golden_cases.cosine_values()
    assert values.keys() == golden.keys()
    for name, numbers in values.items():
        for what, value in numbers.items():
            message = f"{what} of {name}. {HINT}"
            np.testing.assert_allclose(value, golden[name][what], rtol=2e-3, atol=2e-4, err_msg=message)


def test_bayesian_models_have_the_numbers_of_before(isa):
    golden = json.loads(golden_cases.DRAWS.read_text(encoding="utf-8"))
    values = golden_cases.bayesian_values()
    assert values.keys() == golden.keys()
    for name, numbers in values.items():
        assert numbers.keys() == golden[name].keys()
        for what, value in numbers.items():
            # Sweeps pass roundings on, and draws are kept in 8 bits.
            message = f"{what} of {name}. {HINT}"
            np.testing.assert_allclose(value, golden[name][what], rtol=1e-2, atol=2e-3, err_msg=message)


def test_the_numbers_tell_solvers_and_losses_apart(golden):
    scores = [tuple(numbers["scores"]) for numbers in golden.values()]
    assert len(set(scores)) == len(scores)
    assert all(np.ptp(score) > 0.01 for score in scores)


def test_a_changed_step_size_is_noticed(golden, monkeypatch):
    monkeypatch.setitem(golden_cases.STEPS["adagrad"], "learning_rate", 0.11)
    scores = golden_cases.values()["squared, adagrad"]["scores"]
    assert not np.allclose(scores, golden["squared, adagrad"]["scores"], rtol=2e-3, atol=2e-4)
