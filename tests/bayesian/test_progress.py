"""Listeners of sampling: callbacks, printed lines, bars, and Ctrl-C."""

import signal

import numpy as np
import pytest

import bayesian_cases
from fastfm_ext import BayesianFMRegressor
from fastfm_ext.bayesian import SweepProgress

ratings = bayesian_cases.ratings


def test_a_callback_sees_each_sweep_and_ends_sampling(ratings):
    X, y, _, _ = ratings
    seen = []

    def after_thirty(progress):
        seen.append(progress)
        return progress.sweep == 30

    model = BayesianFMRegressor(n_factors=2, burn_in=12, random_state=0).fit(X, y, callback=after_thirty)
    assert model.n_sweeps_ == 30
    assert all(isinstance(progress, SweepProgress) for progress in seen)
    assert [progress.sweep for progress in seen] == list(range(1, 31))
    assert [progress.is_burn_in for progress in seen] == [True] * 12 + [False] * 18
    assert seen[-1].history == model.history_
    assert seen[-1].max_sweeps == 2000


def test_sampling_that_ends_in_the_burn_in_keeps_the_last_sweep(ratings):
    X, y, X_test, _ = ratings
    model = BayesianFMRegressor(n_factors=2, random_state=0).fit(X, y, callback=lambda progress: progress.sweep == 3)
    assert (model.n_sweeps_, model.burn_in_, model.n_samples_) == (3, 3, 1)
    assert np.isfinite(model.predict(X_test)).all()


def test_an_error_in_a_callback_leaves_the_estimator_as_it_was(ratings):
    X, y, X_test, _ = ratings

    def fail(progress):
        raise RuntimeError("enough")

    model = BayesianFMRegressor(n_factors=2, max_sweeps=20, random_state=0).fit(X, y)
    before = model.predict(X_test)
    with pytest.raises(RuntimeError, match="enough"):
        model.fit(X, 2 * y, callback=fail)
    np.testing.assert_array_equal(model.predict(X_test), before)
    with pytest.raises(TypeError, match="callback must be a function"):
        model.fit(X, y, callback=3)


def test_interrupting_keeps_what_was_sampled(ratings):
    X, y, X_test, _ = ratings

    def press(progress):
        if progress.sweep == 25:
            signal.raise_signal(signal.SIGINT)

    model = BayesianFMRegressor(n_factors=2, burn_in=10, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y, callback=press)
    assert (model.n_sweeps_, model.n_samples_) == (25, 15)
    assert np.isfinite(model.predict(X_test)).all()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_lines_and_bars_show_the_sweeps(ratings, capsys):
    X, y, _, _ = ratings
    BayesianFMRegressor(n_factors=2, max_sweeps=20, burn_in=5, verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 20
    assert lines[0].startswith("sweep    1/20  noise ")
    assert "burn-in" in lines[4]
    assert "burn-in" not in lines[5]
    pytest.importorskip("tqdm")
    BayesianFMRegressor(n_factors=2, max_sweeps=20, verbose="bar").fit(X, y)
    assert capsys.readouterr().out == ""
