"""FMRanker by least squares over all pairs: learning, early stopping, going on, folding in, saving."""

import numpy as np
import pytest
import scipy.sparse as sp

import ranking_cases
from fastfm_ext import DivergenceError, ItemIndex, load_model, save_model
from fastfm_ext._reference.implicit_als import ImplicitLeastSquares
from ranking_cases import N_ITEMS, N_USERS, assert_same_model, auc, make, scores_of

events = ranking_cases.events  # pytest finds fixtures among the names of the test's module
UNOBSERVED_WEIGHT, L2 = 0.2, 0.01


def squared(**params):
    settings = {"loss": "squared", "unobserved_weight": UNOBSERVED_WEIGHT, "l2_w": L2, "l2_V": L2, "tol": 0.0}
    return make(**settings | {"max_iter": 4, "n_iter_no_change": 1} | params)


def reference_of(X_user, X_item, chosen, **changes) -> ImplicitLeastSquares:
    matrices = [matrix.toarray().astype(float) for matrix in (X_user, X_item, chosen)]
    return ImplicitLeastSquares(*matrices, **{"unobserved_weight": UNOBSERVED_WEIGHT, "l2_w": L2, "l2_V": L2} | changes)


def test_it_learns_who_chooses_what(events):
    model = squared().fit(*events)
    assert auc(scores_of(model, *events[:2]), events[2]) > 0.9
    losses = model.history_["train_loss"]
    assert (np.diff(losses) < 0).all()
    task = reference_of(*events)
    assert task.loss(model.w_.astype(float), model.V_.astype(float)) < losses[-1] * events[2].sum()


def test_the_default_settings_learn_it_too(events):
    model = make(loss="squared", l2_w=None, l2_V=None).fit(*events)
    assert auc(scores_of(model, *events[:2]), events[2]) > 0.9


@pytest.mark.parametrize(
    "change",
    [{"unobserved_weight": 0.1}, {"l2_w": 0.1}, {"l2_V": 0.1}, {"init_stdev": 0.2}, {"fit_linear": False}],
    ids=str,
)
def test_each_hyperparameter_changes_the_model(events, change):
    assert not np.array_equal(squared().fit(*events).V_, squared(**change).fit(*events).V_)


def test_a_larger_weight_makes_a_choice_score_higher(events):
    X_user, X_item, chosen = events
    u, t = (int(numbers[0]) for numbers in chosen.nonzero())
    heavier = chosen.copy()
    heavier.data[0] = 20.0
    scores = [scores_of(squared().fit(X_user, X_item, each), X_user, X_item)[u, t] for each in (chosen, heavier)]
    assert scores[1] > scores[0] + 0.05


def test_one_seed_gives_one_model_with_any_number_of_threads(events):
    alone = squared(early_stopping=True).fit(*events)
    assert_same_model(alone, squared(early_stopping=True, n_jobs=2).fit(*events))
    assert not np.array_equal(alone.V_, squared(early_stopping=True, random_state=1).fit(*events).V_)


def test_the_model_is_the_one_of_all_interactions_and_the_best_number_of_sweeps(events):
    model = squared(max_iter=30, early_stopping=True).fit(*events)
    assert model.n_iter_ < 30
    settings = {"max_iter": model.best_epoch_, "n_iter_no_change": 30, "early_stopping": False}
    assert_same_model(model, squared(**settings).fit(*events))


def test_columns_of_any_unit_and_center_rank_alike(events):
    X_user, X_item, chosen = (matrix.toarray() for matrix in events)
    price = np.random.default_rng(0).normal(1.0, 0.2, (N_ITEMS, 1)).astype(np.float32)
    plain, scaled = (
        [np.hstack([X_user, np.zeros((N_USERS, 1))]), np.hstack([X_item, factor * price])] for factor in (1.0, 4096.0)
    )
    scores = [scores_of(squared().fit(*sides, chosen), *sides) for sides in (plain, scaled)]
    np.testing.assert_allclose(*scores, atol=1e-4)


