import subprocess
import sys

import numpy as np
import pytest

from fastfm_ext import FMRegressor, plotting

figure_module = pytest.importorskip("matplotlib.figure")

HISTORY = {"train_loss": [0.6, 0.4, 0.3, 0.2], "val_loss": [0.62, 0.45, 0.44, 0.47], "seconds": [1, 1, 1, 1]}


def curves(ax):
    """The lines drawn, by the start of their labels."""
    return {line.get_label().split(":")[0]: line for line in ax.get_lines() if not line.get_label().startswith("_")}


def test_both_losses_are_drawn_over_epochs_from_one():
    lines = curves(plotting.plot_learning_curve(HISTORY))
    for name, key in (("training rows", "train_loss"), ("validation rows", "val_loss")):
        assert lines[name].get_xdata().tolist() == [1, 2, 3, 4]
        assert lines[name].get_ydata().tolist() == HISTORY[key]


def test_the_epoch_of_lowest_validation_loss_is_marked():
    mark = curves(plotting.plot_learning_curve(HISTORY))["best epoch"]
    assert mark.get_label() == "best epoch: 3 (loss 0.44)"
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (3, 0.44)


def test_the_epoch_to_mark_can_be_given():
    mark = curves(plotting.plot_learning_curve(HISTORY, best_epoch=2))["best epoch"]
    assert mark.get_label() == "best epoch: 2 (loss 0.45)"


@pytest.mark.parametrize("val_loss", [{}, {"val_loss": []}])
def test_without_validation_only_the_training_loss_is_drawn(val_loss):
    lines = curves(plotting.plot_learning_curve({"train_loss": [0.6, 0.4]} | val_loss))
    assert list(lines) == ["training rows"]


def test_a_nan_in_the_validation_loss_is_not_the_best_epoch():
    history = {"train_loss": [3.0, 2.0], "val_loss": [float("nan"), 2.0]}
    assert curves(plotting.plot_learning_curve(history))["best epoch"].get_xdata() == [2]
    history["val_loss"] = [float("nan")] * 2
    assert "best epoch" not in curves(plotting.plot_learning_curve(history))


def test_epochs_of_partial_fit_come_after_those_that_were_validated():
    X = np.random.default_rng(0).normal(size=(60, 3))
    model = FMRegressor(2, max_iter=3, random_state=0).fit(X, X[:, 0], X_val=X, y_val=X[:, 0]).partial_fit(X, X[:, 0])
    lines = curves(plotting.plot_learning_curve(model.history_))
    assert lines["training rows"].get_xdata().tolist() == [1, 2, 3, 4]
    assert lines["validation rows"].get_xdata().tolist() == [1, 2, 3]
    of_last = curves(plotting.plot_learning_curve(model.history_, best_epoch=4))["best epoch"]
    assert of_last.get_ydata()[0] == model.history_["train_loss"][3]


def test_one_epoch_can_be_seen():
    lines = curves(plotting.plot_learning_curve({"train_loss": [0.6], "val_loss": [0.7]}))
    assert lines["training rows"].get_marker() == "o"


def test_axes_are_labelled_and_epochs_are_whole_numbers():
    ax = plotting.plot_learning_curve({"train_loss": [0.6, 0.4, 0.3]})
    assert ax.get_xlabel() == "epoch"
    assert ax.get_ylabel() == "mean loss of a row"
    assert all(float(tick).is_integer() for tick in ax.get_xticks())


def test_it_draws_on_given_axes():
    ax = figure_module.Figure().add_subplot()
    assert plotting.plot_learning_curve(HISTORY, ax=ax) is ax


def test_it_can_be_saved_and_leaves_the_backend_alone(tmp_path):
    program = (
        "import sys; from fastfm_ext.plotting import plot_learning_curve\n"
        "assert 'matplotlib' not in sys.modules\n"
        "plot_learning_curve({'train_loss': [2, 1]}).figure.savefig(sys.argv[1])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    path = tmp_path / "curve.png"
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("history", "best_epoch", "message"),
    [
        ({}, None, "'train_loss'; it has no keys"),
        ({"loss": [1]}, None, "'train_loss'; it has 'loss'"),
        ({"train_loss": []}, None, r"one number an epoch, got shape \(0,\)"),
        ({"train_loss": [1, 2], "val_loss": [1, 2, 3]}, None, "must not have more epochs"),
        ({"train_loss": [1, 2]}, 3, "best_epoch must be from 1 to 2, the number of epochs, got 3"),
    ],
)
def test_a_wrong_history_is_refused(history, best_epoch, message):
    with pytest.raises(ValueError, match=message):
        plotting.plot_learning_curve(history, best_epoch=best_epoch)


def test_a_missing_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.ticker", None)
    with pytest.raises(ImportError, match='the extra "plot" of fastfm-ext: pip install "matplotlib>='):
        plotting.plot_learning_curve(HISTORY)
