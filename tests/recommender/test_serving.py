"""What a fitted recommender answers."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from fastfm_ext import FMRecommender
from recommender_cases import N_FILMS, N_USERS, as_lists, films_of, fitted, make, world


@pytest.fixture(scope="module")
def recommender():
    return fitted()


def test_all_known_users_are_served_and_one_as_among_many(recommender):
    table = as_lists(recommender.recommend(n=2))
    assert len(table["user"]) == 2 * N_USERS
    alone = as_lists(recommender.recommend("u7", n=2))
    rows = [row for row, user in enumerate(table["user"]) if user == "u7"]
    assert alone["film"] == [table["film"][row] for row in rows]


def test_users_stand_in_the_order_asked_for_also_twice(recommender):
    table = as_lists(recommender.recommend(["u9", "u1", "u9"], n=1))
    assert table["user"] == ["u9", "u1", "u9"]
    assert table["film"][0] == table["film"][2]
    for one in (np.array("u9"), np.array(["u9"]), {"u9"}, iter(["u9"])):
        assert as_lists(recommender.recommend(one, n=1))["film"] == table["film"][:1]


def test_batches_of_users_change_nothing(recommender, monkeypatch):
    whole = as_lists(recommender.recommend(n=3))
    monkeypatch.setattr("fastfm_ext.recommender.serving._BATCH_USERS", 7)
    assert as_lists(recommender.recommend(n=3)) == whole


def test_seen_items_come_back_when_asked_for_and_users_with_few_left_get_few(recommender):
    assert len(as_lists(recommender.recommend("u0", n=100))["film"]) == N_FILMS - len(films_of(recommender, "u0"))
    assert len(as_lists(recommender.recommend("u0", n=100, exclude_seen=False))["film"]) == N_FILMS


@pytest.mark.parametrize("among", [[101, 103, "105", 999], np.arange(N_FILMS) % 2 == 1])
def test_items_are_chosen_among_ids_or_a_mask(recommender, among):
    best = as_lists(recommender.recommend(["u0", "nobody"], n=3, among=among, unknown="popular"))
    assert all(film % 2 for film in best["film"])


def test_strangers_get_what_is_popular_and_are_warned_of(recommender):
    with pytest.warns(UserWarning, match="nothing is known of 2 of 3 users: 'x', None. They get what is popular"):
        table = as_lists(recommender.recommend(["x", "u0", None], n=3))
    assert table["user"] == ["x"] * 3 + ["u0"] * 3 + [None] * 3
    n_users = np.bincount(recommender.interactions_.indices)
    assert table["score"][:3] == sorted(n_users, reverse=True)[:3]
    assert [n_users[film - 100] for film in table["film"][:3]] == table["score"][:3]
    with pytest.raises(ValueError, match="user_ids: nothing is known of 1 of 1 users: 'x'"):
        recommender.recommend("x", unknown="error")


def test_users_without_events_are_served_by_their_features():
    events, users, films = world()
    users = {"user": [*users["user"], "french"], "country": [*users["country"], "FR"]}
    found = make().fit(events, user=["user", "country"], item="film", users=users, items=films)
    assert all(film % 2 for film in as_lists(found.recommend("french", n=5))["film"])


def test_items_removed_from_the_index_are_recommended_to_nobody():
    found = fitted()
    gone = as_lists(found.recommend("u0", n=1))["film"]
    found.index.remove(gone)
    assert not set(gone) & set(as_lists(found.recommend(n=100, unknown="popular"))["film"])
    assert not set(films_of(found, "u0")) & set(as_lists(found.recommend("u0", n=100))["film"])
    held_out = {"user": ["u0", "u0"], "film": [*gone, 103]}
    assert found.evaluate(held_out, exclude_seen=False, k=N_FILMS, metrics=["recall"]) == {
        f"recall@{N_FILMS}": 1.0,
        "n_users": 1,
        "n_left_out": 1,
    }


def test_similar_items_and_users_share_a_taste(recommender):
    table = as_lists(recommender.similar_items([100, "101"], n=4))
    assert table["film"] == [100] * 4 + [101] * 4
    assert [film % 2 for film in table["similar_film"]] == [0] * 4 + [1] * 4
    assert table["title"] == [f"Film {film - 100}" for film in table["similar_film"]]
    users = as_lists(recommender.similar_users("u4", n=5))
    assert list(users) == ["user", "similar_user", "score"]
    assert "u4" not in users["similar_user"]
    assert {int(user[1:]) % 2 for user in users["similar_user"]} == {0}
    assert as_lists(recommender.similar_users("u4", n=2, among=["u1", "u3"]))["similar_user"] != []
    assert {*as_lists(recommender.similar_items(100, n=2, among=[101, 103]))["similar_film"]} == {101, 103}


def test_the_best_users_of_an_item_like_it_and_have_not_seen_it(recommender):
    table = as_lists(recommender.recommend_to([101, 102], n=4))
    assert list(table) == ["film", "user", "score"]
    assert [int(user[1:]) % 2 for user in table["user"]] == [1] * 4 + [0] * 4
    assert not any(film in films_of(recommender, user) for film, user in zip(table["film"], table["user"], strict=True))
    everybody = as_lists(recommender.recommend_to(101, n=100, exclude_seen=False))
    assert len(everybody["user"]) == N_USERS
    assert as_lists(recommender.recommend_to(101, n=9, among=["u1", "u2"], exclude_seen=False))["user"] == ["u1", "u2"]


def test_the_score_for_an_item_is_that_of_the_pair_and_of_the_user_s_activity(recommender):
    plain = as_lists(recommender.recommend_to(101, n=100, exclude_seen=False, weigh_activity=False))
    weighed = as_lists(recommender.recommend_to(101, n=100, exclude_seen=False))
    score = as_lists(recommender.recommend("u5", n=1, among=[101], exclude_seen=False))["score"][0]
    scores = dict(zip(plain["user"], plain["score"], strict=True))
    assert scores["u5"] == pytest.approx(score, rel=1e-5)
    more = dict(zip(weighed["user"], weighed["score"], strict=True))["u5"] - scores["u5"]
    assert more == pytest.approx(np.log1p(len(films_of(recommender, "u5"))), rel=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.recommend("u0", n=0), "n must be an integer of at least 1, got 0"),
        (lambda r: r.recommend("u0", unknown="skip"), "unknown must be one of .*got 'skip'"),
        (lambda r: r.recommend("u0", exclude_seen="no"), "exclude_seen must be True or False, got 'no'"),
        (lambda r: r.recommend("u0", among=[True]), "among is a mask of shape .* but the index has 24 items"),
        (lambda r: r.recommend_to(101, among=[True]), "among is a mask of shape .* but the index has 40 items"),
        (lambda r: r.recommend("u0", context={"hour": 3}), "context: this recommender was fitted without one"),
        (lambda r: r.recommend([0.5]), "user_ids.*numbers with fractions can't be the same as the text"),
        (lambda r: r.recommend_to(5), "item_ids: not in the index: 5"),
        (lambda r: r.recommend_to(101, n=-1), "n must be an integer of at least 1, got -1"),
        (lambda r: r.similar_items([100, 5]), "item_ids: not in the index: 5"),
        (lambda r: r.similar_items(100, n=0), "n must be an integer"),
        (lambda r: r.similar_users(["u0", "x"]), "user_ids: nothing is known of 'x'"),
        (lambda r: r.similar_users("u0", n=0), "n must be an integer"),
        (lambda r: r.explain("x", 100), "user_id: nothing is known of 'x'"),
        (lambda r: r.explain("u0", 5), "item_id: not in the index: 5"),
        (lambda r: r.explain("u0", 100, n=0), "n must be an integer of at least 1, or None"),
    ],
)
def test_wrong_questions_are_errors_that_name_the_argument(recommender, call, message):
    with pytest.raises(ValueError, match=message):
        call(recommender)


@pytest.mark.parametrize("user_ids", [{"user": ["u0"]}, {"u0": 1}])
def test_tables_in_place_of_ids_are_type_errors(recommender, user_ids):
    with pytest.raises(TypeError, match="user_ids must be an id or several, got a dict"):
        recommender.recommend(user_ids)
    frame = pytest.importorskip("pandas").DataFrame({"user": ["u0"]})
    with pytest.raises(TypeError, match="user_ids is a DataFrame: pass its column of ids"):
        recommender.recommend(frame)
    assert as_lists(recommender.recommend(frame["user"], n=1))["user"] == ["u0"]


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"hour": [1, 2]}, r"context must have the columns \['device'\] and 1 rows; it has none of them"),
        ({"device": "tv", "hour": 3}, r"context has 'hour', which is none of the columns \['device'\] of fit"),
        ({"device": ["tv", "tv"]}, r"and 1 rows; it has 2 rows"),
    ],
)
def test_a_context_that_does_not_fit_is_an_error(context, message):
    events, _, _ = world()
    found = make().fit(events, user="user", item="film", context="device")
    with pytest.raises(ValueError, match=message):
        found.recommend("u0", context=context)


@pytest.mark.parametrize("name", ["recommend", "similar_items", "similar_users", "recommend_to", "evaluate", "fold_in"])
def test_before_fit_there_is_no_answer(name):
    with pytest.raises(NotFittedError, match="This FMRecommender is not fitted yet"):
        getattr(FMRecommender(), name)([1])
    with pytest.raises(AttributeError, match="user_ids_: this FMRecommender is not fitted yet"):
        FMRecommender().user_ids_  # noqa: B018