def test_no_factors_rank_by_popularity(events):
    model = squared(n_factors=0).fit(*events)
    own = model.item_vector(events[1])[:, 0]
    counts = events[2].toarray().sum(axis=0)
    assert np.corrcoef(own, counts)[0, 1] > 0.95


# --- what is not for it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "value"), [("learning_rate", 0.1), ("n_negatives", 4), ("popularity", 0.5)])
def test_hyperparameters_of_drawn_items_are_refused(events, name, value):
    with pytest.raises(ValueError, match=rf"{name} is not read with loss='squared'; got {name}={value}"):
        squared(**{name: value}).fit(*events)
    with pytest.raises(ValueError, match=r"unobserved_weight is not read with loss=.bpr.; got unobserved_weight=0\.2"):
        squared(loss="bpr").fit(*events)


@pytest.mark.parametrize("weight", [0, -1.0, np.inf, "a"])
def test_weights_of_pairs_that_will_not_do(events, weight):
    with pytest.raises(ValueError, match="unobserved_weight of FMRanker must be a finite number above 0"):
        squared(unobserved_weight=weight).fit(*events)


def test_partial_fit_is_refused(events):
    with pytest.raises(ValueError, match=r"partial_fit needs a loss that learns from some .*; got loss='squared'"):
        squared().partial_fit(*events)


def test_warm_start_goes_on_with_the_same_loss_alone(events):
    model = squared(max_iter=3, warm_start=True).fit(*events)
    first = model.history_["train_loss"]
    assert model.fit(*events).history_["train_loss"][0] < first[-1]
    model.set_params(loss="bpr", unobserved_weight=None)
    with pytest.raises(ValueError, match="loss is now 'bpr', and the model was trained with one of another solver"):
        model.fit(*events)


@pytest.mark.parametrize(("name", "value"), [("init_stdev", 1e25), ("l2_V", 1e38)])
def test_divergence_names_the_epoch_and_leaves_the_model_as_it_was(events, name, value):
    model = squared().fit(*events)
    V = model.V_.copy()
    with pytest.raises(DivergenceError, match=r"diverged in epoch 1: .* or a larger l2_V"):
        model.set_params(**{name: value}).fit(*events)
    np.testing.assert_array_equal(model.V_, V)


@pytest.mark.parametrize("side", [0, 1])
def test_rows_without_features_rank_by_nothing_of_theirs(events, side):
    sides = list(events[:2])
    sides[side] = sp.csr_array(sides[side].shape, dtype=np.float32)
    model = squared().fit(*sides, events[2])
    assert np.isfinite(model.history_["train_loss"]).all()
    assert not (model.user_vector(sides[0])[:, 1:], model.item_vector(sides[1]))[side].any()


# --- folding in --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fit_linear", [True, False])
def test_a_folded_user_is_the_exact_solution_for_an_id(events, fit_linear):
    _, X_item, chosen = events
    model = squared(fit_linear=fit_linear).fit(*events)
    vectors = model.item_vector(X_item)
    task = reference_of(*events, **({} if fit_linear else {"l2_w": 1e9}))
    w, V = model.w_.astype(float), model.V_.astype(float)
    for user in (0, 7):
        solved = task.solve(w, V, np.array([user]))[1][user]
        folded = model.fold_in(chosen[[user]].indices, vectors)
        np.testing.assert_allclose(folded, [1.0, *solved], atol=2e-5)
    together = model.fold_in(chosen, vectors)
    np.testing.assert_array_equal(together[7], folded)


