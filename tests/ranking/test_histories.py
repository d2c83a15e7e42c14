"""Rankers that represent users by what they chose."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError

from fastfm_ext import FMRanker, ItemIndex, evaluate, load_model, recommend, save_model
from fastfm_ext._engine.scipy_matrices import as_scipy
from fastfm_ext._learning.held_out import HeldOutChoices
from fastfm_ext.metrics import recall_at_k
from fastfm_ext.ranking import base

N_USERS, N_ITEMS = 60, 30
QUICK = {"n_factors": 8, "user_history": True, "early_stopping": False, "random_state": 0}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def tastes(rng, n_users):
    """What users of two tastes chose: mostly items of their own half."""
    likes = np.arange(n_users)[:, None] % 2 == np.arange(N_ITEMS) % 2
    return sp.csr_array(rng.random((n_users, N_ITEMS)) < np.where(likes, 0.4, 0.02)).astype(np.float32)


@pytest.fixture
def chosen(rng):
    return tastes(rng, N_USERS)


def fit(chosen, X_user=None, X_item=None, **params):
    X_item = sp.eye_array(N_ITEMS, format="csr") if X_item is None else X_item
    return FMRanker(**(QUICK | params)).fit(X_user, X_item, chosen)


def test_users_who_came_after_training_get_items_of_their_taste(chosen, rng):
    model = fit(chosen)
    users = model.user_vector(model.with_history(tastes(rng, 20)))
    scores = users @ model.item_vector(np.eye(N_ITEMS)).T
    likes = np.arange(20)[:, None] % 2 == np.arange(N_ITEMS) % 2
    assert recall_at_k(np.argsort(-scores, axis=1), sp.csr_array(likes), k=15) > 0.9
    assert model.V_.shape == (N_ITEMS, 8)
    assert model.history_V_.shape == (N_ITEMS, 8)
    assert model.w_.shape == (N_ITEMS,)


def test_a_vector_is_the_sum_of_the_history_at_the_length_of_cosines(chosen):
    model = fit(chosen)
    history = np.zeros((2, N_ITEMS))
    history[0, [3, 5, 8]] = 1.0, 2.0, 0.5  # weights do not matter
    vectors = model.user_vector(model.with_history(history))
    total = model.history_V_[[3, 5, 8]].sum(axis=0)
    np.testing.assert_allclose(vectors[0, 1:], total / np.linalg.norm(total) / model.temperature_, rtol=1e-5)
    np.testing.assert_array_equal(vectors[1], [1.0, *[0.0] * 8])


def test_features_of_users_count_beside_their_histories(chosen):
    X_user = np.zeros((N_USERS, N_ITEMS + 2))
    X_user[np.arange(N_USERS), N_ITEMS + np.arange(N_USERS) % 2] = 1.0
    model = fit(chosen, X_user, np.eye(N_ITEMS, N_ITEMS + 2))
    history = np.zeros((2, N_ITEMS))
    history[:, [0, 1, 2, 3]] = 1.0
    vectors = model.user_vector(model.with_history(history, X_user[:2]))
    sums = model.V_[N_ITEMS:] + model.history_V_[:4].sum(axis=0) / 2
    expected = sums / np.linalg.norm(sums, axis=1, keepdims=True) / model.temperature_
    np.testing.assert_allclose(vectors[:, 1:], expected, rtol=1e-4, atol=1e-5)
    strangers = model.user_vector(model.with_history(np.zeros((2, N_ITEMS)), X_user[:2]))
    even = model.item_vector(np.eye(N_ITEMS, N_ITEMS + 2))[:, 1:] @ strangers[:, 1:].T
    assert even[::2, 0].mean() > even[::2, 1].mean()


def test_numeric_features_far_from_zero_are_centered(chosen, rng):
    X_user = np.zeros((N_USERS, N_ITEMS + 1))
    X_user[:, -1] = 2000.0 + rng.integers(0, 20, N_USERS)
    model = fit(chosen, X_user, np.eye(N_ITEMS, N_ITEMS + 1))
    shifted = fit(chosen, X_user - np.r_[np.zeros(N_ITEMS), 1000.0], np.eye(N_ITEMS, N_ITEMS + 1))
    np.testing.assert_allclose(model.history_V_, shifted.history_V_, rtol=1e-3, atol=1e-4)


def test_items_are_known_by_their_features_too(chosen):
    genres = np.zeros((N_ITEMS, 2))
    genres[np.arange(N_ITEMS), np.arange(N_ITEMS) % 2] = 1.0
    model = fit(chosen, X_item=genres)
    items = model.item_vector(genres[:2])
    users = model.user_vector(model.with_history(np.eye(2, N_ITEMS)))
    assert (np.argmax(users @ items.T, axis=1) == [0, 1]).all()


def test_evaluate_and_recommend_take_rows_with_histories(chosen):
    seen = chosen.copy()
    seen.data[::4] = 0.0
    seen.eliminate_zeros()
    model, items = fit(seen), sp.eye_array(N_ITEMS, format="csr")
    rows = model.with_history(seen)
    assert evaluate(model, rows, items, chosen - seen, seen=seen, k=10)["recall@10"] > 0.6
    (batch,) = recommend(model, ItemIndex().fit(model.item_vector(items)), rows, n=3, exclude=seen)
    assert not seen[np.arange(N_USERS)[:, None], batch.ids].todense().any()


def test_fold_in_is_the_vector_of_the_history(chosen):
    model = fit(chosen)
    items = model.item_vector(np.eye(N_ITEMS))
    whole = model.user_vector(model.with_history(chosen))
    np.testing.assert_array_equal(model.fold_in(chosen, items), whole)
    np.testing.assert_array_equal(model.fold_in(chosen[[7]].indices, items), whole[7])


def test_no_history_has_what_early_stopping_holds_out(chosen, monkeypatch):
    kept = []

    def of(*args):
        kept.append(HeldOutChoices.of(*args))
        return kept[-1]

    monkeypatch.setattr(base, "HeldOutChoices", SimpleNamespace(of=of))
    fit(chosen, early_stopping=True, max_iter=2, temperature=0.1)
    (held_out,) = kept
    histories = as_scipy(held_out.users)[:, N_ITEMS:]
    assert histories.multiply(held_out.relevant).nnz == 0
    assert histories.nnz > held_out.relevant.nnz > 0


def test_the_same_seed_gives_the_same_bits(chosen):
    models = [fit(chosen, random_state=seed) for seed in (3, 3, 4)]
    for name in ("history_V_", "V_", "w_"):
        first, second, third = (getattr(model, name) for model in models)
        np.testing.assert_array_equal(first, second)
        assert (first != third).any()


def test_training_goes_on_by_batches_and_by_a_warm_start(chosen):
    model = fit(chosen)
    before = model.history_V_.copy()
    model.partial_fit(None, sp.eye_array(N_ITEMS, format="csr"), chosen[:5])
    touched = np.zeros(N_ITEMS, dtype=bool)
    touched[chosen[:5].indices] = True
    assert (model.history_V_ != before)[touched].any()
    np.testing.assert_array_equal(model.history_V_[~touched], before[~touched])
    again = model.set_params(warm_start=True, max_iter=1).fit(None, sp.eye_array(N_ITEMS, format="csr"), chosen)
    assert again.n_items_in_ == N_ITEMS


def test_a_saved_model_gives_the_same_vectors(chosen, tmp_path):
    model = fit(chosen)
    save_model(tmp_path / "m.fastfm", model)
    loaded = load_model(tmp_path / "m.fastfm").model
    rows = model.with_history(chosen)
    np.testing.assert_array_equal(loaded.user_vector(rows), model.user_vector(rows))
    np.testing.assert_array_equal(loaded.history_V_, model.history_V_)


def test_a_ranker_without_histories_has_no_part_for_them(chosen):
    both = sp.eye_array(N_USERS + N_ITEMS, format="csr")
    model = fit(chosen, both[:N_USERS], both[N_USERS:])
    model = model.set_params(user_history=False).fit(both[:N_USERS], both[N_USERS:], chosen)
    assert not hasattr(model, "history_V_")
    assert not hasattr(model, "n_items_in_")
    with pytest.raises(ValueError, match="with_history needs a ranker that was trained with user_history=True"):
        model.with_history(chosen)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"user_history": 1}, "user_history of FMRanker must be True or False"),
        ({"similarity": "dot"}, 'user_history needs loss="softmax" and similarity="cosine"'),
        ({"loss": "bpr"}, 'user_history needs loss="softmax" and similarity="cosine"'),
    ],
)
def test_wrong_settings_are_errors(chosen, params, message):
    with pytest.raises(ValueError, match=message):
        fit(chosen, **params)


def test_what_does_not_fit_the_histories_is_an_error(chosen):
    with pytest.raises(NotFittedError):
        FMRanker(user_history=True).with_history(chosen)
    items = sp.eye_array(N_ITEMS, format="csr")
    with pytest.raises(ValueError, match="interactions must have two dimensions"):
        FMRanker(user_history=True).fit(None, items, np.ones(3))
    with pytest.raises(ValueError, match="X_user is None; only with user_history=True"):
        FMRanker().fit(None, items, chosen)
    model = fit(chosen)
    with pytest.raises(ValueError, match="X must have the 30 features and behind them the 30 items of histories"):
        model.user_vector(items)
    with pytest.raises(ValueError, match="history must have a row for each row of X_user and a column for each"):
        model.with_history(chosen[:, :4])
    for history in ([[1, 2], [3]], None, "all"):
        with pytest.raises(ValueError, match=r"history must be a matrix.*30 items.*fold_in takes lists of items"):
            model.with_history(history)
    with pytest.raises(ValueError, match="interactions has 4 items, and histories hold the 30 of training"):
        model.partial_fit(None, items[:4], chosen[:, :4])
    ids = sp.eye_array(N_USERS + N_ITEMS, format="csr")
    other = FMRanker(2, max_iter=1).fit(ids[:N_USERS], ids[N_USERS:], chosen).set_params(user_history=True)
    with pytest.raises(ValueError, match="with_history needs a ranker that was trained with user_history=True"):
        other.with_history(chosen)
    with pytest.raises(ValueError, match="user_history is now False"):
        model.set_params(user_history=False).partial_fit(items[:3], items, chosen[:3])
