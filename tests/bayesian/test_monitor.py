"""Convergence: drift, autocorrelation and the error of an average, on series whose truth is known."""

import numpy as np
import pytest

from fastfm_ext.bayesian.monitor import PredictionMonitor

ROWS = 400


def monitored(series, noise=None, spread=None):
    monitor = PredictionMonitor(series.shape[1])
    for t, values in enumerate(series):
        monitor.add(values, 1.0 if noise is None else noise[t], 1.0 if spread is None else spread[t])
    return monitor


def autoregressive(n, rho, seed=0):
    """Series of variance 1 whose neighbours correlate by rho: (n, ROWS)."""
    rng = np.random.default_rng(seed)
    series = np.empty((n, ROWS))
    series[0] = rng.normal(size=ROWS)
    for t in range(1, n):
        series[t] = rho * series[t - 1] + np.sqrt(1 - rho**2) * rng.normal(size=ROWS)
    return series


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_autocorrelation_time_and_error_are_those_of_the_series(rho):
    monitor = monitored(autoregressive(600, rho))
    time = (1 + rho) / (1 - rho)
    assert monitor.autocorrelation_time() == pytest.approx(time, rel=0.15)
    assert monitor.autocorrelation()[:3] == pytest.approx([1, rho, rho**2][: len(monitor.autocorrelation())], abs=0.05)
    assert monitor.mc_variance() == pytest.approx(time / 600, rel=0.2)
    # The error is what it says: the square of the mean of series of mean 0.
    assert np.mean(monitor.mean() ** 2) == pytest.approx(monitor.mc_variance(), rel=0.3)


def test_a_series_without_drift_has_settled_and_one_that_drifts_has_not():
    still = autoregressive(60, 0.3)
    slope = np.random.default_rng(1).normal(size=ROWS)
    drifting = still + 0.05 * np.arange(60)[:, None] * slope
    assert monitored(still).has_settled()
    assert not monitored(drifting).has_settled()
    assert not monitored(still[:10]).has_settled()


def test_a_noise_that_drifts_has_not_settled():
    still = autoregressive(60, 0.3)
    assert monitored(still, np.full(60, 2.0)).has_settled()
    assert not monitored(still, np.linspace(1.0, 2.0, 60)).has_settled()


def test_scores_grow_while_they_spread_more_than_in_the_quarter_before():
    still = np.ones((40, 3))
    wide = np.linspace(1, 2, 40)
    assert monitored(still, spread=wide).is_growing()
    assert not monitored(still, spread=wide[::-1]).is_growing()
    assert not monitored(still, spread=np.r_[wide, np.full(40, 2.0)].repeat(2)[-40:]).is_growing()
    # From one quarter to the next by a little, and then a little more, than a fiftieth.
    assert not monitored(still, spread=np.repeat([1.0, 1.0, 1.0, 1.019], 10)).is_growing()
    assert monitored(still, spread=np.repeat([1.0, 1.0, 1.0, 1.021], 10)).is_growing()
    assert monitored(still[:3]).is_growing()


def test_split_r_hat_is_near_one_unless_the_halves_differ():
    series = autoregressive(200, 0.0)
    assert monitored(series).r_hat() < 1.03
    moved = series.copy()
    moved[100:] += 2.0
    assert monitored(moved).r_hat() > 1.5
    assert monitored(np.ones((10, 3))).r_hat() == 1.0
    assert monitored(series[:2]).r_hat() == np.inf


def test_begin_anew_forgets():
    monitor = monitored(autoregressive(100, 0.0))
    monitor.begin_anew()
    assert len(monitor) == 0
    assert monitor.mc_variance() == np.inf
    for values in np.ones((5, ROWS)):
        monitor.add(values, 1.0, 1.0)
    np.testing.assert_array_equal(monitor.mean(), np.ones(ROWS))
    assert monitor.mc_variance() == 0
    assert not monitor.is_growing()
