"""A recommender learns from tables of every kind, and is an estimator as others are."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone

from fastfm_ext import FMRanker, FMRecommender, ItemIndex, evaluate, implicit, multi, numeric
from recommender_cases import KINDS, N_FILMS, N_USERS, SPECS, as_kind, as_lists, films_of, fitted, make, world


@pytest.fixture(scope="module")
def recommender():
    return fitted()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_gives_the_same_and_comes_back(kind, recommender):
    found = fitted(kind)
    table = found.recommend(["u3", "u0"], n=3)
    assert type(table) is type(as_kind({"a": [1]}, kind))
    assert as_lists(table) == as_lists(recommender.recommend(["u3", "u0"], n=3))
    assert list(as_lists(table)) == ["user", "film", "score", "title"]
    np.testing.assert_array_equal(found.model.V_, recommender.model.V_)


def test_users_get_unseen_items_of_their_taste_with_titles(recommender):
    for user in ("u0", "u1"):
        best = as_lists(recommender.recommend(user, n=3))
        assert not set(best["film"]) & films_of(recommender, user)
        assert {film % 2 for film in best["film"]} == {int(user[1]) % 2}
        assert best["title"] == [f"Film {film - 100}" for film in best["film"]]
        assert best["score"] == sorted(best["score"], reverse=True)


def test_the_parts_are_the_model_the_encoder_and_the_index(recommender):
    _, users, films = world()
    row = {name: column[:1] for name, column in users.items()}
    vector = recommender.model.user_vector(recommender.encoder.transform(row, side="user"))
    ids, scores = recommender.index.search(vector, 3, [films_of(recommender, "u0")])
    best = as_lists(recommender.recommend("u0", n=3))
    assert best["film"] == ids[0].tolist()
    np.testing.assert_allclose(best["score"], scores[0])
    items = recommender.model.item_vector(recommender.encoder.transform(films, side="item"))
    np.testing.assert_array_equal(recommender.index._items.vectors, items)


def test_columns_of_side_tables_are_inferred_and_the_title_is_no_feature():
    events, users, films = world()
    users |= {"age": np.linspace(20.5, 60, N_USERS)}
    found = make().fit(events, user="user", item="film", users=users, items=films)
    assert found.encoder.field_names_ == ["user", "country", "age", "film", "genres"]
    assert repr(found.encoder.columns_[2]) == "numeric('age')"
    listed = make().fit(events, user="user", item=["film", "title"], items=films)
    assert listed.encoder.field_names_ == ["user", "film", "title"]


def test_a_title_that_would_hide_the_ids_is_none():
    events, _, films = world()
    events, films = events | {"name": events["user"]}, films | {"name": films["title"]}
    del films["title"]
    with pytest.raises(ValueError, match="users and items both have a column 'name'; rename one"):
        make().fit(events, user="name", item="film", items=films)
    listed = make().fit(events, user="name", item=["film", "genres"], items=films)
    assert list(listed.recommend("u0")) == ["name", "film", "score"]
    assert list(make().fit(events, user="user", item="film", items=films).recommend("u0"))[-1] == "name"


def test_side_columns_are_learned_from_side_tables_and_ids_from_events():
    events, users, _films = world()
    users |= {"age": [10.0, 30.0] * (N_USERS // 2)}
    events = {name: list(column) for name, column in events.items()}
    events["user"] = ["u1" if user == "u3" else user for user in events["user"]]
    found = make().fit(events, user=["user", numeric("age")], item="film", users=users)
    scaled = found.encoder.transform({"user": ["u0"], "age": [30.0]}, side="user")
    assert scaled.toarray()[0, found.encoder.feature_index("age")] == 1.0  # in units of the table's own spread
    with pytest.raises(KeyError, match="u3"):
        found.encoder.feature_index("user", "u3")
    assert "u3" in found.user_ids_


def test_without_side_tables_the_first_event_of_each_id_describes_it():
    events, _users, films = world()
    genre_of = dict(zip(films["film"].tolist(), films["genres"], strict=True))
    events["genres"] = [genre_of[film] for film in events["film"].tolist()]
    joined = make().fit(events, user="user", item=SPECS["item"])
    apart = make().fit(events, user="user", item=SPECS["item"], items=films)
    np.testing.assert_array_equal(joined.model.V_, apart.model.V_)
    assert "title" not in as_lists(joined.recommend("u0"))


def test_ids_in_the_index_of_a_pandas_frame_are_found():
    pd = pytest.importorskip("pandas")
    events, _, films = world()
    indexed = pd.DataFrame(films).set_index("film")
    assert "title" in make().fit(events, user="user", item="film", items=indexed).recommend("u0", n=1)


def test_weights_are_added_up_and_kept():
    events, _, _ = world()
    found = make().fit(events, user="user", item="film", weight="plays")
    assert found.interactions_.sum() == events["plays"].sum()


def test_matrices_train_as_the_ranker_itself(recommender):
    known = recommender._fitted()
    X_user, X_item, chosen = known.users.X, known.items.X, known.interactions
    by_matrix = make().fit(chosen, users=X_user, items=X_item)
    np.testing.assert_array_equal(by_matrix.model.V_, make().model.fit(X_user, X_item, chosen).V_)
    best = by_matrix.recommend([0, 5], n=2)
    assert list(best) == ["user_id", "item_id", "score"]
    assert best["user_id"].tolist() == [0, 0, 5, 5]
    ids_alone = make().fit(chosen)
    assert ids_alone.model.V_.shape == (sum(chosen.shape), 4)


def test_evaluate_is_that_of_the_parts(recommender):
    _events, _, _ = world()
    known = recommender._fitted()
    test = {"user": ["u0", "u0", "u1", "u9", "nobody"], "film": [100, 101, 103, 999, 100]}
    found = recommender.evaluate(test, k=[3, 10], metrics=["recall", "hit_rate"], exclude_seen=False)
    places = [known.users.ids.tolist().index(user) for user in ("u0", "u1")]
    wanted = sp.lil_array((N_USERS, N_FILMS))
    wanted[places[0], [0, 1]] = wanted[places[1], 3] = 1
    direct = evaluate(
        recommender.model, known.users.X, known.items.X, wanted.tocsr(), k=[3, 10], metrics=["recall", "hit_rate"]
    )
    assert found == direct | {"n_left_out": 2}


def test_evaluate_leaves_out_what_was_seen(recommender):
    events, _, _ = world()
    with pytest.raises(ValueError, match="nothing to find"):
        recommender.evaluate(events)
    assert recommender.evaluate(events, exclude_seen=False, metrics=["auc"])["auc"] > 0.8


def test_a_context_changes_what_is_recommended_and_adds_up():
    rng = np.random.default_rng(0)
    hour, item = np.arange(3000) % 2, rng.integers(0, 10, 3000)
    kept = (item < 5) == (hour == 0)  # by day the first five, by night the others
    events = {
        "user_id": rng.integers(0, 30, 3000)[kept],
        "item_id": item[kept],
        "hour": np.where(hour, "night", "day")[kept],
    }
    found = make().fit(events, context=["hour"])
    assert found.encoder.field_names_ == ["user_id", "item_id", "hour"]
    for name, items in (("day", set(range(5))), ("night", set(range(5, 10)))):
        best = found.recommend(3, n=5, context={"hour": name}, exclude_seen=False)
        assert set(best["item_id"].tolist()) == items
        row = found.encoder.transform({"user_id": [3], "hour": [name]}, side="user")
        _ids, scores = found.index.search(found.model.user_vector(row), 5)
        np.testing.assert_allclose(best["score"], scores[0], rtol=1e-5)
    both = found.recommend([3, 3], n=1, context={"hour": ["day", "night"]}, exclude_seen=False)
    assert both["item_id"][0] < 5 <= both["item_id"][1]
    by_context = found.evaluate(events, k=5, exclude_seen=False)
    assert by_context["recall@5"] > 0.9
    assert by_context["n_users"] > 30  # requests
    with pytest.warns(UserWarning, match="nothing is known of 1 of 1 users: 77"):
        found.recommend(77)
    stranger = found.recommend(77, n=5, context={"hour": "day"})  # known by the context alone
    assert set(stranger["item_id"].tolist()) == set(range(5))


def test_fit_leaves_what_was_passed_as_it_was_and_fits_anew():
    ranker, index = FMRanker(n_factors=3, max_iter=5, random_state=0), ItemIndex(n_jobs=1)
    events, users, films = world()
    found = FMRecommender(ranker, index=index)
    assert found.fit(events, user="user", item="film") is found
    assert not hasattr(ranker, "n_iter_")
    assert len(index) == 0
    assert len(found.index) == N_FILMS
    first = found.model
    found.fit(events, **SPECS, users=users, items=films)
    assert first is not found.model
    again = FMRecommender(ranker).fit(events, **SPECS, users=users, items=films)
    np.testing.assert_array_equal(found.model.V_, again.model.V_)
    found.fit(events, user="user", item="film")
    np.testing.assert_array_equal(found.model.V_, first.V_)


def test_clone_and_set_params_work(recommender):
    copy = clone(recommender)
    assert len(copy.index) == 0
    assert not copy.__sklearn_is_fitted__()
    assert copy.get_params()["model__n_factors"] == 4
    assert FMRecommender().set_params(model__n_factors=3, index=ItemIndex("ivf")).model.n_factors == 3
    events, users, films = world()
    copy.fit(events, **SPECS, users=users, items=films)
    np.testing.assert_array_equal(copy.model.V_, recommender.model.V_)


def test_items_of_which_nothing_is_known_are_recommended_to_nobody_and_warned_of():
    events, _, films = world()
    films = {"film": [*films["film"], 777, 778], "genres": [*films["genres"], "Western", "Comedy"]}
    with pytest.warns(UserWarning, match="1 items have neither events nor known features.*777"):
        found = make().fit(events, user="user", item=SPECS["item"], items=films)
    assert 777 not in found.index
    assert 778 in found.index
    assert 777 in found.item_ids_
    assert 777 not in as_lists(found.recommend("u0", n=100))["film"]


def test_explain_adds_up_to_the_score(recommender):
    table = as_lists(recommender.explain("u1", 103, n=None))
    score = as_lists(recommender.recommend("u1", n=1, among=[103], exclude_seen=False))["score"][0]
    assert sum(table["value"]) == pytest.approx(score, rel=1e-4)
    pairs = set(zip(table["user_feature"], table["item_feature"], strict=True))
    assert ("country=FR", "genres=Comedy") in pairs
    assert ("(anybody)", "(item alone)") in pairs
    assert len(as_lists(recommender.explain("u1", 103, n=2))["value"]) == 2


@pytest.mark.parametrize("params", [{"loss": "softmax"}, {"loss": "softmax", "similarity": "dot"}, {"loss": "squared"}])
@pytest.mark.filterwarnings("ignore:Training ended at max_iter")
def test_every_kind_of_ranker_recommends_explains_learns_of_newcomers_and_comes_back(params, tmp_path):
    events, users, films = world()
    found = make(l2_V=None, max_iter=10, **params).fit(events, users=users, items=films, **SPECS)
    best = as_lists(found.recommend("u0", n=1))
    assert not set(best["film"]) & films_of(found, "u0")
    explained = as_lists(found.explain("u0", best["film"][0], n=None))
    assert sum(explained["value"]) == pytest.approx(best["score"][0], rel=1e-4)
    found.add_items({"film": [900], "title": ["New"], "genres": ["Comedy|New"]})
    found.fold_in({"user": ["new", "new", "new"], "film": [101, 103, 105]})
    of_newcomer = as_lists(found.recommend("new", n=3))
    assert {film % 2 for film in as_lists(found.recommend("new", n=3, among=films["film"]))["film"]} == {1}
    found.save(tmp_path / "model.fastfm")
    assert as_lists(FMRecommender.load(tmp_path / "model.fastfm").recommend("new", n=3)) == of_newcomer


def test_explain_adds_up_with_numbers_far_from_zero_and_with_a_context():
    events, users, films = world()
    users |= {"born": 1950.5 + np.arange(N_USERS)}
    films |= {"year": 1990.25 + np.arange(N_FILMS)}
    found = make().fit(
        events,
        user=["user", numeric("born")],
        item=["film", "genres", "year"],
        users=users,
        items=films,
        context="device",
    )
    table = found.explain("u1", 103, n=None, context={"device": "tv"})
    score = found.recommend("u1", n=1, among=[103], exclude_seen=False, context={"device": "tv"})["score"][0]
    assert table["value"].sum() == pytest.approx(score, rel=1e-3)
    assert "device=tv" in table["user_feature"]


def test_users_may_be_described_by_what_they_chose():
    events, _, _ = world()
    found = make().fit(events, user=["user", implicit("user", of="film")], item="film")
    assert found.encoder.field_names_ == ["user", "user has film", "film"]
    sets = found.encoder.transform({"user": ["u0"]}, side="user")[:, found.encoder.slices_["user has film"]]
    assert sets.nnz == len(films_of(found, "u0"))
    assert not set(as_lists(found.recommend("u0", n=3))["film"]) & films_of(found, "u0")


def test_multi_valued_columns_and_lists_are_read():
    events, _, films = world()
    films["genres"] = [cell.split("|") for cell in films["genres"]]
    found = make().fit(events, user="user", item="film", items=films)
    assert found.encoder.columns_[2] == multi("genres", sep=None)
