"""Models that predict in some threads while another thread trains them: each answer is of the model before or after."""

import copy
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import FMClassifier, FMRanker, FMRegressor, load_model, save_model

N_READERS = 3
SCALE = 1e6  # of a numeric column, which training brings to unit size


def rows_of(n_features, n_rows=200, seed=0):
    rng = np.random.default_rng(seed)
    X = np.eye(n_features)[rng.integers(0, n_features - 1, n_rows)]
    X[:, -1] = SCALE * rng.normal(size=n_rows)
    return sp.csr_array(X), X[:, 0] + X[:, -1] / SCALE


def hammer(read, change, n_changes):
    """Read in some threads while another changes; return what was read, each answer once or more."""
    done = threading.Event()

    def reader():
        answers = []
        while not done.is_set():
            answers.append(read())
        return answers

    with ThreadPoolExecutor(N_READERS) as pool:
        readers = [pool.submit(reader) for _ in range(N_READERS)]
        try:
            for number in range(n_changes):
                change(number)
        finally:
            done.set()
        return [answer for each in readers for answer in each.result()]


def unless_of_another_width(read):
    """What is read, or None where the model has another number of features just now."""
    try:
        return read()
    except ValueError as error:
        if "features" not in str(error):
            raise
        return None


def is_one_of(answer, answers):
    return any(np.array_equal(answer, known) for known in answers)


def test_predictions_while_fitting_are_of_the_old_or_the_new_model():
    sizes = (300, 8)
    data = [rows_of(n) for n in sizes]
    models = [FMRegressor(4, max_iter=2, random_state=0).fit(*rows) for rows in data]
    model = copy.deepcopy(models[0])
    few = [rows[0][:3] for rows in data]
    expected = [m.predict(x) for m, x in zip(models, few, strict=True)]

    def read():
        return [unless_of_another_width(lambda x=x: model.predict(x)) for x in few]

    for answers in hammer(read, lambda number: model.fit(*data[(number + 1) % 2]), 20):
        for answer, known in zip(answers, expected, strict=True):
            assert answer is None or np.array_equal(answer, known)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_classes_and_scores_are_of_one_model(method):
    X, _ = rows_of(8)
    labels = [np.arange(200) % 2, 10 + np.arange(200) % 3]
    models = [FMClassifier(2, max_iter=2, random_state=0).fit(X, y) for y in labels]
    model = copy.deepcopy(models[0])
    known = [getattr(m, method)(X) for m in models]
    answers = hammer(lambda: getattr(model, method)(X), lambda n: model.fit(X, labels[(n + 1) % 2]), 20)
    assert all(is_one_of(answer, known) for answer in answers)


@pytest.mark.parametrize("read", ["predict", "user_vector", "item_vector", "user_bias"])
def test_answers_while_learning_are_of_the_model_between_two_batches(read):
    X, y = rows_of(50)
    model = FMRegressor(4, random_state=0).partial_fit(X, y)
    steps = [copy.deepcopy(model)]
    for _ in range(30):
        steps.append(copy.deepcopy(steps[-1]).partial_fit(X, y))
    known = [getattr(step, read)(X[:5]) for step in steps]
    answers = hammer(lambda: getattr(model, read)(X[:5]), lambda number: model.partial_fit(X, y), 30)
    assert all(is_one_of(answer, known) for answer in answers)
    np.testing.assert_array_equal(getattr(model, read)(X[:5]), known[-1])


def test_a_batch_that_fails_is_never_seen():
    X, y = rows_of(50)
    model = FMRegressor(4, random_state=0).partial_fit(X, y)
    expected = model.predict(X[:5])
    bad = X.copy()
    bad.data[-1] = 3e38

    def fail(number):
        with pytest.raises((ArithmeticError, ValueError)):
            model.set_params(learning_rate=1e30).partial_fit(bad, y)

    answers = hammer(lambda: model.predict(X[:5]), fail, 30)
    assert all(np.array_equal(answer, expected) for answer in answers)


def test_growth_and_streams_change_a_model_in_one_step():
    X, y = rows_of(50)
    model = FMRegressor(4, random_state=0).partial_fit(X, y)
    narrow = X[:5]

    def read():
        return unless_of_another_width(lambda: model.predict(narrow))

    before = model.predict(narrow)
    answers = hammer(read, lambda number: model.grow(51 + number), 30)
    assert all(answer is None or np.array_equal(answer, before) for answer in answers)
    trained = FMRegressor(4, random_state=0).fit_stream([(X, y)], 2)
    known = [trained.predict(narrow), FMRegressor(4, random_state=0).fit(*rows_of(50, seed=1)).predict(narrow)]
    model = FMRegressor(4, random_state=0).fit(*rows_of(50, seed=1))
    answers = hammer(read, lambda number: model.fit_stream([(X, y)], 2), 10)
    assert all(is_one_of(answer, known) for answer in answers)


def test_batches_in_several_threads_come_one_after_the_other():
    X, y = rows_of(50)
    model = FMRegressor(4, random_state=0).partial_fit(X, y)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: model.partial_fit(X, y), range(40)))
    assert model.n_iter_ == 41
    again = FMRegressor(4, random_state=0).partial_fit(X, y)
    for _ in range(40):
        again.partial_fit(X, y)
    np.testing.assert_array_equal(model.predict(X), again.predict(X))


def test_rankers_fold_in_while_they_learn():
    chosen = sp.csr_array(np.kron(np.eye(4), np.ones((5, 5))))
    users, items = sp.csr_array(np.eye(40)[:20]), sp.csr_array(np.eye(40)[20:])
    model = FMRanker(4, loss="bpr", max_iter=2, random_state=0).fit(users, items, chosen)
    vectors = model.item_vector(items)
    answers = hammer(lambda: model.fold_in([1, 2], vectors), lambda number: model.partial_fit(users, items, chosen), 30)
    assert all(np.array_equal(answer, answers[0]) for answer in answers), "it depends on the given vectors alone"


def saved(model, path):
    save_model(path, model)
    return load_model(path).model


def pickled(model, path):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("written", [saved, pickled, lambda model, path: copy.deepcopy(model)])
def test_a_model_is_saved_as_it_was_before_or_after_a_batch(written, tmp_path):
    X, y = rows_of(20_000, n_rows=300)
    model = FMRegressor(16, random_state=0).partial_fit(X, y)
    known, other = [model.predict(X)], copy.deepcopy(model)
    for _ in range(20):
        known.append(other.partial_fit(X, y).predict(X))
    again = hammer(
        lambda: written(model, tmp_path / f"{threading.get_ident()}.fm"), lambda _: model.partial_fit(X, y), 20
    )
    assert all(is_one_of(each.predict(X), known) for each in again)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_predict_and_learn(copied):
    X, y = rows_of(20)
    model = FMRegressor(4, random_state=0).fit(X, y)
    other = copied(model)
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    other.partial_fit(X, y)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_process_forked_while_a_batch_is_learned_can_predict():
    X, y = rows_of(50)
    model = FMRegressor(4, random_state=0).partial_fit(X, y)
    with model._scorers.access.writing():  # as by a thread that is not there in the child
        child = os.fork()
        if child == 0:
            os._exit(0 if np.isfinite(model.predict(X)).all() else 1)
        assert os.waitpid(child, 0)[1] == 0
