"""Recommenders whose ranker represents users by what they chose."""

import numpy as np
import pytest
from scipy import sparse

from fastfm_ext import FMRecommender, multi
from recommender_cases import N_FILMS, N_USERS, SPECS, as_lists, films_of, make, world

HISTORIES = {"loss": "softmax", "l2_V": None, "max_iter": 10, "temperature": 0.2, "user_history": True}
NEW = {"user": ["new", "new", "new"], "film": [101, 103, 105]}


@pytest.fixture
def recommender():
    events, users, films = world()
    return make(**HISTORIES).fit(events, users=users, items=films, **SPECS)


def test_ids_of_users_are_no_features(recommender):
    assert recommender.encoder.field_names_ == ["country", "film", "genres"]
    assert recommender.model.n_items_in_ == N_FILMS
    assert not set(as_lists(recommender.recommend("u0", n=3))["film"]) & films_of(recommender, "u0")


def test_new_users_are_sums_of_vectors_and_as_good_as_those_of_training(recommender):
    twin = films_of(recommender, "u1")
    recommender.add_users({"user": ["twin"], "country": ["FR"]})
    recommender.fold_in({"user": ["twin"] * len(twin), "film": sorted(twin)})
    best, of_twin = (as_lists(recommender.recommend(user, n=5)) for user in ("u1", "twin"))
    assert of_twin["film"] == best["film"]
    np.testing.assert_allclose(of_twin["score"], best["score"], rtol=1e-6)
    assert not recommender._fitted().folded


def test_choices_of_known_users_count_at_once_and_in_any_order(recommender):
    events, users, films = world()
    once = make(**HISTORIES).fit(events, users=users, items=films, **SPECS)
    more = {"user": ["u0", "u0"], "film": [101, 103]}
    before = as_lists(recommender.recommend("u0", n=5, exclude_seen=False))
    recommender.fold_in(more)
    for at in (1, 0):
        once.fold_in({name: [values[at]] for name, values in more.items()})
    after, again = (as_lists(r.recommend("u0", n=5, exclude_seen=False)) for r in (recommender, once))
    assert after == again
    assert after["score"] != before["score"]


def test_users_of_whom_nothing_is_known_get_what_is_popular_until_they_choose(recommender):
    with pytest.warns(UserWarning, match="nothing is known of 1 of 1 users"):
        recommender.recommend("new", n=2)
    found = recommender.fold_in(NEW).recommend("new", n=3)
    assert {film % 2 for film in as_lists(found)["film"]} == {1}


def test_items_that_came_later_are_recommended_and_are_no_part_of_histories(recommender):
    recommender.fold_in(NEW).add_items({"film": [900], "title": ["New"], "genres": ["Comedy|New"]})
    before = as_lists(recommender.recommend("new", n=3, exclude_seen=False, among=[101, 103]))
    recommender.fold_in({"user": ["new", "newer"], "film": [900, 900]})
    assert as_lists(recommender.recommend("new", n=3, exclude_seen=False, among=[101, 103])) == before
    with pytest.warns(UserWarning, match="nothing is known"):
        recommender.recommend("newer", n=1)


def test_explain_names_the_items_of_the_history_and_adds_up(recommender):
    best = as_lists(recommender.recommend("u0", n=1))
    table = as_lists(recommender.explain("u0", best["film"][0], n=None))
    assert sum(table["value"]) == pytest.approx(best["score"][0], rel=1e-4)
    named = {name for name in table["user_feature"] if name.startswith("user has film=")}
    assert named == {f"user has film={film}" for film in films_of(recommender, "u0")}


def test_events_alone_will_do_and_so_will_a_matrix():
    events, _, films = world()
    of_tables = make(**HISTORIES).fit(events, user="user", item="film")
    assert of_tables.encoder.field_names_ == ["film"]
    matrix = of_tables.interactions_
    of_matrix = make(**HISTORIES).fit(matrix)
    assert of_matrix.model.n_features_in_ == N_FILMS
    assert len(as_lists(of_matrix.recommend([0, 3], n=2))["item_id"]) == 4
    of_matrix.fold_in(sparse.vstack([sparse.csr_array((N_USERS, N_FILMS)), matrix[:1]]))
    first, last = (of_matrix._fitted().vectors_of(of_matrix.model, np.array([user])) for user in (0, N_USERS))
    np.testing.assert_array_equal(first, last)
    found = of_matrix.evaluate(sparse.vstack([matrix, matrix[:1]]), exclude_seen=False)
    assert found["recall@20"] > 0.9
    described = make(**HISTORIES).fit(events, user="user", item=["film", multi("genres", sep="|")], items=films)
    described.add_users({"user": ["new"]})
    assert "new" in described.user_ids_


def test_it_comes_back_from_a_file_as_it_was(recommender, tmp_path):
    recommender.fold_in(NEW).save(tmp_path / "m.fastfm")
    loaded = FMRecommender.load(tmp_path / "m.fastfm")
    for table in (lambda r: r.recommend(n=4), lambda r: r.explain("new", 101), lambda r: r.similar_users("new")):
        assert as_lists(table(loaded)) == as_lists(table(recommender))
    assert as_lists(loaded.fold_in({"user": ["x"], "film": [100]}).recommend("x", n=2))["film"]


def test_a_context_does_not_go_with_histories():
    events, users, films = world()
    with pytest.raises(ValueError, match="context does not go with user_history=True"):
        make(**HISTORIES).fit(events, users=users, items=films, context="device", **SPECS)
