"""`fit_stream` learns what `fit` learns, from batches of any kind and size, with and without a cache."""

import os
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from fastfm_ext import FMClassifier, FMRegressor
from registries import SOLVERS
from stream_cases import BUFFER_ROWS, N_ROWS, assert_same_states, batches, make, rows, target_of
from training_cases import ESTIMATORS


@pytest.fixture(scope="module")
def data():
    return rows()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_stream_in_order_gives_the_model_of_fit(data, estimator, solver):
    X, y = data[0], target_of(estimator, data[1])
    settings = {"solver": solver, "shuffle": False, "early_stopping": False}
    in_memory = make(estimator, max_iter=3, **settings).fit(X, y)
    streamed = make(estimator, **settings).fit_stream(batches(X, y, 170), 3, buffer_rows=N_ROWS)
    assert_same_states(streamed, in_memory)
    np.testing.assert_allclose(streamed.history_["train_loss"], in_memory.history_["train_loss"])
    assert streamed.n_iter_ == 3


def test_small_buffers_learn_as_well_as_fit(data):
    # Only the start differs: w0 begins at the mean of the first buffer.
    X, y = data
    in_memory = make(FMRegressor, max_iter=8, shuffle=False, early_stopping=False).fit(X, y)
    streamed = make(FMRegressor, shuffle=False).fit_stream(batches(X, y, 170), 8, buffer_rows=BUFFER_ROWS)
    assert streamed.history_["train_loss"][-1] == pytest.approx(in_memory.history_["train_loss"][-1], rel=0.05)


@pytest.mark.parametrize("cached", [False, True])
def test_the_size_of_the_batches_does_not_matter(data, tmp_path, cached):
    X, y = data[0], data[1] > 0
    cache = tmp_path if cached else None
    models = [
        make().fit_stream(batches(X, y, size), 3, buffer_rows=BUFFER_ROWS, cache=cache) for size in (7, 64, 999, N_ROWS)
    ]
    for model in models[1:]:
        assert_same_states(model, models[0])


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_cache_gives_the_rows_of_the_source(data, tmp_path, estimator):
    X, y = data[0], target_of(estimator, data[1])
    X = X * np.linspace(0.5, 40, X.shape[1])  # values, and columns that training scales
    weights = np.linspace(0, 2, N_ROWS)
    stream = batches(sp.csr_array(X), y, 170, weights)
    plain = make(estimator, shuffle=False).fit_stream(stream, 3, buffer_rows=BUFFER_ROWS)
    cached = make(estimator, shuffle=False).fit_stream(stream, 3, buffer_rows=BUFFER_ROWS, cache=tmp_path / "rows")
    assert_same_states(cached, plain)
    assert list((tmp_path / "rows").iterdir()) == []


def test_the_cache_is_read_in_another_order_in_each_epoch(data, tmp_path):
    X, y = data[0], data[1] > 0
    order = np.argsort(y, kind="stable")  # a buffer of the source holds one class only
    stream = batches(X[order], y[order], 100)
    settings = {"classes": [False, True], "buffer_rows": BUFFER_ROWS}
    cached = make().fit_stream(stream, 2, cache=tmp_path, **settings)
    plain = make().fit_stream(stream, 2, **settings)
    assert cached.score(X, y) > plain.score(X, y) + 0.02


def test_a_generator_is_enough_with_a_cache(data, tmp_path):
    X, y = data[0], data[1] > 0
    once = make().fit_stream(batches(X, y, 100)(), 3, buffer_rows=BUFFER_ROWS, cache=tmp_path)
    assert_same_states(once, make().fit_stream(batches(X, y, 100), 3, buffer_rows=BUFFER_ROWS, cache=tmp_path))


