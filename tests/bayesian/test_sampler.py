"""Sampler: when the burn-in ends."""

from types import SimpleNamespace

import numpy as np
import pytest

from fastfm_ext import BayesianFMClassifier
from fastfm_ext.bayesian.sampler import Sampler, SweepLimits


def score(*, has_settled=True, is_growing=False):
    return SimpleNamespace(
        monitor=SimpleNamespace(has_settled=lambda: has_settled, is_growing=lambda: is_growing),
    )


@pytest.mark.parametrize(
    ("scores", "before", "ends"),
    [
        ([score()], 0.0, 0.0),
        ([score(is_growing=True)], 0.24, 0.25),
        ([score(), score(is_growing=True)], 0.24, 0.25),
        ([score(has_settled=False)], 0.49, 0.5),
        ([score(has_settled=False, is_growing=True), score()], 0.49, 0.5),
    ],
    ids=["still", "growing", "one of two grows", "drifting", "both"],
)
def test_a_burn_in_takes_a_quarter_of_the_limits_while_scores_grow_and_half_while_predictions_drift(
    scores, before, ends
):
    sampler, limits = Sampler(scores), SweepLimits(100, None, 1e-3, None)
    assert sampler._ends_burn_in(limits, ends)
    assert before == ends or not sampler._ends_burn_in(limits, before)


def test_a_burn_in_that_is_named_ends_there():
    sampler, limits = Sampler([score(has_settled=False)]), SweepLimits(100, None, 1e-3, 3)
    ends = []
    for _ in range(4):
        sampler.history.seconds.append(0.1)
        ends.append(sampler._ends_burn_in(limits, 0.9))
    assert ends == [False, False, True, True]


def test_the_scale_of_classes_that_are_told_apart_is_waited_for():
    X = np.random.default_rng(0).normal(size=(200, 3))
    apart = BayesianFMClassifier(n_factors=0, max_sweeps=120, random_state=0).fit(X, X[:, 0] > 0)
    assert apart.burn_in_ == 30
    mixed = BayesianFMClassifier(n_factors=0, max_sweeps=120, random_state=0)
    assert mixed.fit(X, np.random.default_rng(1).random(200) < 0.5).burn_in_ < 30


@pytest.mark.parametrize("max_seconds", [1e-9, None])
def test_seconds_limit_the_burn_in_too(max_seconds):
    X = np.random.default_rng(0).normal(size=(50, 2))
    model = BayesianFMClassifier(n_factors=0, max_sweeps=20, max_seconds=max_seconds).fit(X, X[:, 0] > 0)
    assert (model.n_sweeps_, model.burn_in_) == ((1, 1) if max_seconds else (20, 10))