def test_known_features_of_a_user_and_weights_count(events):
    X_user, X_item, chosen = events
    rng = np.random.default_rng(0)
    more = rng.integers(0, 3, (N_USERS, 2)) / 2
    X_user, X_item = (sp.csr_array(sp.hstack([X, Z])) for X, Z in ((X_user, more), (X_item, np.zeros((N_ITEMS, 2)))))
    chosen = sp.csr_array(chosen.toarray() * rng.integers(1, 4, chosen.shape))
    model = squared().fit(X_user, X_item, chosen)
    relative = chosen / chosen.data.mean()
    task = reference_of(X_user, X_item, relative)
    w, V = model.w_.astype(float), model.V_.astype(float)
    user = 3
    w[user], V[user] = 0.0, 0.0  # the id is what training did not know
    known = X_user[[user]].toarray()
    known[0, user] = 0.0
    solved = task.X_user[user] @ task.solve(w, V, np.array([user]))[1]
    folded = model.fold_in(sp.csr_array(chosen[[user]]), model.item_vector(X_item), known)
    np.testing.assert_allclose(folded[0], [1.0, *solved], atol=5e-5)


def test_a_folded_item_is_the_exact_solution_for_an_id_beside_known_features(events):
    X_user, X_item, chosen = events
    model = squared().fit(*events)
    task = reference_of(*events)
    w, V = model.w_.astype(float), model.V_.astype(float)
    ids = N_USERS + np.array([0, 11])
    w[ids], V[ids] = 0.0, 0.0
    known = X_item[[0, 11]].toarray()
    known[:, ids] = 0.0
    folded = model.fold_in_items(chosen[:, [0, 11]], X_user, known)
    for item, vector in zip((0, 11), folded, strict=True):
        w_t, V_t = task.solve(w, V, np.array([N_USERS + item]))
        own_user = X_user @ w_t
        expected = task.scores(w_t, V_t)[:, item] - own_user
        np.testing.assert_allclose(model.user_vector(X_user) @ vector, expected, atol=5e-5)


def test_items_without_a_choice_get_the_vectors_of_their_known_features(events):
    X_user, X_item, chosen = events
    model = squared().fit(*events)
    nobody = sp.csr_array((N_USERS, 2), dtype=np.float32)
    np.testing.assert_array_equal(model.fold_in_items(nobody, X_user, X_item[:2]), model.item_vector(X_item[:2]))
    np.testing.assert_array_equal(model.fold_in_items(nobody, X_user), np.zeros((2, 6)))
    alone = model.fold_in_items(chosen[:, [4]], X_user)
    assert auc((model.user_vector(X_user) @ alone.T).T, sp.csr_array(chosen[:, [4]].T)) > 0.9


def test_items_are_not_folded_in_by_other_losses_nor_for_other_users(events):
    X_user, X_item, chosen = events
    with pytest.raises(ValueError, match="fold_in_items needs loss=\"squared\"; got loss='bpr'"):
        make(loss="bpr", max_iter=1).fit(*events).fold_in_items(chosen, X_user)
    model = squared().fit(*events)
    with pytest.raises(ValueError, match=r"interactions must have a row for each row of X_user"):
        model.fold_in_items(chosen, X_user[:5])
    with pytest.raises(ValueError, match=r"interactions must have a row for each row of X_user"):
        model.fold_in_items(chosen, X_user, X_item[:5])
    with pytest.raises(ValueError, match="item_vectors has a value that is NaN"):
        model.fold_in([1], np.full((30, 6), np.nan))


# --- saving ------------------------------------------------------------------------------------------------------


def test_a_saved_model_ranks_and_folds_in_as_before(events, tmp_path):
    X_user, X_item, chosen = events
    model = squared().fit(*events)
    vectors = model.item_vector(X_item)
    save_model(tmp_path / "model.fm", model, index=ItemIndex().fit(vectors))
    loaded = load_model(tmp_path / "model.fm")
    found = [index.search(model.user_vector(X_user), n=3)[0] for index in (loaded.index, ItemIndex().fit(vectors))]
    np.testing.assert_array_equal(*found)
    np.testing.assert_array_equal(loaded.model.fold_in([1, 4], vectors), model.fold_in([1, 4], vectors))
    both = [each.fold_in_items(chosen[:, [2]], X_user) for each in (loaded.model, model)]
    np.testing.assert_array_equal(*both)
