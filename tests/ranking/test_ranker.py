"""FMRanker: losses, weights, features, early stopping, going on, saving."""

import copy
import pickle
import re
from functools import partial

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone

import ranking_cases
from fastfm_ext import FMEncoder, FMRanker, ItemIndex, evaluate, load_model, multi, save_model
from fastfm_ext._estimators import base
from fastfm_ext._learning.losses import RANKING_LOSSES as LOSSES
from fastfm_ext._reference import ranking
from ranking_cases import assert_same_model, auc, make, scores_of
from registries import RANKING_LOSSES

events = ranking_cases.events  # pytest finds fixtures among the names of the test's module


@pytest.mark.parametrize("loss", RANKING_LOSSES)
def test_every_loss_learns_who_chooses_what(events, loss):
    model = make(loss=loss).fit(*events)
    # The k-order statistic looks at the first places, and takes longer for the others.
    assert auc(scores_of(model, *events[:2]), events[2]) > (0.85 if loss == "warp-kos" else 0.9)
    losses = model.history_["train_loss"]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_each_loss_draws_as_many_items_and_as_popular_ones_as_it_says(events, loss):
    make = partial(ranking_cases.make, loss=loss.name, similarity="dot")
    by_default = make().fit(*events)
    drawn = {"n_negatives": loss.n_negatives, "popularity": loss.popularity}
    assert_same_model(by_default, make(**drawn).fit(*events))
    others = {"n_negatives": loss.n_negatives + 1, "popularity": loss.popularity + 0.5}
    for name, value in others.items():
        assert not np.array_equal(by_default.V_, make(**{name: value}).fit(*events).V_)


def test_the_inner_product_of_the_vectors_is_the_models_score(events):
    X_user, X_item, chosen = events
    model = make(loss="bpr").fit(X_user, X_item, chosen)
    w, V = model.w_.astype(float), model.V_.astype(float)
    dense = [X.toarray().astype(float) for X in (X_user[[3]], X_item[[4]])]
    expected = ranking.score(dense[0][0], dense[1][0], w, V)
    assert scores_of(model, X_user[[3]], X_item[[4]])[0, 0] == pytest.approx(expected, abs=1e-5)
    assert model.w0_ == 0.0
    assert not model.w_[: ranking_cases.N_USERS].any()


@pytest.mark.parametrize("loss", RANKING_LOSSES)
def test_one_seed_gives_one_model(events, loss):
    first = make(loss=loss, early_stopping=True).fit(*events)
    assert_same_model(first, make(loss=loss, early_stopping=True).fit(*events))
    assert not np.array_equal(first.V_, make(loss=loss, early_stopping=True, random_state=1).fit(*events).V_)


@pytest.mark.parametrize(
    "change",
    [
        {"n_negatives": 3},
        {"popularity": 1.0},
        {"learning_rate": 0.01},
        {"l2_w": 0.3},
        {"l2_V": 0.3},
        {"init_stdev": 0.5},
        {"fit_linear": False},
        {"loss": "warp"},
        {"max_iter": 3},
        {"early_stopping": True, "refit": False},
        {"early_stopping": True, "refit": False, "validation_fraction": 0.3},
    ],
    ids=str,
)
def test_every_hyperparameter_counts(events, change):
    assert not np.array_equal(make(loss="bpr").fit(*events).V_, make(**({"loss": "bpr"} | change)).fit(*events).V_)


def test_no_linear_weights_without_fit_linear(events):
    assert not make(fit_linear=False).fit(*events).w_.any()


def test_zero_factors_rank_by_popularity(events):
    X_user, X_item, chosen = events
    ids = X_item[:, : ranking_cases.N_USERS + ranking_cases.N_ITEMS]
    model = make(n_factors=0, loss="bpr", max_iter=200, l2_w=1e-4).fit(X_user[:, : ids.shape[1]], ids, chosen)
    own = model.item_vector(ids)[:, 0]
    assert np.corrcoef(own, np.log(chosen.sum(axis=0)))[0, 1] > 0.9


# --- weights ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", RANKING_LOSSES)
def test_a_weight_of_zero_is_no_choice(events, loss):
    X_user, X_item, chosen = events
    with_zeros = chosen.copy()
    with_zeros.data[::3] = 0.0
    without_them = with_zeros.copy()
    without_them.eliminate_zeros()
    assert_same_model(
        make(loss=loss).fit(X_user, X_item, with_zeros), make(loss=loss).fit(X_user, X_item, without_them)
    )


