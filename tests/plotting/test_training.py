"""Displays of training draw what histories have."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from fastfm_ext import BayesianFMRegressor, FMEncoder, FMRegressor
from fastfm_ext.plotting import LearningCurveDisplay, QualityTimeDisplay

figure_module = pytest.importorskip("matplotlib.figure", reason="matplotlib is not installed")

SMALL = {"train_loss": [0.6, 0.4, 0.3], "val_loss": [0.62, 0.45, 0.47], "seconds": [1.0, 2.0, 3.0]}
LARGE = {"train_loss": [0.5, 0.2], "val_loss": [0.52, 0.4], "seconds": [4.0, 4.0]}


def lines(ax):
    return {line.get_label(): line for line in ax.get_lines() if not line.get_label().startswith("_")}


def test_each_model_has_a_curve_with_its_best_loss():
    ax = LearningCurveDisplay({"4 factors": SMALL, "16 factors": LARGE}).plot().ax_
    assert list(lines(ax)) == ["4 factors: 0.45", "16 factors: 0.4"]
    assert lines(ax)["4 factors: 0.45"].get_xdata().tolist() == [1, 2, 3]
    assert lines(ax)["4 factors: 0.45"].get_ydata().tolist() == SMALL["val_loss"]
    dashed = [line for line in ax.get_lines() if line.get_linestyle() == "--"]
    assert [line.get_ydata().tolist() for line in dashed] == [SMALL["train_loss"], LARGE["train_loss"]]
    marks = [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.get_lines() if line.get_label() == "_best epoch"]
    assert marks == [(2, 0.45), (2, 0.4)]
    assert ax.get_ylabel() == "loss on validation rows (dashed: training rows)"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(lines(ax))


def test_scores_are_best_where_they_are_highest():
    ax = (
        LearningCurveDisplay({"ranker": {"train_loss": [3.0, 2.0], "val_score": [0.3, 0.2], "seconds": [1, 1]}})
        .plot()
        .ax_
    )
    assert list(lines(ax)) == ["ranker: 0.3"]
    assert ax.get_ylabel() == "score on validation interactions"


def test_without_validation_the_training_loss_is_drawn():
    ax = LearningCurveDisplay({"a": SMALL, "b": {"train_loss": [0.5], "val_loss": []}}).plot().ax_
    assert list(lines(ax)) == ["a: 0.3", "b: 0.5"]
    assert ax.get_ylabel() == "loss on training rows"


def test_quality_is_drawn_over_the_seconds_since_the_beginning():
    ax = QualityTimeDisplay({"a": SMALL, "b": LARGE}).plot().ax_
    assert lines(ax)["a: 0.45"].get_xdata().tolist() == [1.0, 3.0, 6.0]
    assert ax.get_xlabel() == "seconds of training"
    assert ax.get_xlim()[0] == 0.0


def test_estimators_and_pipelines_are_drawn_on_given_axes():
    rng = np.random.default_rng(0)
    table = {"a": rng.choice(list("xyz"), 200)}
    pipeline = make_pipeline(FMEncoder(), FMRegressor(2, random_state=0, max_iter=4)).fit(table, rng.normal(size=200))
    ax = figure_module.Figure().add_subplot()
    display = LearningCurveDisplay.from_estimator(pipeline, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert next(iter(lines(ax))).startswith("FMRegressor: ")
    named = QualityTimeDisplay.from_estimator({"one": pipeline[-1], "two": pipeline})
    assert [label.split(":")[0] for label in lines(named.ax_)] == ["one", "two"]


@pytest.mark.parametrize(
    ("estimators", "message"),
    [
        (FMRegressor(), "FMRegressor has no history_: fit it first"),
        ({}, "there is no model to draw"),
    ],
)
def test_what_has_no_history_cannot_be_drawn(estimators, message):
    with pytest.raises(ValueError, match=message):
        LearningCurveDisplay.from_estimator(estimators)


def test_draws_have_no_losses():
    model = BayesianFMRegressor(1, random_state=0, tol=0.9, n_samples=2).fit(np.eye(3), [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"the models have none of .* in common"):
        LearningCurveDisplay.from_estimator(model)
    with pytest.raises(ValueError, match="'a' must have seconds for each epoch"):
        QualityTimeDisplay({"a": {"train_loss": [1.0]}}).plot()


def test_epochs_of_partial_fit_have_no_validation_loss():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    model = FMRegressor(n_factors=2, max_iter=4, early_stopping=True, n_iter_no_change=9, refit=False, random_state=0)
    model.fit(X, y).partial_fit(X, y)
    n_epochs = len(model.history_["train_loss"])
    assert len(model.history_["val_loss"]) == n_epochs - 1
    curve, dashed = LearningCurveDisplay.from_estimator(model).ax_.get_lines()[:2]
    assert len(curve.get_xdata()) == n_epochs - 1
    assert dashed.get_xdata().tolist() == list(range(1, n_epochs + 1))
    (line,) = QualityTimeDisplay.from_estimator(model).ax_.get_lines()
    np.testing.assert_allclose(line.get_xdata(), np.cumsum(model.history_["seconds"])[:-1])


def test_names_stand_in_the_legend_as_they_are():
    for display in (LearningCurveDisplay, QualityTimeDisplay):
        drawn = display({"$5-$10": SMALL, "_": LARGE}).plot()
        drawn.figure_.draw_without_rendering()  # where a formula would be read
        assert [text.get_text() for text in drawn.ax_.get_legend().get_texts()] == [r"\$5-\$10: 0.45", " _: 0.4"]