@pytest.mark.parametrize("read_ahead", [0, 1, 3])
def test_reading_ahead_changes_nothing_but_the_thread(data, read_ahead):
    X, y = data[0], data[1] > 0
    threads = set()

    def stream():
        threads.add(threading.current_thread())
        yield from batches(X, y, 100)()

    model = make().fit_stream(stream, 2, buffer_rows=BUFFER_ROWS, read_ahead=read_ahead)
    assert_same_states(model, make().fit_stream(batches(X, y, 100), 2, buffer_rows=BUFFER_ROWS))
    assert (threading.current_thread() in threads) == (read_ahead == 0) or len(threads) > 1
    assert not [t for t in threading.enumerate() if t.name == "fastfm-ext-reader"]


def test_rows_are_shuffled_inside_the_buffer_by_the_seed(data):
    X, y = data[0], data[1] > 0
    fit = lambda **params: make(**params).fit_stream(batches(X, y, 100), 1, buffer_rows=BUFFER_ROWS)  # noqa: E731
    assert_same_states(fit(), fit())
    assert not np.array_equal(fit().w_, fit(shuffle=False).w_)
    assert not np.array_equal(fit().w_, fit(random_state=4).w_)


@pytest.mark.parametrize("kind", ["arrays", "frames", "lists", "csc", "polars"])
def test_batches_are_anything_that_fit_takes(data, kind):
    X, y = data[0][:300].toarray(), data[1][:300] > 0
    polars = pytest.importorskip("polars") if kind == "polars" else None
    convert = {
        "arrays": np.asarray,
        "frames": lambda a: pd.DataFrame(a, columns=[f"c{i}" for i in range(a.shape[1])]),
        "lists": lambda a: a.tolist(),
        "csc": sp.csc_array,
        "polars": lambda a: polars.DataFrame(a),
    }[kind]
    stream = [(convert(X[first : first + 90]), y[first : first + 90].tolist()) for first in range(0, 300, 90)]
    model = make().fit_stream(stream, 2)
    assert_same_states(model, make().fit_stream(batches(sp.csr_array(X), y, 300), 2))
    assert hasattr(model, "feature_names_in_") == (kind in ("frames", "polars"))


