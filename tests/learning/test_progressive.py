"""Progressive validation: figures of rows, each scored before the model has trained on it."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics import log_loss, roc_auc_score

from fastfm_ext import FMClassifier, FMRegressor, load_model, save_model
from fastfm_ext._learning.progressive import Periods
from fastfm_ext.metrics import calibration_ratio, normalized_entropy
from fastfm_ext.streaming import CsvSource, LibsvmSource, ParquetSource
from registries import SOLVERS
from stream_cases import Crash, batches, crash_after, make, rows

DAYS = np.repeat(["mon", "tue", "wed"], 500)


@pytest.fixture(scope="module")
def log():
    X, y = rows()
    return X, (y > 0).astype(int)


def row_by_row(X, y, **params):
    """Probabilities that each row has before a model is trained on it; the first row only has a base rate."""
    model, found = make(n_jobs=1, shuffle=False, **params), []
    for row in range(X.shape[0]):
        found.append(model.predict_proba(X[[row]])[0, 1] if row else np.nan)
        model.partial_fit(X[[row]], y[[row]], classes=[0, 1])
    return np.array(found)


@pytest.mark.parametrize("solver", SOLVERS)
def test_figures_are_those_of_rows_scored_before_their_steps(log, solver):
    X, y = log[0][:300], log[1][:300]
    model = make(solver=solver, shuffle=False).partial_fit(X[:1], y[:1], classes=[0, 1]).partial_fit(X[1:], y[1:])
    p, y = row_by_row(X, y, solver=solver)[1:], y[1:]
    figures = {name: values[1] for name, values in model.progressive_.items()}
    assert (figures["period"], figures["rows"], figures["rate"]) == (2, 299, pytest.approx(y.mean()))
    assert figures["loss"] == pytest.approx(log_loss(y, p), rel=1e-3)
    assert figures["normalized_entropy"] == pytest.approx(normalized_entropy(y, p), rel=1e-3)
    assert figures["calibration_ratio"] == pytest.approx(calibration_ratio(y, p), rel=1e-3)
    assert figures["auc"] == pytest.approx(roc_auc_score(y, p), abs=0.02)


def test_the_loss_of_a_call_is_that_of_its_history(log):
    X, y = log
    model = make()
    for first in range(0, 1500, 500):
        model.partial_fit(X[first : first + 500], y[first : first + 500], sample_weight=np.linspace(0, 2, 500))
    assert model.progressive_["loss"] == pytest.approx(model.history_["train_loss"], rel=1e-5)
    assert model.progressive_["period"] == [1, 2, 3]
    assert model.progressive_["rows"] == [499, 499, 499]


@pytest.mark.parametrize("n_rows", [70, 500, 1500])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_periods_are_told_apart_whatever_the_batches_and_buffers(log, n_rows, n_jobs):
    X, y = log
    stream = [
        (X[first : first + n_rows], y[first : first + n_rows], None, DAYS[first : first + n_rows])
        for first in range(0, 1500, n_rows)
    ]
    model = make(n_jobs=n_jobs).fit_stream(stream, n_epochs=2, buffer_rows=400)
    figures = model.progressive_
    assert (figures["period"], figures["rows"]) == (["mon", "tue", "wed"], [500] * 3)
    assert figures["rate"] == pytest.approx([y[day == DAYS].mean() for day in ("mon", "tue", "wed")])
    assert np.mean(figures["loss"]) == pytest.approx(model.history_["train_loss"][0], rel=1e-5)


def test_without_periods_each_buffer_is_one(log):
    losses = []
    model = make().fit_stream(
        batches(*log, 100), n_epochs=2, buffer_rows=400, progress=lambda seen: losses.append(seen.loss)
    )
    assert model.progressive_["rows"] == [400, 400, 400, 300]
    assert model.progressive_["period"] == [1, 2, 3, 4]
    assert model.progressive_["loss"] == pytest.approx(losses[:4], rel=1e-5)


def test_a_batch_may_have_one_period(log):
    X, y = log
    stream = [(X[:900], y[:900], None, 20141021), (X[900:], y[900:], None, 20141022)]
    assert make().fit_stream(stream).progressive_["period"] == [20141021, 20141022]


def test_as_many_periods_as_rows_are_wanted(log):
    with pytest.raises(ValueError, match="period must be one label"):
        make().fit_stream([(*log, None, ["mon"] * 3)])


def test_a_period_that_comes_again_is_another_one():
    periods = Periods()
    for first, period in ((0, "a"), (10, None), (20, np.array(["a", "b", "b"])), (23, np.datetime64("2014-10-21"))):
        periods.add(first, 3, period)
    labels, codes = periods.of(np.array([25, 0, 21, 12, 20]))
    assert labels == ["a", None, "b", "2014-10-21"]
    assert [labels[code] for code in codes] == ["2014-10-21", "a", "b", None, "a"]


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_files_and_columns_name_periods(log, tmp_path, suffix):
    pytest.importorskip("pyarrow")
    X, y = log
    table = pd.DataFrame({"x": X[:, :20].toarray().argmax(axis=1) * 0.5, "y": y, "day": DAYS})
    for name, part in zip("abc", np.array_split(np.arange(1500), 3), strict=True):
        path, some = tmp_path / f"{name}.{suffix}", table.iloc[part]
        some.to_parquet(path) if suffix == "parquet" else some.to_csv(path, index=False)
    kind = ParquetSource if suffix == "parquet" else CsvSource
    by_column = kind(tmp_path, target="y", period="day", batch_rows=300)
    assert make().fit_stream(by_column).progressive_["period"] == ["mon", "tue", "wed"]
    by_file = kind(tmp_path, lambda table: table.column("x").to_numpy()[:, None], target="y")
    assert make().fit_stream(by_file).progressive_["period"] == [f"{name}.{suffix}" for name in "abc"]


def test_text_files_name_periods(tmp_path):
    for name in ("20141021", "20141022"):
        (tmp_path / f"{name}.libsvm").write_text("1 0:1\n0 1:1\n" * 20)
    model = make().fit_stream(LibsvmSource(tmp_path, n_features=2))
    assert model.progressive_["period"] == ["20141021.libsvm", "20141022.libsvm"]


def test_a_fit_that_is_taken_up_again_has_the_figures_of_one_that_was_not_broken(log, tmp_path):
    X, y = log
    stream = [(X[:900], y[:900], None, "mon"), (X[900:], y[900:], None, "tue")]
    path = tmp_path / "checkpoint"
    whole = make().fit_stream(stream, 2, buffer_rows=200)
    with pytest.raises(Crash):
        make().fit_stream(stream, 2, buffer_rows=200, checkpoint=path, checkpoint_every=0, progress=crash_after(5))
    resumed = make().fit_stream(stream, 2, buffer_rows=200, checkpoint=path)
    assert resumed.progressive_ == whole.progressive_


def test_regressions_and_several_classes_have_their_loss(log):
    X, y = log
    model = FMRegressor(n_factors=4, random_state=0).partial_fit(X, 3.0 * y + 1000)
    assert model.progressive_ == {"period": [1], "rows": [1500], "loss": pytest.approx(model.history_["train_loss"])}
    for multi_class in ("ovr", "multinomial"):
        model = make(multi_class=multi_class).fit_stream([(X, np.arange(1500) % 3)])
        assert model.progressive_["loss"] == pytest.approx(model.history_["train_loss"], rel=1e-5)
        assert set(model.progressive_) == {"period", "rows", "loss"}


def test_a_period_of_one_class_has_no_auc(log):
    X, y = log
    model = make().fit(X, y).partial_fit(X[:3], [0, 0, 0]).partial_fit(X[:3], [1, 1, 1])
    assert np.isnan(model.progressive_["auc"]).all()
    assert np.isnan(model.progressive_["normalized_entropy"]).all()
    assert np.isnan(model.progressive_["calibration_ratio"]).tolist() == [True, False]
    assert np.isfinite(model.progressive_["loss"]).all()


def test_files_keep_the_figures_and_fit_forgets_them(log, tmp_path):
    model = make(max_iter=2, early_stopping=False).partial_fit(*log).partial_fit(log[0][:2], [0, 0])
    save_model(tmp_path / "model.fastfm", model)
    restored = load_model(tmp_path / "model.fastfm").model
    np.testing.assert_equal(restored.progressive_, model.progressive_)
    assert restored.partial_fit(*log).progressive_["period"] == [1, 2, 3]
    assert not hasattr(restored.fit(*log), "progressive_")


def test_lines_of_progress_tell_the_figures_of_each_period(log, capsys):
    X, y = log
    make(verbose=1).fit_stream([(X[:900], y[:900], None, "mon"), (X[900:], y[900:], None, "tue")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[:2] for line in lines[:2]] == [["mon", "900 rows"], ["tue", "600 rows"]]
    assert all(word in lines[0] for word in ("log loss", "AUC", "normalized entropy", "calibration"))


def test_a_growing_stream_has_figures(log):
    X, y = log
    narrow = sp.csr_array(X[:700, :40])
    model = FMClassifier(n_factors=4, random_state=0).fit_stream(
        [(narrow, y[:700], None, 1), (X[700:], y[700:], None, 2)]
    )
    assert model.progressive_["rows"] == [700, 800]
