"""Those who are told of a fit: callbacks after each epoch, which may end it, and progress bars."""

import io
import re

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import DivergenceError, FMClassifier, FMRanker, FMRegressor
from fastfm_ext._estimators import listeners
from fastfm_ext.fm import FitProgress

N_EPOCHS = 6


@pytest.fixture(scope="module")
def data():
    """Rows with a target that hangs on a product, and choices of users whose features are their ids."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    y = X[:, 0] + X[:, 1] * X[:, 2] > 0
    chosen = sp.csr_array((rng.random((40, 12)) < 0.3).astype(np.float32))
    users, items = sp.eye_array(40, 52, format="csr"), sp.eye_array(12, 52, k=40, format="csr")
    return {"rows": (X, y), "choices": (users, items, chosen)}


def train(kind, data, model=None, **arguments):
    """Fit an estimator of a kind; return it."""
    X, y = data["rows"]
    params = {"n_factors": 3, "max_iter": N_EPOCHS, "early_stopping": False, "random_state": 0}
    if kind == "FMRanker":
        return (model or FMRanker(**params)).fit(*data["choices"], **arguments)
    if kind == "stream":
        return (model or FMClassifier(**params)).fit_stream([(X, y)], N_EPOCHS, **arguments)
    estimator = {"FMRegressor": FMRegressor, "FMClassifier": FMClassifier}[kind]
    return (model or estimator(**params)).fit(X, y.astype(float), **arguments)


KINDS = ["FMRegressor", "FMClassifier", "FMRanker", "stream"]
of_every_kind = pytest.mark.parametrize("kind", KINDS)


@of_every_kind
def test_a_callback_is_told_of_each_epoch(data, kind):
    told = []
    model = train(kind, data, callback=told.append)
    assert [progress.epoch for progress in told] == list(range(1, N_EPOCHS + 1))
    assert all(isinstance(p, FitProgress) and p.max_iter == N_EPOCHS and p.best_epoch == p.epoch for p in told)
    assert told[-1].history == model.history_
    assert told[2].history["train_loss"] == model.history_["train_loss"][:3]


@of_every_kind
def test_a_callback_changes_nothing_of_the_model_or_its_history(data, kind):
    def spoil(progress):
        progress.history["train_loss"].clear()

    model, alone = train(kind, data, callback=spoil), train(kind, data)
    np.testing.assert_array_equal(model.V_, alone.V_)
    assert model.history_["train_loss"] == alone.history_["train_loss"]


@pytest.mark.parametrize("answer", [True, np.True_])
@of_every_kind
def test_true_ends_the_training(data, kind, answer):
    model = train(kind, data, callback=lambda progress: answer if progress.epoch == 2 else None)
    assert model.n_iter_ == model.best_epoch_ == 2


@pytest.mark.parametrize("answer", [None, False, 0, 1, "yes", [True]], ids=repr)
def test_any_other_answer_ends_nothing(data, answer):
    assert train("FMRegressor", data, callback=lambda progress: answer).n_iter_ == N_EPOCHS


def test_where_training_ends_by_a_callback_the_best_epoch_is_kept(data):
    X, y = data["rows"]
    held_out = {"X_val": X, "y_val": ~y}  # the better a model, the worse on these
    told = []
    model = FMClassifier(n_factors=3, random_state=0).fit(
        X, y, **held_out, callback=lambda p: told.append(p) or p.epoch == 3
    )
    assert (model.n_iter_, model.best_epoch_) == (3, 1)
    assert [p.best_epoch for p in told] == [1, 1, 1]
    first = FMClassifier(n_factors=3, random_state=0).fit(X, y, **held_out, callback=lambda p: True)
    np.testing.assert_array_equal(model.V_, first.V_)


@pytest.mark.parametrize("fitted", [False, True])
@of_every_kind
def test_an_error_in_a_callback_leaves_the_estimator_as_it_was(data, kind, fitted):
    model = train(kind, data) if fitted else train(kind, data).__class__(n_factors=3, max_iter=N_EPOCHS)
    before = dict(vars(model))

    def fail(progress):
        raise LookupError("of the callback")

    with pytest.raises(LookupError, match="of the callback"):
        train(kind, data, model, callback=fail)
    assert vars(model) == before


def test_a_callback_that_ends_a_stream_leaves_a_checkpoint_to_go_on_from(data, tmp_path):
    X, y = data["rows"]
    stream, checkpoint = [(X, y)], tmp_path / "checkpoint"

    def make():
        return FMClassifier(n_factors=3, random_state=0)

    make().fit_stream(stream, N_EPOCHS, checkpoint=checkpoint, callback=lambda p: p.epoch == 2)
    gone_on = make().fit_stream(stream, N_EPOCHS, checkpoint=checkpoint)
    np.testing.assert_array_equal(gone_on.V_, make().fit_stream(stream, N_EPOCHS).V_)


@pytest.mark.parametrize("name", ["callback", "progress"])
def test_what_cannot_be_called_is_refused_before_training(data, name):
    with pytest.raises(TypeError, match=f"{name} must be a function of one argument; got 3"):
        train("stream", data, **{name: 3})


# --- bars ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def bars(monkeypatch):
    """Let bars appear at once, on a screen that can be read; return it."""
    tqdm = pytest.importorskip("tqdm.auto").tqdm
    screen = io.StringIO()
    monkeypatch.setattr(listeners, "BAR_DELAY", 0)
    monkeypatch.setattr(tqdm, "__init__", _written_to(screen, tqdm.__init__))
    return screen


def _written_to(screen, init):
    return lambda self, *args, **kwargs: init(self, *args, **{**kwargs, "file": screen, "mininterval": 0, "ncols": 150})


@pytest.mark.parametrize("kind", ["FMRegressor", "FMClassifier", "FMRanker"])
def test_a_bar_counts_epochs_and_shows_the_loss(data, bars, capsys, kind):
    model = train(kind, data).set_params(verbose="bar")
    train(kind, data, model)
    last = bars.getvalue().split("\r")[-1]
    assert re.search(rf"100%.*{N_EPOCHS}/{N_EPOCHS} .*train .*\d\.\d+", last)
    assert last.endswith("\n"), "the bar is closed"
    assert capsys.readouterr() == ("", "")


def test_a_bar_of_a_stream_counts_rows(data, bars):
    X, y = data["rows"]
    model = FMClassifier(n_factors=3, verbose="bar", random_state=0)
    model.fit_stream([(X[:200], y[:200]), (X[200:], y[200:])], 3, buffer_rows=100)
    shown = bars.getvalue().split("\r")
    assert any("epoch 1/3: 200 rows" in each for each in shown), "before anybody knows how many rows there are"
    assert re.search(r"epoch 3/3: 100%.* 900/900 .*train log loss \d\.\d+", shown[-1])


def test_a_bar_ends_with_a_fit_that_fails(data, bars):
    X, y = data["rows"]
    with pytest.raises(DivergenceError):
        FMRegressor(solver="sgd", learning_rate=1e30, verbose="bar").fit(X, y)
    assert bars.getvalue().endswith("\n")


def test_partial_fit_shows_no_bar(data, bars, capsys):
    X, y = data["rows"]
    FMClassifier(n_factors=3, verbose="bar").partial_fit(X, y)
    assert bars.getvalue() == ""
    assert capsys.readouterr() == ("", "")


def test_a_bar_without_tqdm_names_the_extra(data, monkeypatch):
    def no_module(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr("fastfm_ext._common.extras.import_module", no_module)
    with pytest.raises(ImportError, match=r"tqdm is not installed. Install .*progress"):
        train("FMRegressor", data, FMRegressor(verbose="bar"))


def test_short_fits_show_no_bar(data, capsys):
    pytest.importorskip("tqdm")
    train("FMRegressor", data, FMRegressor(max_iter=2, verbose="bar"))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("value", ["line", -1, 1.5, None], ids=repr)
def test_other_ways_to_show_progress_are_refused(data, value):
    with pytest.raises(ValueError, match=r'verbose of FMRegressor must be 0 for silence, 1 .*, or "bar"'):
        train("FMRegressor", data, FMRegressor(verbose=value))