def test_rows_without_weight_are_left_out_even_whole_batches(data):
    X, y = data[0], data[1] > 0
    weights = np.repeat([1.0, 0.0, 2.0], N_ROWS // 3)
    counted = weights > 0
    model = make().fit_stream(batches(X, y, 100, weights), 2, buffer_rows=BUFFER_ROWS)
    kept = make().fit_stream(batches(X[counted], y[counted], 100, weights[counted]), 2, buffer_rows=BUFFER_ROWS)
    assert_same_states(model, kept)


def test_empty_batches_are_passed_over(data):
    X, y = data[0], data[1] > 0
    stream = [(X[:0], y[:0]), (X[:700], y[:700]), (X[:0], y[:0]), (X[700:], y[700:])]
    assert_same_states(make().fit_stream(stream, 2), make().fit_stream(batches(X, y, 700), 2))


def test_several_classes_are_learned_even_if_the_first_rows_lack_some(data):
    X, y = data
    y = np.digitize(y, np.quantile(y, [0.3, 0.7]))
    order = np.argsort(y, kind="stable")
    stream = batches(X[order], y[order], 100)
    model = make().fit_stream(stream, 2, classes=[0, 1, 2], buffer_rows=BUFFER_ROWS)
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    with pytest.raises(ValueError, match=r"batch \d+ of the stream: y holds the class 2"):
        make().fit_stream(stream, 2, buffer_rows=700)


@pytest.mark.parametrize("as_stream", [False, True])
def test_the_best_epoch_is_kept_and_training_stops(data, as_stream):
    X, y = data[0], data[1] > 0
    X_val, y_val = rows(seed=5)
    y_val = y_val > 0
    validation = batches(X_val, y_val, 400) if as_stream else (X_val, y_val)
    model = make(n_iter_no_change=2, learning_rate=0.5)
    model.fit_stream(batches(X, y, 100), 60, validation=validation, buffer_rows=BUFFER_ROWS)
    losses = model.history_["val_loss"]
    assert model.n_iter_ == len(losses) < 60
    assert model.best_epoch_ == np.argmin(losses) + 1 < model.n_iter_
    p = model.predict_proba(X_val)[:, 1]
    log_loss = -np.mean(np.where(y_val, np.log(p), np.log1p(-p)))
    assert log_loss == pytest.approx(min(losses), rel=1e-5)


def test_a_warm_start_goes_on_and_a_cold_one_begins_anew(data):
    X, y = data[0], data[1] > 0
    stream = batches(X, y, 100)
    settings = {"shuffle": False, "warm_start": True}
    twice = make(**settings).fit_stream(stream, 1).fit_stream(stream, 1)
    assert_same_states(twice, make(**settings).fit_stream(stream, 2))
    anew = twice.set_params(warm_start=False).fit_stream(stream, 1)
    assert_same_states(anew, make(shuffle=False).fit_stream(stream, 1))


def test_a_streamed_model_goes_on_with_partial_fit_and_several_threads_learn_too(data):
    X, y = data
    model = make(FMRegressor, n_jobs=2).fit_stream(batches(X, y, 100), 5, buffer_rows=700)
    before = model.score(X, y)
    assert before > 0.5
    assert model.partial_fit(X, y).score(X, y) > before - 0.05


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals between threads")
@pytest.mark.parametrize("validated", [False, True])
def test_ctrl_c_leaves_what_has_been_learned(data, tmp_path, validated):
    X, y = data[0], data[1] > 0
    settings = {"buffer_rows": BUFFER_ROWS, "validation": (X, y) if validated else None}
    checkpoint = tmp_path / "fit.fastfm"

    def press_ctrl_c(progress):
        if (progress.epoch, progress.rows) == (2, 600):
            signal.raise_signal(signal.SIGINT)

    model = make()
    with pytest.raises(KeyboardInterrupt):
        model.fit_stream(batches(X, y, 100), 3, progress=press_ctrl_c, checkpoint=checkpoint, **settings)
    assert model.n_iter_ == 1
    assert model.predict(X).shape == (N_ROWS,)
    whole = make().fit_stream(batches(X, y, 100), 3, **settings)
    one_epoch = make().fit_stream(batches(X, y, 100), 1, **settings)
    if validated:
        assert_same_states(model, one_epoch)
    assert_same_states(make().fit_stream(batches(X, y, 100), 3, checkpoint=checkpoint, **settings), whole)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_twice_while_validating_leaves_the_last_whole_checkpoint(data, tmp_path):
    X, y = data[0], data[1] > 0
    checkpoint = tmp_path / "fit.fastfm"
    settings = {"buffer_rows": BUFFER_ROWS, "checkpoint": checkpoint, "checkpoint_every": 0.0}
    n_begun = []

    def validation():
        n_begun.append(True)
        yield X, y
        if len(n_begun) == 2:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    model = make()
    with pytest.raises(KeyboardInterrupt):
        model.fit_stream(batches(X, y, 100), 3, validation=validation, read_ahead=0, **settings)
    assert (model.n_iter_, len(model.history_["train_loss"])) == (1, 1)
    resumed = make().fit_stream(batches(X, y, 100), 3, validation=validation, **settings)
    checkpoint.unlink()
    assert_same_states(resumed, make().fit_stream(batches(X, y, 100), 3, validation=validation, **settings))


def test_a_second_ctrl_c_does_not_wait_for_a_slow_stream(data):
    X, y = data[0], data[1] > 0
    was_waiting = threading.Event()

    def slow():
        yield from batches(X, y, 100)()
        was_waiting.set()
        time.sleep(1)
        yield X, y

    def press_ctrl_c():
        was_waiting.wait(10)
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press_ctrl_c)
    presser.start()
    model = make()
    with pytest.raises(KeyboardInterrupt):
        model.fit_stream(slow, 1, buffer_rows=BUFFER_ROWS)
    presser.join()
    assert model.n_iter_ == 0
    assert np.isfinite(model.predict_proba(X)).all()


def test_a_classifier_s_labels_come_back(data):
    X, y = data
    model = make().fit_stream(batches(X, np.where(y > 0, "yes", "no"), 100), 2)
    assert set(model.predict(X)) == {"yes", "no"}
    assert isinstance(model, FMClassifier)
