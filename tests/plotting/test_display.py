"""A notebook shows a display as its picture, once."""

import pytest

from fastfm_ext.plotting import ImportanceDisplay

figure_module = pytest.importorskip("matplotlib.figure", reason="matplotlib is not installed")


def test_a_drawn_display_is_a_picture():
    assert ImportanceDisplay({"film": 0.4}).plot()._repr_png_().startswith(b"\x89PNG")


def test_a_display_that_is_not_drawn_yet_is_no_picture():
    assert ImportanceDisplay({"film": 0.4})._repr_png_() is None


def test_a_figure_that_pyplot_shows_is_not_shown_again():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    figure, ax = pyplot.subplots()
    try:
        assert ImportanceDisplay({"film": 0.4}).plot(ax=ax)._repr_png_() is None
    finally:
        pyplot.close(figure)