@pytest.mark.parametrize("loss", RANKING_LOSSES)
def test_heavier_choices_count_for_more(events, loss):
    """Two items that the same users choose: the one of weight 5 ends up above the one of weight 1/5 for most."""
    X_user, X_item, _ = events
    chosen = np.zeros((60, 30), dtype=np.float32)
    chosen[:, 0], chosen[:, 1] = 5.0, 0.2
    model = make(loss=loss, max_iter=30, l2_w=0.3, l2_V=0.3).fit(X_user, X_item, chosen)
    scores = scores_of(model, X_user, X_item)
    assert (scores[:, 0] > scores[:, 1]).mean() > 0.8


def test_ones_as_booleans_integers_or_dense_train_the_same_model(events):
    X_user, X_item, chosen = events
    expected = make(loss="bpr").fit(*events)
    for written in (chosen.astype(bool), chosen.astype(int), chosen.toarray(), chosen.tocsc(), sp.coo_matrix(chosen)):
        assert_same_model(make(loss="bpr").fit(X_user, X_item, written), expected)


def test_users_who_chose_everything_teach_nothing(events):
    X_user, X_item, chosen = events
    chosen = chosen.toarray()
    chosen[7] = 1.0
    model, before = make(loss="bpr", l2_V=0.0), make(loss="bpr", l2_V=0.0, max_iter=1)
    rows = [model.fit(X_user, X_item, chosen).V_[7], before.fit(X_user, X_item, chosen).V_[7]]
    np.testing.assert_array_equal(*rows)


# --- features -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", RANKING_LOSSES)
def test_items_without_a_history_are_ranked_by_their_features(events, loss):
    X_user, X_item, chosen = events
    known = np.arange(ranking_cases.N_ITEMS) < 21
    model = make(loss=loss, max_iter=40, l2_V=0.05).fit(X_user, X_item[known], chosen[:, known])
    new = X_item[~known].toarray()
    new[:, ranking_cases.N_USERS : -ranking_cases.N_GROUPS] = 0.0  # their ids mean nothing
    assert auc(scores_of(model, X_user, new), chosen[:, ~known]) > 0.75


def test_the_unit_of_a_numeric_feature_does_not_matter(events):
    X_user, X_item, chosen = (X.toarray() for X in events)
    price = np.random.default_rng(0).normal(1.0, 0.2, (len(X_item), 1)).astype(np.float32)
    sides = [np.hstack([X, column]) for X, column in ((X_user, np.zeros((len(X_user), 1))), (X_item, price))]
    plain = make(loss="bpr").fit(*sides, chosen)
    scaled_items = sides[1] * np.r_[np.ones(X_item.shape[1]), 4096.0]
    scaled = make(loss="bpr").fit(sides[0], scaled_items, chosen)
    np.testing.assert_allclose(
        scores_of(scaled, sides[0], scaled_items), scores_of(plain, *sides), rtol=1e-4, atol=1e-5
    )


def test_scaling_of_both_sides_takes_the_smaller_factor():
    model = make(max_iter=1).fit([[2.0, 0.0], [2.0, 4.0]], [[8.0, 4.0], [8.0, 4.0]], [[1, 0], [0, 1]])
    np.testing.assert_array_equal(model._units.features.columns, [0, 1])
    np.testing.assert_array_equal(model._units.features.factors[:, 0], [1 / 8, 1 / 4])


# --- early stopping -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["ndcg@20", "recall@5"])
def test_early_stopping_keeps_the_best_epoch(events, metric):
    params = {"loss": "bpr", "early_stopping": True, "validation_metric": metric, "n_iter_no_change": 3, "refit": False}
    model = make(max_iter=60, **params).fit(*events)
    scores = model.history_["val_score"]
    assert len(scores) == model.n_iter_
    assert model.best_epoch_ == 1 + int(np.argmax(scores))
    assert_same_model(model, make(max_iter=model.best_epoch_, **params).fit(*events))


