"""Negative sampling: a model of sampled negatives predicts the probabilities of all rows, wherever it goes."""

import numpy as np
import pytest
from scipy.special import logit
from sklearn.metrics import roc_auc_score

from fastfm_ext import DivergenceError, FMClassifier, FMEncoder, export_features, load_model, save_model
from fastfm_ext.datasets import fetch_adult
from fastfm_ext.explain import contributions
from fastfm_ext.metrics import calibration_ratio
from registries import SOLVERS

RATE = 0.2
EVERY_SOLVER = pytest.mark.parametrize("solver", SOLVERS)


def rows(n, seed):
    rng = np.random.default_rng(seed)
    X = np.zeros((n, 30))
    for first in (0, 10, 20):
        X[np.arange(n), first + rng.integers(0, 10, n)] = 1.0
    weights = np.random.default_rng(99).normal(size=30)
    return X, np.where(rng.random(n) < 1 / (1 + np.exp(2.5 - X @ weights)), "click", "no click")[:, None]


@pytest.fixture(scope="module")
def whole():
    X, y = rows(20_000, 1)
    return X, (y[:, 0] == "click").astype(int)


@pytest.fixture(scope="module")
def kept(whole):
    X, y = whole
    chosen = (y == 1) | (np.random.default_rng(2).random(len(y)) < RATE)
    return X[chosen], y[chosen]


def make(**params):
    defaults = {"n_factors": 2, "max_iter": 8, "random_state": 0, "early_stopping": False}
    return FMClassifier(**(defaults | params))


@EVERY_SOLVER
def test_probabilities_are_those_of_all_rows(whole, kept, solver):
    X, y = rows(20_000, 3)
    y = (y[:, 0] == "click").astype(int)
    plain = make(solver=solver).fit(*kept)
    corrected = make(solver=solver, negative_sampling_rate=RATE).fit(*kept)
    assert calibration_ratio(y, plain.predict_proba(X)[:, 1]) > 2
    assert calibration_ratio(y, corrected.predict_proba(X)[:, 1]) == pytest.approx(1, abs=0.05)


def test_on_adult_probabilities_are_those_of_all_rows(data_dir):
    pytest.importorskip("pandas")
    people, income = fetch_adult(path=data_dir / "ctr/adult/adult-uci.csv.gz", return_X_y=True)
    X, y = FMEncoder().fit_transform(people), (income == ">50K").to_numpy().astype(int)
    rng = np.random.default_rng(0)
    is_test = rng.random(len(y)) < 0.3
    kept = np.flatnonzero(~is_test & ((y == 1) | (rng.random(len(y)) < RATE)))
    judged = []
    for rate in (None, RATE):
        model = make(max_iter=5, negative_sampling_rate=rate).fit(X[kept], y[kept])
        p = model.predict_proba(X[np.flatnonzero(is_test)])[:, 1]
        judged.append((calibration_ratio(y[is_test], p), roc_auc_score(y[is_test], p)))
    assert judged[0][0] > 1.5
    assert judged[1][0] == pytest.approx(1, abs=0.05)
    assert judged[0][1] == pytest.approx(judged[1][1], abs=1e-5)


def test_the_odds_are_those_of_training_times_the_rate(whole, kept):
    X, _ = whole
    plain, corrected = make().fit(*kept), make(negative_sampling_rate=RATE).fit(*kept)
    p = plain.predict_proba(X)[:, 1]
    np.testing.assert_allclose(corrected.predict_proba(X)[:, 1], p / (p + (1 - p) / RATE), rtol=1e-5)
    np.testing.assert_allclose(corrected.decision_function(X), logit(corrected.predict_proba(X)[:, 1]), atol=1e-5)
    assert corrected.decision_function(X).dtype == np.float32
    np.testing.assert_array_equal(corrected.predict(X), corrected.decision_function(X) > 0)
    assert corrected.w0_ == pytest.approx(plain.w0_ + np.log(RATE))
    np.testing.assert_array_equal(corrected.w_, plain.w_)


def test_a_rate_of_1_changes_no_bit(whole, kept):
    X, _ = whole
    one = make(negative_sampling_rate=1).fit(*kept)
    np.testing.assert_array_equal(one.decision_function(X), make().fit(*kept).decision_function(X))


def test_rows_to_validate_on_are_all_rows(whole, kept):
    X, y = whole
    model = make(negative_sampling_rate=RATE).fit(*kept, X_val=X, y_val=y)
    p = model.predict_proba(X)[np.arange(len(y)), y]
    assert model.history_["val_loss"][model.best_epoch_ - 1] == pytest.approx(-np.log(p).mean(), rel=1e-5)
    streamed = make(negative_sampling_rate=RATE).fit_stream([kept], 2, validation=(X, y))
    p = streamed.predict_proba(X)[np.arange(len(y)), y]
    assert streamed.history_["val_loss"][streamed.best_epoch_ - 1] == pytest.approx(-np.log(p).mean(), rel=1e-5)


def test_rows_held_out_of_the_sample_are_of_the_sample(kept):
    corrected, plain = (make(early_stopping=True, negative_sampling_rate=rate).fit(*kept) for rate in (RATE, None))
    assert corrected.history_["val_loss"] == plain.history_["val_loss"]


