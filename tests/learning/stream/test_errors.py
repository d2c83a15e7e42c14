"""Streams that cannot be trained on: `fit_stream` names the fault and leaves the estimator as it was."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import DivergenceError, FMClassifier, FMRegressor
from stream_cases import BUFFER_ROWS, assert_same_states, batches, make, rows


@pytest.fixture(scope="module")
def data():
    X, y = rows()
    return X, y > 0


def broken(X, column, value):
    X = X.copy()
    getattr(X, column)[5] = value
    return X


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (broken(X, "data", np.nan), y), r"batch 3 of the stream: .*NaN"),
        (lambda X, y: (broken(X, "indices", 10**6), y), r"batch 3 of the stream: X is not a valid CSR matrix"),
        (lambda X, y: (broken(X, "indices", -1), y), r"batch 3 of the stream: X is not a valid CSR matrix"),
        (lambda X, y: (X, y[:-1]), r"batch 3 of the stream: .*inconsistent numbers of samples: X has 100, y has 99"),
        (lambda X, y: (X, None), r"batch 3 of the stream: .*y"),
        (lambda X, y: (X, y, -np.ones(100)), r"batch 3 of the stream: sample_weight must not be negative"),
        (lambda X, y: (X.toarray()[:, :7], y), r"batch 3 of the stream: X has 7 features"),
        (lambda X, y: (X.toarray()[:, 0], y), r"batch 3 of the stream: .*(1D|dimension)"),
        (lambda X, y: (5, y), r"batch 3 of the stream: "),
        (lambda X, y: X, r"batch 3 of the stream must be a tuple \(X, y\)"),
        (lambda X, y: 5, r"batch 3 of the stream must be a tuple .* got an int"),
        (lambda X, y: (X,), r"batch 3 of the stream must be a tuple \(X, y\).* got a tuple of length 1"),
        (lambda X, y: (X, np.where(y, 2, 0)), r"batch 3 of the stream: y holds the class 2"),
    ],
)
def test_a_faulty_batch_is_named(data, change, message, fitted):
    parts = list(batches(*data, 100)())
    parts[3] = change(*parts[3])
    model = make()
    if fitted:
        model.fit(*data)
    before = dict(model.__dict__)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit_stream(parts, buffer_rows=BUFFER_ROWS)
    assert model.__dict__ == before


@pytest.mark.parametrize("cached", [False, True])
def test_an_error_of_the_stream_itself_comes_through(data, tmp_path, cached):
    def stream():
        yield from list(batches(*data, 100)())[:7]
        raise ConnectionError("the bucket is gone")

    model = make()
    with pytest.raises(ConnectionError, match="the bucket is gone"):
        model.fit_stream(stream, cache=tmp_path if cached else None, buffer_rows=BUFFER_ROWS)
    assert not hasattr(model, "_scorers")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_epochs": 0}, "n_epochs must be an integer of at least 1; got 0"),
        ({"n_epochs": 2.5}, "n_epochs must be an integer"),
        ({"buffer_rows": 0}, "buffer_rows must be an integer of at least 1"),
        ({"read_ahead": -1}, "read_ahead must be an integer of at least 0"),
        ({"checkpoint_every": -1.0}, "checkpoint_every must be a finite number of seconds"),
        ({"checkpoint_every": float("nan")}, "checkpoint_every must be a finite number of seconds"),
        ({"classes": [1]}, "classes must hold at least two classes"),
        ({"validation": iter([]), "n_epochs": 2}, "validation can be gone through only once"),
        ({"validation": []}, "validation gave no rows"),
    ],
)
def test_arguments_that_make_no_sense_are_named(data, arguments, message):
    with pytest.raises(ValueError, match=message):
        make().fit_stream(batches(*data, 100), **arguments)


def test_a_stream_that_is_none_is_refused(data):
    with pytest.raises(TypeError, match="batches must be an iterable of"):
        make().fit_stream(5)
    with pytest.raises(TypeError, match="a function that returned a NoneType"):
        make().fit_stream(lambda: None)
    with pytest.raises(ValueError, match="batches holds no rows"):
        make().fit_stream([])
    with pytest.raises(ValueError, match="can be gone through only once, and n_epochs is 2"):
        make().fit_stream(batches(*data, 100)(), 2)
    once = batches(*data, 100)()
    with pytest.raises(ValueError, match="gave no rows in epoch 2"):
        make().fit_stream(lambda: once, 2)


def test_classes_are_not_for_regression(data):
    with pytest.raises(ValueError, match="classes is for classifiers; FMRegressor has none"):
        make(FMRegressor).fit_stream(batches(*data, 100), classes=[0, 1])


def test_one_class_in_the_first_rows_needs_the_names_of_all(data):
    with pytest.raises(ValueError, match="name all of them with classes="):
        make().fit_stream(batches(data[0], np.zeros(data[0].shape[0]), 100))


def test_divergence_names_the_row_and_leaves_the_estimator(data):
    X, y = data
    stream = batches(X * 1e6, y * 1.0, 100)
    model = make(FMRegressor, solver="sgd").fit(X, y).set_params(learning_rate=1e6)
    before = dict(model.__dict__)
    with pytest.raises(DivergenceError, match="training diverged in epoch 1") as error:
        model.fit_stream(stream, 3, buffer_rows=BUFFER_ROWS)
    assert error.value.epoch == 1
    assert model.__dict__ == before


def test_divergence_leaves_the_best_epoch_that_was_validated(data):
    X, y = data
    epochs = iter([1.0, 1e38])
    arguments = {"validation": (X[:300], y[:300]), "buffer_rows": BUFFER_ROWS}
    model = make()
    with pytest.raises(DivergenceError, match=r"diverged in epoch 2 .* has the parameters of epoch 1") as error:
        model.fit_stream(lambda: batches(X * next(epochs), y, 100)(), 3, **arguments)
    assert error.value.kept_epoch == model.n_iter_ == 1
    assert len(model.history_["train_loss"]) == len(model.history_["val_loss"]) == 1
    assert_same_states(model, make().fit_stream(batches(X, y, 100), 1, **arguments))


def test_an_estimator_s_own_parameters_are_checked_first(data):
    with pytest.raises(ValueError, match="n_factors of FMClassifier"):
        FMClassifier(n_factors=-1).fit_stream(batches(*data, 100))


def test_sparse_batches_of_any_format_and_width_are_taken(data):
    X, y = data
    formats = [sp.csr_array, sp.csc_array, sp.coo_array, sp.csr_matrix, sp.lil_array]
    stream = []
    for number, first in enumerate(range(0, 1500, 300)):
        part = X[first : first + 300]
        part = part[:, : part.indices.max() + 1]  # no wider than it must be
        stream.append((formats[number](part), y[first : first + 300]))
    model = make().fit_stream(stream, 2, buffer_rows=BUFFER_ROWS)
    assert_same_states(model, make().fit_stream(batches(X, y, 300), 2, buffer_rows=BUFFER_ROWS))
