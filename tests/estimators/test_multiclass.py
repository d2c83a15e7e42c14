"""More than two classes as one softmax: probabilities, history, streams, saved form."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from fastfm_ext import DivergenceError, FMClassifier, load_model, save_model
from registries import SOLVERS

LABELS = np.array(["high", "low", "middle"])


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 5))
    scores = np.stack([X[:, 0], X[:, 1] * X[:, 2], -X[:, 0] + X[:, 3]]) * 1.5 + rng.gumbel(size=(3, 900))
    return X, LABELS[scores.argmax(axis=0)]


def make(**params):
    settings = {"n_factors": 4, "max_iter": 20, "random_state": 0, "multi_class": "multinomial"}
    return FMClassifier(**(settings | params))


def test_probabilities_are_the_softmax_of_the_scores(rows):
    X, y = rows
    model = make().fit(X, y)
    scores = model.decision_function(X)
    assert scores.shape == (900, 3)
    assert model.V_.shape == (3, 5, 4)
    np.testing.assert_allclose(model.predict_proba(X), softmax(scores.astype(float), axis=1), rtol=1e-9)
    np.testing.assert_array_equal(model.predict(X), LABELS[scores.argmax(axis=1)])


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_learns_interactions_that_a_linear_model_misses(rows, solver):
    X, y = rows
    model = make(solver=solver, max_iter=60).fit(X[:700], y[:700])
    linear = LogisticRegression().fit(X[:700], y[:700])
    assert model.score(X[700:], y[700:]) > linear.score(X[700:], y[700:]) + 0.04


@pytest.mark.parametrize("weighted", [False, True])
def test_the_validation_loss_is_the_mean_cross_entropy(rows, weighted):
    X, y = rows
    weight = np.random.default_rng(1).integers(1, 4, 300).astype(float) if weighted else None
    model = make().fit(X[:600], y[:600], X_val=X[600:], y_val=y[600:], sample_weight_val=weight)
    best = model.history_["val_loss"][model.best_epoch_ - 1]
    assert best == pytest.approx(log_loss(y[600:], model.predict_proba(X[600:]), sample_weight=weight), rel=1e-5)


def test_the_training_loss_begins_at_that_of_the_rates(rows):
    X, y = rows
    rates = np.unique(y, return_counts=True)[1] / len(y)
    model = make(learning_rate=1e-9, init_stdev=0.0, max_iter=1).fit(X, y)
    assert model.history_["train_loss"][0] == pytest.approx(-(rates * np.log(rates)).sum(), rel=1e-3)
    np.testing.assert_allclose(model.predict_proba(X)[0], rates, atol=1e-3)


def test_without_factors_and_l2_it_is_multinomial_logistic_regression(rows):
    X, y = rows
    settings = {"n_factors": 0, "l2_w": 0.0, "max_iter": 2000, "tol": 1e-7, "learning_rate": 0.1}
    ours = make(**settings).fit(X, y)
    p = LogisticRegression(C=np.inf, tol=1e-8).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(ours.predict_proba(X), p, atol=0.04)
    assert log_loss(y, ours.predict_proba(X)) == pytest.approx(log_loss(y, p), abs=1e-3)


def test_two_classes_are_the_same_as_one_against_the_rest(rows):
    X, y = rows
    joint, each = make().fit(X, y == "low"), make(multi_class="ovr").fit(X, y == "low")
    np.testing.assert_array_equal(joint.predict_proba(X), each.predict_proba(X))
    assert joint.V_.shape == (5, 4)


def test_more_classes_differ_from_one_against_the_rest(rows):
    X, y = rows
    joint, each = make().fit(X, y), make(multi_class="ovr").fit(X, y)
    assert not np.allclose(joint.predict_proba(X), each.predict_proba(X), atol=1e-3)
    np.testing.assert_array_equal(each.V_, FMClassifier(4, max_iter=20, random_state=0).fit(X, y).V_)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_stream_in_order_gives_the_model_of_fit(rows, n_jobs):
    X, y = rows
    stream = [(X[begin : begin + 100], y[begin : begin + 100]) for begin in range(0, 900, 100)]
    streamed = make(shuffle=False, n_jobs=n_jobs).fit_stream(stream, 3, classes=LABELS)
    whole = make(shuffle=False, max_iter=3, early_stopping=False, n_jobs=1).fit(X, y)
    np.testing.assert_array_equal(streamed.V_, whole.V_)
    np.testing.assert_allclose(streamed.history_["train_loss"], whole.history_["train_loss"], rtol=1e-6)


def test_checkpoints_and_caches_of_a_stream_hold_all_classes(rows, tmp_path):
    X, y = rows
    stream = [(X[begin : begin + 300], y[begin : begin + 300]) for begin in range(0, 900, 300)]
    settings = {"validation": (X, y), "cache": tmp_path / "rows", "checkpoint": tmp_path / "checkpoint"}
    make().fit_stream(stream, 2, **settings)
    gone_on = make().fit_stream(stream, 4, **settings)
    whole = make().fit_stream(stream, 4, validation=(X, y), cache=tmp_path / "others")
    np.testing.assert_array_equal(gone_on.V_, whole.V_)


def test_batches_of_one_class_each_are_learned(rows):
    X, y = rows
    model = make(learning_rate=0.2)
    for label in LABELS:
        model.partial_fit(X[y == label], y[y == label], classes=LABELS)
    for _ in range(20):
        model.partial_fit(X, y)
    assert model.score(X, y) > make(learning_rate=0.2, early_stopping=False).fit(X, y).score(X, y) - 0.03


def test_class_weights_move_the_probabilities(rows):
    X, y = rows
    plain, weighted = make().fit(X, y), make(class_weight={"low": 5.0}).fit(X, y)
    assert weighted.predict_proba(X)[:, 1].mean() > plain.predict_proba(X)[:, 1].mean() + 0.1


def test_it_is_saved(rows, tmp_path):
    X, y = rows
    model = make().fit(X, y)
    save_model(tmp_path / "model.fm", model)
    loaded = load_model(tmp_path / "model.fm").model
    assert loaded.multi_class == "multinomial"
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_divergence_is_found_and_leaves_the_model_as_it_was(rows):
    X, y = rows
    model = make().fit(X, y)
    before = model.V_.copy()
    with pytest.raises(DivergenceError, match="diverged in epoch 1 with learning_rate=1e"):
        model.set_params(learning_rate=1e30).fit(X, y)
    np.testing.assert_array_equal(model.V_, before)


@pytest.mark.parametrize("value", ["softmax", None, 1], ids=repr)
def test_other_ways_to_learn_classes_are_refused(rows, value):
    with pytest.raises(ValueError, match="multi_class of FMClassifier must be one of"):
        make(multi_class=value).fit(*rows)
