"""Graphs over features predict as the models do, and give their vectors."""

import numpy as np
import pytest
from scipy import sparse

from fastfm_ext import (
    BayesianFMClassifier,
    BayesianFMOrdinalClassifier,
    BayesianFMRegressor,
    FMClassifier,
    FMRanker,
    FMRegressor,
)
from onnx_cases import exported, ids_and_values, run

N_ROWS = 300


def rows(seed=0, n_rows=N_ROWS):
    """Rows of two ids and two numbers."""
    rng = np.random.default_rng(seed)
    ids = [np.eye(n)[rng.integers(0, n, n_rows)] for n in (12, 9)]
    return sparse.csr_array(np.column_stack([*ids, rng.normal(size=(n_rows, 2))])), rng


def far_rows(X):
    """The same rows, with a year and a column of seconds that some rows lack."""
    rng = np.random.default_rng(1)
    years = rng.integers(1990, 2021, len(X.indptr) - 1)
    seconds = rng.integers(1, 5, len(years)) * 900.0 * (rng.random(len(years)) < 0.9)
    return sparse.csr_array(sparse.hstack([X, years[:, None] + 0.5, seconds[:, None]]))


def targets_of(X, rng):
    return X @ rng.normal(size=X.shape[1]) + (X @ rng.normal(size=(X.shape[1], 2))).prod(axis=1)


REGRESSORS = {
    "FM": FMRegressor(max_iter=5, random_state=0),
    "FM without factors": FMRegressor(n_factors=0, max_iter=5, random_state=0),
    "FM that clips": FMRegressor(max_iter=20, clip_predictions=True, random_state=0),
    "ALS": FMRegressor(solver="als", max_iter=3, random_state=0),
    "Bayesian": BayesianFMRegressor(max_sweeps=15, keep="distilled", random_state=0),
    "Bayesian mean": BayesianFMRegressor(max_sweeps=15, keep="mean", random_state=0),
}
CLASSIFIERS = {
    "FM": FMClassifier(max_iter=5, random_state=0),
    "softmax": FMClassifier(multi_class="multinomial", max_iter=5, random_state=0),
    "probit": BayesianFMClassifier(max_sweeps=15, keep="distilled", random_state=0),
    "ordered probit": BayesianFMOrdinalClassifier(max_sweeps=15, keep="distilled", random_state=0),
}


@pytest.mark.parametrize("with_years", [False, True], ids=["ids", "years"])
@pytest.mark.parametrize("name", REGRESSORS)
def test_a_regressor_predicts_and_has_its_vectors(name, with_years):
    X, rng = rows()
    y = targets_of(X, rng)
    X = far_rows(X) if with_years else X
    model = REGRESSORS[name].fit(X, y)
    inputs = ids_and_values(X)
    np.testing.assert_allclose(run(exported(model), inputs)["score"], model.predict(X), rtol=2e-6, atol=1e-5)
    users = run(exported(model, what="user_vector"), inputs)
    scale = 1e-6 * max(1.0, np.abs(model.user_bias(X)).max())
    np.testing.assert_allclose(users["vector"], model.user_vector(X), rtol=1e-5, atol=scale)
    np.testing.assert_allclose(users["bias"], model.user_bias(X), rtol=1e-5, atol=scale)
    items = run(exported(model, what="item_vector"), inputs)["vector"]
    expected = model.item_vector(X)
    np.testing.assert_allclose(items, expected, rtol=1e-5, atol=1e-6 * max(1.0, np.abs(expected).max()))


def test_clipped_predictions_end_at_the_range():
    X, rng = rows()
    model = REGRESSORS["FM that clips"].fit(X, targets_of(X, rng))
    far = 5.0 * X
    found = run(exported(model), ids_and_values(far))["score"]
    low, high = model.target_range_.astype(np.float32)
    assert (found == low).any()
    assert (found == high).any()
    np.testing.assert_allclose(found, model.predict(far), rtol=1e-6, atol=1e-5)  # far from 0, too


@pytest.mark.parametrize("model", [FMRegressor(max_iter=5, random_state=0), REGRESSORS["Bayesian"]], ids=repr)
def test_targets_far_from_zero_stay_in_double_precision(model):
    X, rng = rows()
    y = 1e6 + targets_of(X, rng)
    model.fit(X, y)
    found = run(exported(model), ids_and_values(X))["score"]
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, model.predict(X), rtol=0, atol=1e-5)


@pytest.mark.parametrize("labels", [[3, 7, 20, 21], ["no", "maybe", "yes", "ja"], [1.0, 2.0, 3.0, 9.0]], ids=repr)
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_has_its_probabilities_and_labels(name, n_classes, labels):
    X, rng = rows()
    scores = targets_of(X, rng)
    codes = np.searchsorted(np.quantile(scores, np.arange(1, n_classes) / n_classes), scores)
    model = CLASSIFIERS[name].fit(X, np.array(labels)[codes])
    found = run(exported(model), ids_and_values(X))
    assert list(found) == ["label", "probabilities"]
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(found["label"], model.predict(X))


def test_a_classifier_of_truth_values_has_labels_of_truth_values():
    X, rng = rows()
    model = CLASSIFIERS["FM"].fit(X, targets_of(X, rng) > 0)
    label = run(exported(model), ids_and_values(X))["label"]
    assert label.dtype == bool
    np.testing.assert_array_equal(label, model.predict(X))