@pytest.mark.parametrize("loss", RANKING_LOSSES)
def test_the_model_is_the_one_of_all_interactions_and_the_best_number_of_epochs(events, loss):
    model = make(loss=loss, max_iter=30, early_stopping=True, n_iter_no_change=2).fit(*events)
    settings = {"loss": loss, "early_stopping": False, "max_iter": model.best_epoch_, "n_iter_no_change": 30}
    settings["temperature"] = model.temperature_
    assert_same_model(model, make(**settings).fit(*events))
    first = make(loss=loss, max_iter=30, early_stopping=True, n_iter_no_change=2, refit=False).fit(*events)
    assert not np.array_equal(model.V_, first.V_)
    assert model.history_["val_score"] == first.history_["val_score"]


@pytest.fixture
def n_folds(monkeypatch):
    """How many folds each fit validated on, 1 for a single hold-out."""
    seen = []
    solve_for_all = base.solve_for_all

    def spy(problem, solver):
        seen.append(0 if problem.held_out is None else 1 + len(problem.folds))
        return solve_for_all(problem, solver)

    monkeypatch.setattr(base, "solve_for_all", spy)
    return seen


@pytest.mark.parametrize(("n_users", "expected"), [(19, 0), (20, 5), (99, 5), (100, 1)])
def test_auto_holds_out_by_the_number_of_interactions(n_folds, n_users, expected):
    chosen = np.ones((n_users, 101), dtype=np.float32)
    chosen[:, 100] = 0
    both = np.ones((n_users + 101, 1))
    model = FMRanker(0, loss="bpr", max_iter=1, random_state=0).fit(both[:n_users], both[n_users:], chosen)
    assert n_folds == [expected]
    assert len(model.history_["val_score"]) == (expected > 0)


def test_users_of_one_interaction_leave_nothing_to_hold_out(n_folds):
    chosen = sp.csr_array(np.tile(np.eye(20, dtype=np.float32), (100, 1)))
    X_user, X_item = np.ones((2_000, 1)), np.eye(20)
    FMRanker(0, loss="bpr", max_iter=1).fit(np.hstack([X_user, np.zeros((2_000, 19))]), X_item, chosen)
    assert n_folds == [0]


def test_few_interactions_are_not_overfitted():
    rng = np.random.default_rng(0)
    popularity = 1.0 / np.arange(1, 301)
    items = np.array([rng.choice(300, 8, replace=False, p=popularity / popularity.sum()) for _ in range(500)])
    train, test = (
        sp.csr_array((np.ones(part.size), (np.repeat(np.arange(500), 4), part.ravel())), (500, 300))
        for part in (items[:, :4], items[:, 4:])
    )
    ids = sp.eye_array(800, format="csr")
    found = [
        evaluate(
            FMRanker(early_stopping=early_stopping, random_state=0).fit(ids[:500], ids[500:], train),
            *(ids[:500], ids[500:], test),
            seen=train,
            k=20,
            metrics=("recall",),
        )["recall@20"]
        for early_stopping in ("auto", False)
    ]
    assert found[0] > 1.1 * found[1]


def test_one_line_of_progress_an_epoch(events, capsys):
    make(loss="bpr", verbose=1, max_iter=2, early_stopping=True, refit=False).fit(*events)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"epoch +2/2  train loss \d\S*  validation ndcg@20 0\.\d+  \d+\.\d\d s", lines[1])


# --- going on, copying, saving --------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", RANKING_LOSSES)
def test_partial_fit_is_an_epoch_of_fit(events, loss):
    params = {"loss": loss, "similarity": "dot"}  # with cosines, `fit` begins with a spectral start
    one, model = make(max_iter=1, **params).fit(*events), make(**params).partial_fit(*events)
    assert_same_model(model, one)
    model.partial_fit(*events)
    assert model.n_iter_ == len(model.history_["train_loss"]) == 2
    assert model.history_["train_loss"][1] < model.history_["train_loss"][0]


def test_each_partial_fit_draws_other_items(events):
    # Without a step, the loss of an epoch is that of its draws.
    model = make(loss="bpr", learning_rate=1e-30).fit(*events)
    losses = [model.partial_fit(*events).history_["train_loss"][-1] for _ in range(4)]
    assert len(set(losses)) == 4


def test_partial_fit_takes_other_users_and_items(events):
    X_user, X_item, chosen = events
    model = make(loss="bpr").fit(X_user[:30], X_item, chosen[:30])
    before = model.V_[30:60].copy()
    for _ in range(20):
        model.partial_fit(X_user[30:], X_item[:25], chosen[30:, :25])
    assert not np.array_equal(model.V_[30:60], before)
    assert auc(scores_of(model, X_user[30:], X_item[:25]), chosen[30:, :25]) > 0.85


