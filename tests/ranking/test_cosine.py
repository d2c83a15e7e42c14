"""FMRanker with cosines: scores, temperature, start, step sizes, going on, saving, new users."""

import numpy as np
import pytest
import scipy.sparse as sp

import ranking_cases
from fastfm_ext import FMRanker, load_model, save_model
from fastfm_ext._learning.solvers.cosine_softmax import rate_of_epoch
from ranking_cases import assert_same_model, auc, make, scores_of

events = ranking_cases.events  # pytest finds fixtures among the names of the test's module


@pytest.fixture(scope="module")
def model(events):
    return make(temperature=0.2).fit(*events)


def test_the_inner_product_of_the_vectors_is_bias_and_cosine(events, model):
    X_user, X_item, _ = events
    S_u, S_t = X_user @ model.V_.astype(float), X_item @ model.V_.astype(float)
    lengths = np.linalg.norm(S_u, axis=1)[:, None] * np.linalg.norm(S_t, axis=1)
    expected = X_item @ model.w_ + S_u @ S_t.T / (0.2 * lengths)
    np.testing.assert_allclose(scores_of(model, X_user, X_item), expected, atol=1e-4)


def test_cosine_is_the_default_of_softmax_alone(events):
    assert make(max_iter=1).fit(*events).temperature_ is not None
    assert make(loss="bpr", max_iter=1).fit(*events).temperature_ is None
    assert make(similarity="dot", max_iter=1).fit(*events).temperature_ is None


def test_the_temperature_is_found_on_held_out_interactions(events):
    found = make(early_stopping=True).fit(*events).temperature_
    assert found != make(early_stopping=False).fit(*events).temperature_
    assert make(early_stopping=True, temperature=0.3).fit(*events).temperature_ == 0.3


def test_finding_the_temperature_changes_nothing_else(events):
    found = make(early_stopping=True).fit(*events)
    assert_same_model(found, make(early_stopping=True, temperature=found.temperature_).fit(*events))


def test_all_epochs_are_made_and_thirty_are_the_default(events):
    model = FMRanker(4, temperature=0.2, early_stopping=True, n_iter_no_change=1, random_state=0).fit(*events)
    assert model.n_iter_ == 30
    assert model.best_epoch_ == 1 + int(np.argmax(model.history_["val_score"]))


def test_step_sizes_fall_to_zero():
    rates = [rate_of_epoch(epoch, 20) for epoch in range(1, 21)]
    assert rates == sorted(rates, reverse=True)
    assert 0.99 < rates[0] < 1
    assert 0 < rates[-1] < 0.01
    assert rate_of_epoch(1, 1) == pytest.approx(0.5)


def test_a_spectral_start_tells_groups_apart_before_the_first_step(events):
    model = make(max_iter=1, learning_rate=1e-6, temperature=0.2).fit(*events)
    assert auc(scores_of(model, *events[:2]), events[2]) > 0.8


def test_items_without_a_history_are_ranked_by_their_features(events):
    X_user, X_item, chosen = events
    known = np.arange(X_item.shape[0]) >= 6
    model = make(temperature=0.2).fit(X_user, X_item[known], chosen[:, np.flatnonzero(known)])
    new = scores_of(model, X_user, X_item[~known])
    assert auc(new, chosen[:, np.flatnonzero(~known)]) > 0.8


def test_partial_fit_goes_on_at_the_same_temperature(events, model):
    before = scores_of(model, *events[:2])
    going_on = make(temperature=0.2).fit(*events)
    going_on.temperature = None
    going_on.partial_fit(*events)
    assert going_on.temperature_ == 0.2
    assert not np.array_equal(scores_of(going_on, *events[:2]), before)
    assert going_on.history_["train_loss"][-1] < going_on.history_["train_loss"][0]


@pytest.mark.parametrize(("before", "after"), [("cosine", "dot"), ("dot", "cosine")])
def test_another_similarity_cannot_go_on(events, before, after):
    model = make(similarity=before, max_iter=1).fit(*events)
    V = model.V_.copy()
    with pytest.raises(ValueError, match=f"similarity is now '{after}'"):
        model.set_params(similarity=after).partial_fit(*events)
    np.testing.assert_array_equal(model.V_, V)