@EVERY_SOLVER
def test_days_may_be_sampled_at_other_rates(whole, kept, solver):
    X, y = whole
    model = make(solver=solver, negative_sampling_rate=RATE).fit(*kept)
    before = model.decision_function(X)
    model.set_params(negative_sampling_rate=None)
    np.testing.assert_array_equal(model.decision_function(X), before)
    for first in range(0, 20_000, 2_000):
        model.partial_fit(X[first : first + 2_000], y[first : first + 2_000])
        assert calibration_ratio(y, model.predict_proba(X)[:, 1]) == pytest.approx(1, abs=0.1)
    model.set_params(negative_sampling_rate=RATE, warm_start=True).fit(*kept)
    assert calibration_ratio(y, model.predict_proba(X)[:, 1]) == pytest.approx(1, abs=0.1)


@EVERY_SOLVER
def test_parameters_of_another_program_are_those_of_all_rows(whole, kept, solver):
    X, y = whole
    full = make(solver=solver).fit(X, y)
    model = FMClassifier.from_parameters(
        full.w0_, full.w_, full.V_, solver=solver, negative_sampling_rate=RATE, random_state=0
    )
    np.testing.assert_allclose(model.decision_function(X), full.decision_function(X), atol=1e-5)
    model.partial_fit(kept[0][:500], kept[1][:500])
    assert calibration_ratio(y, model.predict_proba(X)[:, 1]) == pytest.approx(1, abs=0.1)


@EVERY_SOLVER
def test_a_failed_batch_leaves_the_model_as_it_was(whole, kept, solver):
    X, _ = whole
    model = make(solver=solver, negative_sampling_rate=RATE).fit(*kept)
    before = model.decision_function(X)
    model.set_params(negative_sampling_rate=0.5, learning_rate=1e30)
    huge = np.full((4, 30), 1e18)
    with pytest.raises(DivergenceError):
        model.partial_fit(huge, [0, 1, 0, 1])
    np.testing.assert_array_equal(model.decision_function(X), before)
    assert model._units.score_offset == pytest.approx(np.log(RATE))


def test_files_and_vectors_keep_the_correction(whole, kept, tmp_path):
    X, _ = whole
    model = make(negative_sampling_rate=RATE).fit(*kept)
    save_model(tmp_path / "model.fastfm", model)
    loaded = load_model(tmp_path / "model.fastfm").model
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.negative_sampling_rate == RATE
    users, items = X.copy(), X.copy()
    users[:, 10:], items[:, :10] = 0, 0
    scores = loaded.user_bias(users) + (loaded.user_vector(users) * loaded.item_vector(items)).sum(axis=1)
    np.testing.assert_allclose(scores, model.decision_function(X), atol=1e-5)
    assert loaded.user_bias(users).dtype == np.float32
    export_features(tmp_path / "parameters.npz", model)
    assert np.load(tmp_path / "parameters.npz")["w0"] == pytest.approx(model.w0_)


def test_a_checkpoint_is_of_its_rate(kept, tmp_path):
    path = tmp_path / "checkpoint"
    make(negative_sampling_rate=RATE).fit_stream([kept], 1, checkpoint=path)
    resumed = make(negative_sampling_rate=RATE).fit_stream([kept], 2, checkpoint=path)
    unbroken = make(negative_sampling_rate=RATE).fit_stream([kept], 2)
    np.testing.assert_array_equal(resumed.decision_function(kept[0]), unbroken.decision_function(kept[0]))
    with pytest.raises(ValueError, match="negative_sampling_rate was"):
        make().fit_stream([kept], 3, checkpoint=path)


def test_explanations_add_up_to_corrected_scores(whole, kept):
    X, _ = whole
    model = make(negative_sampling_rate=RATE).fit(*kept)
    explained = contributions(model, X[:5])
    np.testing.assert_allclose(explained.scores, model.decision_function(X[:5]), atol=1e-5)


def test_onnx_gives_corrected_probabilities(whole, kept):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from fastfm_ext import to_onnx

    X, _ = whole
    model = make(negative_sampling_rate=RATE).fit(*kept)
    session = onnxruntime.InferenceSession(to_onnx(model).SerializeToString())
    ids = np.argsort(-X[:50], axis=1, kind="stable")[:, :3]
    probabilities = session.run(["probabilities"], {"ids": ids, "values": np.ones(ids.shape, np.float32)})[0]
    np.testing.assert_allclose(probabilities, model.predict_proba(X[:50]), atol=1e-6)


def test_more_than_two_classes_are_refused(kept):
    X, y = kept
    with pytest.raises(ValueError, match="negative_sampling_rate needs two classes"):
        make(negative_sampling_rate=RATE).fit(X, np.arange(len(y)) % 3)


@pytest.mark.parametrize("rate", [0, -0.1, 1.5, float("nan"), "0.1", True])
def test_invalid_rates_are_refused(kept, rate):
    with pytest.raises(ValueError, match=r"^negative_sampling_rate of FMClassifier must be a number above 0"):
        make(negative_sampling_rate=rate).fit(*kept)