def test_warm_start_goes_on(events):
    model = make(loss="bpr", max_iter=3, warm_start=True).fit(*events)
    first = model.history_["train_loss"]
    assert model.fit(*events).history_["train_loss"][0] < first[-1]


def test_two_threads_learn_as_well():
    rng = np.random.default_rng(3)
    X_user = sp.eye_array(400, 600, format="csr")
    X_item = sp.eye_array(200, 600, k=400, format="csr")
    chosen = rng.random((400, 200)) < np.where(np.arange(400)[:, None] % 2 == np.arange(200) % 2, 0.4, 0.02)
    for loss in RANKING_LOSSES:
        one, two = (
            make(loss=loss, n_jobs=jobs, n_negatives=2, early_stopping=False).fit(X_user, X_item, chosen)
            for jobs in (1, 2)
        )
        reached = [auc(scores_of(model, X_user, X_item), sp.csr_array(chosen)) for model in (one, two)]
        assert reached[1] > reached[0] - 0.03
        assert reached[0] > 0.8


def test_a_ranker_is_cloned_with_its_parameters():
    model = make(loss="warp", popularity=0.5)
    assert clone(model).get_params() == model.get_params()
    assert "loss='warp'" in repr(model)


@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"])
def test_a_copy_ranks_and_goes_on_training_bit_for_bit(events, make_copy):
    model = make(loss="bpr").fit(*events)
    twin = make_copy(model)
    assert_same_model(twin, model)
    assert_same_model(twin.partial_fit(*events), model.partial_fit(*events))


@pytest.mark.parametrize("mmap", [False, True])
def test_a_saved_ranker_ranks_and_goes_on_training(events, tmp_path, mmap):
    X_user, X_item, _ = events
    model = make(loss="bpr", early_stopping=True).fit(*events)
    index = ItemIndex().fit(model.item_vector(X_item))
    save_model(tmp_path / "model.fm", model, index=index)
    loaded = load_model(tmp_path / "model.fm", mmap=mmap)
    assert loaded.model.history_ == model.history_
    assert loaded.model.get_params() == model.get_params()
    np.testing.assert_array_equal(loaded.model.user_vector(X_user), model.user_vector(X_user))
    vectors = model.item_vector(X_item)
    np.testing.assert_array_equal(loaded.model.fold_in([1, 4], vectors), model.fold_in([1, 4], vectors))
    assert_same_model(loaded.model.partial_fit(*events), model.partial_fit(*events))


# --- real data ------------------------------------------------------------------------------------------------------


def test_new_films_of_movielens_are_ranked_by_genre(data_dir):
    genres = pd.read_csv(data_dir / "ml-100k" / "u.genre", sep="|", header=None)[0].to_numpy()
    table = pd.read_csv(data_dir / "ml-100k" / "u.item.xz", sep="|", header=None, encoding="latin-1")
    films = pd.DataFrame({"genres": ["|".join(genres[row]) for row in table.iloc[:, 5:].to_numpy(dtype=bool)]})
    pairs = pd.read_csv(data_dir / "ml-100k" / "u.data.xz", sep="\t", header=None).to_numpy()[:, :2] - 1
    chosen = sp.csr_array((np.ones(len(pairs)), pairs.T), shape=(943, len(films))).toarray()
    new = np.random.default_rng(0).permutation(len(films)) < len(films) // 5
    encoder = FMEncoder(user=["user"], item=[multi("genres", sep="|")])
    users = pd.DataFrame({"user": np.arange(943)})
    encoder.fit(pd.concat([users, films]))
    X_user, X_item = encoder.transform(users, side="user"), encoder.transform(films, side="item")
    model = FMRanker(16, loss="bpr", max_iter=5, early_stopping=False, random_state=0)
    model.fit(X_user, X_item[~new], chosen[:, ~new])
    best = np.argsort(-scores_of(model, X_user, X_item[new]), axis=1)[:, :20]
    wanted = chosen[:, new]
    hits = np.take_along_axis(wanted, best, axis=1).sum(axis=1)
    some = wanted.sum(axis=1) > 0
    recall = (hits[some] / wanted.sum(axis=1)[some]).mean()
    assert recall > 2 * 20 / new.sum()  # a random choice finds 20 of all new films' share