def test_a_saved_ranker_keeps_its_temperature(events, tmp_path):
    model = make(early_stopping=True).fit(*events)
    save_model(tmp_path / "model", model)
    loaded = load_model(tmp_path / "model").model
    assert loaded.temperature_ == model.temperature_
    np.testing.assert_array_equal(scores_of(loaded, *events[:2]), scores_of(model, *events[:2]))
    assert_same_model(loaded.partial_fit(*events), model.partial_fit(*events))


@pytest.mark.parametrize("temperature", [0.0, -1.0, "warm", float("nan")])
def test_a_file_with_a_temperature_that_cannot_be_is_refused(model, temperature):
    meta, arrays = model._to_state()
    with pytest.raises(ValueError, match="temperature"):
        FMRanker._from_state(meta | {"temperature": temperature}, arrays)


def test_a_state_without_a_similarity_is_of_inner_products(events):
    meta, arrays = make(similarity="dot", max_iter=1).fit(*events)._to_state()
    for name in ("similarity", "temperature"):
        del meta["params"][name]
    del meta["temperature"]
    restored = FMRanker._from_state(meta, arrays)
    assert restored.similarity == "dot"
    restored.partial_fit(*events)


def test_a_new_user_gets_what_a_trained_one_with_the_same_choices_gets(events):
    X_user, X_item, chosen = events
    left_out = np.arange(0, X_user.shape[0], 7)
    others = chosen.tolil()
    others[left_out] = 0
    model = make(temperature=0.2).fit(X_user, X_item, sp.csr_array(others))
    vectors = model.fold_in(chosen[left_out], model.item_vector(X_item))
    np.testing.assert_allclose(np.linalg.norm(vectors[:, 1:], axis=1), 5.0, rtol=1e-4)
    assert auc(vectors @ model.item_vector(X_item).T, chosen[left_out]) > 0.9


def test_zero_factors_rank_by_popularity(events):
    X_user, X_item, chosen = events
    model = make(n_factors=0, temperature=0.2).fit(X_user, X_item, chosen)
    scores = scores_of(model, X_user, X_item)
    np.testing.assert_array_equal(scores[0], scores[1])
    assert np.corrcoef(scores[0], np.log(chosen.sum(axis=0)))[0, 1] > 0.9


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"similarity": "angle"}, "similarity of FMRanker must be one of"),
        ({"temperature": 0}, "temperature of FMRanker must be a number of at least 0.001"),
        ({"temperature": 5_000.0}, "temperature of FMRanker must be a number of at least 0.001"),
        ({"loss": "bpr", "similarity": "cosine"}, 'similarity="cosine" needs loss="softmax"'),
        ({"similarity": "dot", "temperature": 0.1}, 'temperature needs similarity="cosine"'),
        ({"max_iter": 0}, "max_iter of FMRanker must be an integer of at least 1, or None"),
    ],
)
def test_hyperparameters_that_will_not_do(events, params, message):
    with pytest.raises(ValueError, match=message):
        make(**params).fit(*events)


def test_numeric_columns_are_left_to_the_inner_product():
    """Of two numbers on each side, cosines would forget how large they are."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    chosen = (X[:40] @ X.T > 2.0).astype(float)
    assert FMRanker(4, max_iter=1).fit(X[:40], X, chosen).temperature_ is None
    assert FMRanker(4, max_iter=1, similarity="cosine").fit(X[:40], X, chosen).temperature_ is not None
    with_ids = np.hstack([X[:, :1], np.eye(60), np.eye(60)])
    assert FMRanker(4, max_iter=1).fit(with_ids[:40], with_ids, chosen).temperature_ is not None


def test_the_number_of_epochs_that_is_shown_follows_the_features(capsys):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 3))
    chosen = (X @ X.T > 1.0).astype(float)
    FMRanker(2, verbose=1, n_iter_no_change=1, tol=100.0, early_stopping=False).fit(X, X, chosen)
    assert "epoch   1/100 " in capsys.readouterr().out


def test_fitting_again_finds_the_temperature_anew(events):
    model = make(temperature=0.4).fit(*events).set_params(temperature=None, early_stopping=True)
    once = make(early_stopping=True).fit(*events)
    assert_same_model(model.fit(*events), once)
    assert model.temperature_ == once.temperature_ != 0.4
