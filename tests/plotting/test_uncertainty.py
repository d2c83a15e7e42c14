"""Calibration and sharpness are drawn as counted."""

import numpy as np
import pytest
from scipy.special import ndtri

from fastfm_ext import BayesianFMRegressor, FMRegressor
from fastfm_ext.plotting import UncertaintyDisplay

figure_module = pytest.importorskip("matplotlib.figure", reason="matplotlib is not installed")

RNG = np.random.default_rng(0)


def test_coverage_is_the_share_of_targets_in_intervals():
    y, mean, std = RNG.normal(size=200), RNG.normal(size=200), RNG.uniform(0.5, 2, 200)
    display = UncertaintyDisplay(y, mean, std, n_groups=4).plot()
    for level, share in zip(display.levels, display.coverage, strict=True):
        assert share == np.mean(np.abs(y - mean) <= ndtri(0.5 + level / 2) * std)
    calibration, sharpness = display.axes_
    line = {line.get_label(): line for line in calibration.get_lines()}["intervals of the model"]
    np.testing.assert_array_equal(line.get_ydata(), display.coverage)
    assert [bar.get_height() for bar in sharpness.patches] == display.group_rmse.tolist()
    assert len(sharpness.patches) == 4
    assert np.all(np.diff(display.group_std) > 0)
    order = np.argsort(std)[:50]
    assert display.group_rmse[0] == pytest.approx(np.sqrt(np.mean((y - mean)[order] ** 2)))
    assert (calibration.get_title(), sharpness.get_title()) == ("Calibration", "Sharpness")


def test_an_estimator_is_drawn_on_given_axes():
    rows = RNG.normal(size=(60, 3))
    model = BayesianFMRegressor(1, random_state=0, tol=0.9, n_samples=3).fit(rows, rows[:, 0])
    axes = figure_module.Figure().subplots(1, 2)
    display = UncertaintyDisplay.from_estimator(model, rows, rows[:, 0], axes=axes)
    assert display.axes_.tolist() == axes.tolist()
    mean, std = model.predict(rows, return_std=True)
    np.testing.assert_array_equal(display.coverage, UncertaintyDisplay(rows[:, 0], mean, std).coverage)
    assert len(UncertaintyDisplay.from_estimator(model, rows, rows[:, 0]).figure_.axes) == 2


def test_bad_arguments_are_named():
    with pytest.raises(TypeError, match="FMRegressor predicts no standard deviation; BayesianFMRegressor does"):
        UncertaintyDisplay.from_estimator(FMRegressor(), np.eye(2), [1, 2])
    with pytest.raises(ValueError, match="must have one value a row"):
        UncertaintyDisplay([1.0], [1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="finite, and std above 0"):
        UncertaintyDisplay([1.0], [1.0], [0.0])
    with pytest.raises(ValueError, match="n_groups must be from 1 to 1"):
        UncertaintyDisplay([1.0], [1.0], [1.0])
