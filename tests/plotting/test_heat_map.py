"""Heat map of the strengths of fields."""

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="needs matplotlib")

from fastfm_ext import FFMRegressor
from fastfm_ext.plotting import FieldStrengthDisplay


def test_a_square_for_each_pair_with_its_number():
    display = FieldStrengthDisplay(["user", "film"], [[0.0, -0.6], [-0.6, 0.2]], "R").plot()
    assert [text.get_text() for text in display.ax_.texts] == ["0", "-0.6", "-0.6", "0.2"]
    image = display.ax_.images[0]
    assert (image.norm.vmin, image.norm.vmax) == (-0.6, 0.6)


def test_the_strengths_of_a_model_are_drawn():
    X = np.random.default_rng(0).normal(size=(50, 3))
    model = FFMRegressor(fields=["a", "b", "c"], max_iter=2).fit(X, X[:, 0] * X[:, 1])
    display = FieldStrengthDisplay.from_estimator(model)
    assert display.names == ["a", "b", "c"]
    assert display.ax_.images[0].norm.vmin == 0


def test_other_shapes_and_measures_are_refused():
    with pytest.raises(ValueError, match="a row and a column for each of 2 names"):
        FieldStrengthDisplay(["a", "b"], [[1.0]])
    with pytest.raises(ValueError, match="measure must be one of"):
        FieldStrengthDisplay(["a"], [[1.0]], "size")
