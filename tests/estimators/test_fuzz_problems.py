"""A short run of the fuzzer of problems, and what longer runs have found."""

import numpy as np
import pytest

import fuzz_problems
from fastfm_ext import FMClassifier, FMRanker, FMRegressor


def test_random_problems_give_finite_numbers_or_documented_errors():
    ends, found = fuzz_problems.fuzz(400, seed=3)
    assert found == []
    assert ends["fine"] > 200
    assert set(ends) == {"fine", "ValueError", "DivergenceError"}


def test_numbers_that_are_not_finite_and_errors_nobody_documented_are_findings(monkeypatch):
    problem = fuzz_problems.Problem(FMRegressor(2, max_iter=1, random_state=0), (np.eye(3), np.arange(3.0), None))
    assert fuzz_problems.outcome(problem) == ("fine", None)
    with monkeypatch.context() as patch:
        patch.setattr(FMRegressor, "predict", lambda self, X: np.full(len(X), np.nan))
        assert fuzz_problems.outcome(problem) == ("fine", "NaN or infinity without a word")
    monkeypatch.setattr(FMRegressor, "fit", lambda self, *arguments: {}["x"])
    end, wrong = fuzz_problems.outcome(problem)
    assert end == "KeyError"
    assert "KeyError" in wrong


@pytest.mark.parametrize("method", ["predict", "user_vector", "item_vector", "user_bias"])
def test_rows_whose_score_overflows_are_an_error_that_names_the_first(method):
    model = FMRegressor(2, max_iter=1, random_state=0).fit(np.eye(4), [1.0, 2.0, 3.0, 5.0])
    X = np.eye(4) * 2
    assert np.isfinite(getattr(model, method)(X)).all()
    X[[2, 3], 1] = 3e38
    with pytest.raises(
        ValueError, match=r"of row 2 of X is beyond float32: the row's largest absolute value is 3e\+38"
    ):
        getattr(model, method)(X)


def test_a_row_of_weight_zero_that_no_score_can_hold_is_an_error_only_when_it_is_predicted():
    X, y = np.eye(6), np.arange(6) % 2
    X[3, 2:4] = 3e38  # one feature that another row trains, and one that none does
    model = FMClassifier(4, max_iter=2, random_state=0).fit(X, y, [1, 1, 1, 0, 1, 1])
    with pytest.raises(ValueError, match="score of row 3 of X is beyond float32"):
        model.predict_proba(X)


def test_vectors_of_a_ranker_that_overflow_are_an_error():
    model = FMRanker(2, similarity="dot", max_iter=1, random_state=0).fit(np.eye(4)[:2], np.eye(4)[2:], np.eye(2))
    with pytest.raises(ValueError, match="row 0 of X is beyond float32"):
        model.item_vector(np.full((1, 4), 3e38))
