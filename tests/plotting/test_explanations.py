"""Displays of explanations draw their values, with the names of columns."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from fastfm_ext import BayesianFMRegressor, FMClassifier, FMEncoder, FMRegressor
from fastfm_ext.explain import Contribution, contributions, field_interactions, importance
from fastfm_ext.plotting import FieldInteractionDisplay, ImportanceDisplay, WaterfallDisplay

container_module = pytest.importorskip("matplotlib.container", reason="matplotlib is not installed")
figure_module = pytest.importorskip("matplotlib.figure", reason="matplotlib is not installed")

RNG = np.random.default_rng(0)
TABLE = {name: RNG.choice(list("xyz"), 200) for name in ("day", "place", "noise")}
TARGET = 2.0 * (TABLE["place"] == "x") + 1.0 * (TABLE["day"] == "y") * (TABLE["place"] == "x")


@pytest.fixture(scope="module")
def model():
    return make_pipeline(FMEncoder(), FMRegressor(2, random_state=0, max_iter=20)).fit(TABLE, TARGET)


def texts(labels):
    return [label.get_text() for label in labels]


def test_importance_has_a_bar_for_each_column_the_largest_on_top(model):
    ax = ImportanceDisplay.from_estimator(model, TABLE).ax_
    found = importance(model, TABLE)
    assert texts(ax.get_yticklabels()) == list(found) == ["place", "day", "noise"]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx(list(found.values()))
    assert ax.yaxis_inverted()
    assert ax.get_xlabel() == "mean size of the contribution to the score"
    assert len(ImportanceDisplay.from_estimator(model, TABLE, by_feature=True, max_display=4).ax_.patches) == 4


def test_the_heat_map_has_a_square_for_each_pair(model):
    ax = FieldInteractionDisplay.from_estimator(model, TABLE).ax_
    values = field_interactions(model, TABLE).values
    np.testing.assert_array_equal(ax.images[0].get_array(), values)
    assert texts(ax.get_xticklabels()) == texts(ax.get_yticklabels()) == ["day", "place", "noise"]
    assert texts(ax.texts) == [f"{value:.2g}" for value in values.ravel()]
    assert ax.figure.axes[1].get_ylabel() == "mean size in the score (diagonal: alone)"


def test_many_columns_have_no_numbers():
    assert len(FieldInteractionDisplay(map(str, range(16)), np.eye(16)).plot().ax_.texts) == 0


def test_the_waterfall_leads_from_the_background_to_the_score(model):
    row = {name: values[3:4] for name, values in TABLE.items()}
    display = WaterfallDisplay.from_estimator(model, row, TABLE)
    ax, found = display.ax_, contributions(model, row, TABLE)
    assert display.score == pytest.approx(float(model.predict(row)[0]), rel=1e-4)
    names = [f"{step.name} = {step.data}" for step in found.top(0)]
    assert texts(ax.get_yticklabels()) == names
    bars = [(bar.get_x(), bar.get_width()) for bar in ax.patches]
    assert sum(width for _, width in bars) == pytest.approx(display.score - display.base_value)
    ends = [start + width for start, width in bars]
    assert [start for start, _ in bars] == pytest.approx([display.base_value, *ends[:-1]])
    low, high = ax.get_xlim()
    assert low < min(display.base_value, *ends) < max(display.base_value, *ends) < high
    legend = texts(ax.get_legend().get_texts())
    assert legend == [f"background: {display.base_value:.4g}", f"this row: {display.score:.4g}"]


def test_small_steps_are_taken_together():
    steps = [Contribution(str(i), "", 1.0 / (i + 1)) for i in range(6)]
    ax = WaterfallDisplay(0.0, steps).plot(max_display=3).ax_
    assert texts(ax.get_yticklabels()) == ["0", "1", "4 others"]
    assert ax.patches[2].get_width() == pytest.approx(sum(step.value for step in steps[2:]))
    assert len(WaterfallDisplay(0.0, []).plot().ax_.patches) == 0


def test_spreads_of_draws_are_drawn():
    rows = np.eye(4)
    model = BayesianFMRegressor(1, random_state=0, tol=0.9, n_samples=3).fit(rows, [1.0, 2.0, 3.0, 4.0])
    ax = WaterfallDisplay.from_estimator(model, rows, rows, row=2).ax_
    (errors,) = [drawn for drawn in ax.containers if isinstance(drawn, container_module.ErrorbarContainer)]
    spread = [np.ptp(segment[:, 0]) / 2 for segment in errors.lines[2][0].get_segments()]
    found = contributions(model, rows, rows).top(2)
    assert spread == pytest.approx([step.std for step in found], rel=1e-5)


def test_a_class_has_its_own_waterfall():
    model = FMClassifier(2, random_state=0, max_iter=3).fit(RNG.normal(size=(60, 3)), np.arange(60) % 3)
    row = RNG.normal(size=(1, 3))
    display = WaterfallDisplay.from_estimator(model, row, label=1)
    assert display.score == pytest.approx(float(model.decision_function(row)[0, 1]), rel=1e-4)


def test_bad_arguments_are_named(model):
    with pytest.raises(ValueError, match="max_display must be a positive integer; got 0"):
        ImportanceDisplay({"a": 1.0}).plot(max_display=0)
    with pytest.raises(ValueError, match="values must have a row and a column for each of 2 names"):
        FieldInteractionDisplay(["a", "b"], [[1.0]])
    ax = figure_module.Figure().add_subplot()
    assert ImportanceDisplay.from_estimator(model, TABLE, ax=ax).ax_ is ax
