"""The map of vectors keeps distances as well as a plane can, and labels its points."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from fastfm_ext import FMRanker
from fastfm_ext.plotting import VectorMapDisplay

pytest.importorskip("matplotlib.figure", reason="matplotlib is not installed")

RNG = np.random.default_rng(0)


def test_points_of_a_plane_keep_their_distances():
    plane = RNG.normal(size=(10, 2)) @ np.linalg.qr(RNG.normal(size=(5, 2)))[0].T
    display = VectorMapDisplay(plane + 7.0)
    between = np.linalg.norm(plane[:, None] - plane[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(display.points[:, None] - display.points[None], axis=2), between)
    assert display.explained_variance_ratio.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("vectors", [np.ones((3, 4)), np.ones((1, 2)), np.ones((4, 1)), np.ones((3, 0))])
def test_vectors_without_two_directions_can_be_drawn(vectors):
    display = VectorMapDisplay(vectors).plot()
    assert display.points.shape == (len(vectors), 2)
    assert len(display.ax_.collections[0].get_offsets()) == len(vectors)


def test_items_have_labels_and_the_colors_of_their_groups():
    display = VectorMapDisplay(RNG.normal(size=(5, 3)), ["a", "", "c", "", "e"], ["u", "v", "u", "v", "u"]).plot()
    ax = display.ax_
    assert [text.get_text() for text in ax.texts] == ["a", "c", "e"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["u", "v"]
    assert [len(points.get_offsets()) for points in ax.collections] == [3, 2]
    np.testing.assert_array_equal(ax.collections[1].get_offsets(), display.points[[1, 3]])
    assert "% of the variance" in ax.get_xlabel()


def test_labels_do_not_lie_upon_each_other():
    vectors = np.repeat(np.array([[0.0, 0.0], [1.0, 1.0]]), 3, axis=0)
    ax = VectorMapDisplay(vectors, ["first", "second", "third", "fourth", "fifth", "sixth"]).plot().ax_
    assert [(text.get_text(), text.get_ha()) for text in ax.texts] == [
        ("first", "left"),
        ("second", "right"),
        ("fourth", "left"),
        ("fifth", "right"),
    ]


def test_item_vectors_are_drawn_without_what_they_score_alone():
    users, items = np.eye(8)[:3], np.eye(8)[3:]
    model = FMRanker(3, random_state=0, max_iter=2).fit(users, items, np.eye(3, 5))
    display = VectorMapDisplay.from_estimator(model, items)
    np.testing.assert_allclose(display.points, VectorMapDisplay(model.item_vector(items)[:, 1:]).points)


def test_what_has_no_item_vectors_is_refused_by_name():
    for estimator in (None, make_pipeline(FMRanker())):
        with pytest.raises(TypeError, match=r"estimator must have item_vector.*give the last step.*Got a"):
            VectorMapDisplay.from_estimator(estimator, np.eye(2))


def test_labels_must_be_one_for_each():
    with pytest.raises(ValueError, match="labels must have one value for each of 3 items; got 2"):
        VectorMapDisplay(np.ones((3, 2)), ["a", "b"])
    with pytest.raises(ValueError, match="vectors must have shape"):
        VectorMapDisplay(np.ones(3))


def test_dollars_are_no_formulas_and_underscores_hide_no_group():
    display = VectorMapDisplay(RNG.normal(size=(3, 2)), ["$5^ to $10", "a", "b"], ["$$", "_x", "_x"]).plot()
    display.figure_.draw_without_rendering()
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == [" _x", r"\$\$"]


def test_vectors_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="vectors must be finite"):
        VectorMapDisplay([[0.0, np.nan], [1.0, 2.0]])