@pytest.mark.parametrize("name", ["FM", "probit"])
def test_rows_of_which_every_class_is_improbable_have_the_right_probabilities(name):
    X, rng = rows()
    model = CLASSIFIERS[name].fit(X, rng.integers(0, 4, N_ROWS))
    for params in model._scorers:
        params.tables["w0"][:, 0] -= 9.0
    found = run(exported(model), ids_and_values(X))["probabilities"]
    np.testing.assert_allclose(found, model.predict_proba(X), rtol=1e-4)


def test_a_bayesian_model_of_many_draws_is_exported_as_its_one_machine():
    X, rng = rows()
    y = targets_of(X, rng)
    all_draws = BayesianFMRegressor(max_sweeps=15, random_state=0).fit(X, y)
    expected = all_draws.user_bias(X)
    np.testing.assert_allclose(run(exported(all_draws), ids_and_values(X))["score"], expected, atol=1e-5)


RANKERS = {
    "cosine": FMRanker(n_factors=8, max_iter=3, random_state=0),
    "dot": FMRanker(n_factors=8, similarity="dot", max_iter=3, random_state=0),
    "bpr": FMRanker(n_factors=8, loss="bpr", max_iter=3, random_state=0),
    "squared": FMRanker(n_factors=8, loss="squared", max_iter=2, random_state=0),
    "cosine without factors of items": FMRanker(n_factors=4, max_iter=2, temperature=0.2, random_state=0),
}


@pytest.mark.parametrize("with_years", [False, True], ids=["ids", "years"])
@pytest.mark.parametrize("name", RANKERS)
def test_a_ranker_scores_pairs_and_has_its_vectors(name, with_years):
    rng = np.random.default_rng(0)
    sides = [sparse.hstack([sparse.eye_array(60), rng.integers(0, 2, (60, 3))])] * 2
    X_user = sparse.csr_array(sparse.hstack([sides[0], sparse.csr_array((60, 63))]))
    X_item = sparse.csr_array(sparse.hstack([sparse.csr_array((60, 63)), sides[1]]))
    if with_years:
        X_user, X_item = far_rows(X_user), far_rows(X_item)
    model = RANKERS[name].fit(X_user, X_item, sparse.random_array((60, 60), density=0.2, rng=0, format="csr"))
    X_user, X_item = X_user[rng.integers(0, 60, 200)], X_item[rng.integers(0, 60, 200)]
    users, items = model.user_vector(X_user), model.item_vector(X_item)
    inputs = ids_and_values(X_user, "user_") | ids_and_values(X_item, "item_")
    scale = np.abs(users * items).sum(axis=1).max()
    found = run(exported(model), inputs)["score"]
    np.testing.assert_allclose(found, (users * items).sum(axis=1), atol=1e-5 * max(1.0, 0.1 * scale))
    for what, X, expected in (("user_vector", X_user, users), ("item_vector", X_item, items)):
        found = run(exported(model, what=what), ids_and_values(X))["vector"]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * max(1.0, np.abs(expected).max()))


def test_users_that_are_what_they_chose_are_scored_by_their_histories():
    rng = np.random.default_rng(0)
    traits = np.zeros((40, 33), np.float32)
    traits[:, :3] = np.column_stack([rng.normal(size=(40, 2)), 2000 + rng.integers(0, 9, 40)])
    films = np.eye(30, 33, 3)
    chosen = sparse.random_array((40, 30), density=0.2, rng=0, format="csr")
    model = FMRanker(n_factors=4, user_history=True, max_iter=3, random_state=0).fit(traits, films, chosen)
    nobody = sparse.csr_array((1, 30))
    rows_of_users = model.with_history(sparse.vstack([chosen[:29], nobody]), traits[:30])
    users, items = model.user_vector(rows_of_users), model.item_vector(films)
    found = run(exported(model, what="user_vector"), ids_and_values(rows_of_users))["vector"]
    np.testing.assert_allclose(found, users, rtol=1e-4, atol=1e-4)
    found = run(exported(model, what="item_vector"), ids_and_values(films))["vector"]
    np.testing.assert_allclose(found, items, rtol=1e-4, atol=1e-5)
    inputs = ids_and_values(rows_of_users, "user_") | ids_and_values(films, "item_")
    np.testing.assert_allclose(run(exported(model), inputs)["score"], (users * items).sum(axis=1), atol=1e-4)


def test_one_row_and_rows_without_features_are_scored():
    X, rng = rows()
    model = REGRESSORS["FM"].fit(X, targets_of(X, rng))
    graph = exported(model)
    for few in (X[:1], sparse.csr_array((3, X.shape[1]))):
        np.testing.assert_allclose(run(graph, ids_and_values(few))["score"], model.predict(few), atol=1e-5)


def test_an_id_beyond_the_features_is_an_error():
    X, rng = rows()
    model = REGRESSORS["FM"].fit(X, targets_of(X, rng))
    inputs = {"ids": np.array([[X.shape[1]]]), "values": np.ones((1, 1), np.float32)}
    with pytest.raises(Exception, match="out of data bounds"):
        run(exported(model), inputs)
