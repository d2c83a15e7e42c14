"""New items, users and choices are taken in without training."""

import numpy as np
import pytest
import scipy.sparse as sp

from recommender_cases import KINDS, N_FILMS, N_USERS, as_kind, as_lists, films_of, fitted, make, world


@pytest.fixture
def recommender():
    return fitted()


@pytest.mark.parametrize("kind", KINDS)
def test_new_items_are_ranked_by_their_features(kind):
    found = fitted(kind)
    before = found.model.V_.copy()
    found.add_items(as_kind({"film": [200, 201], "genres": ["Horror", "Comedy|New"], "title": ["It", "Up"]}, kind))
    table = as_lists(found.similar_items([200, 201], n=3))
    assert [film % 2 for film in table["similar_film"]] == [0] * 3 + [1] * 3
    best = as_lists(found.recommend("u1", n=N_FILMS))
    assert best["title"][best["film"].index(201)] == "Up"
    assert best["film"].index(201) < best["film"].index(200)
    np.testing.assert_array_equal(found.model.V_, before)
    assert found.interactions_.shape == (N_USERS, N_FILMS + 2)


def test_known_items_get_new_features_and_keep_what_was_learned_of_them(recommender):
    before = as_lists(recommender.recommend("u0", n=1, among=[101], exclude_seen=False))
    recommender.add_items({"film": [101, 300], "genres": ["Horror|Old", "Horror"], "title": ["Renamed", None]})
    after = as_lists(recommender.recommend("u0", n=1, among=[101], exclude_seen=False))
    assert after["score"][0] > before["score"][0]
    assert after["title"] == ["Renamed"]
    assert as_lists(recommender.recommend("u0", n=1, among=[300]))["title"] == [None]
    assert recommender.index.ids.tolist() == [*range(100, 100 + N_FILMS), 300]


def test_new_items_of_which_nothing_is_known_are_warned_of(recommender):
    with pytest.warns(UserWarning, match="items without a feature that training knew, which nobody gets: 300"):
        recommender.add_items({"film": [300, 301], "genres": ["Western", "Horror"]})
    assert 300 not in recommender.index
    assert 301 in recommender.index
    recommender.add_items({"film": [300], "genres": ["Horror"]})
    assert 300 in recommender.index


def test_new_users_are_served_by_their_features_and_then_by_what_they_chose(recommender):
    recommender.add_users({"user": ["fr", "de"], "country": ["FR", "DE"]})
    table = as_lists(recommender.recommend(["fr", "de"], n=4))
    assert [film % 2 for film in table["film"]] == [1] * 4 + [0] * 4
    recommender.fold_in({"user": ["fr"] * 4, "film": [100, 102, 104, 106]})  # against all that was known
    folded = as_lists(recommender.recommend("fr", n=100))
    assert folded["film"].index(108) < as_lists(recommender.recommend("de", n=100))["film"].index(101)
    assert not {100, 102, 104, 106} & set(folded["film"])


@pytest.mark.parametrize("kind", KINDS)
def test_users_fold_in_from_what_they_chose(kind):
    found = fitted(kind)
    found.fold_in(as_kind({"user": ["new", "new", "old"], "film": [101, 103, 100]}, kind))
    best = as_lists(found.recommend("new", n=5))
    assert all(film % 2 for film in best["film"])
    assert not {101, 103} & set(best["film"])
    assert films_of(found, "new") == {101, 103}
    assert found.user_ids_.tolist()[-2:] == ["new", "old"]
    assert len(as_lists(found.similar_users("new", n=3))["user"]) == 3
    assert "new" in as_lists(found.recommend_to(105, n=100))["user"]


def test_a_new_user_s_vector_is_that_of_the_ranker_s_fold_in(recommender):
    recommender.fold_in({"user": ["new", "new"], "film": [101, 103]})
    known = recommender._fitted()
    items = recommender.model.item_vector(known.items.X)
    vector = recommender.model.fold_in([1, 3], items)
    ids, scores = recommender.index.search(vector, 4, [101, 103])
    best = as_lists(recommender.recommend("new", n=4))
    assert best["film"] == ids.tolist()
    np.testing.assert_allclose(best["score"], scores, rtol=1e-4)


def test_folding_in_what_is_known_changes_no_known_user(recommender):
    before = as_lists(recommender.recommend("u0", n=5))
    film = min(films_of(recommender, "u0"))
    recommender.fold_in({"user": ["u0"], "film": [film]})
    assert as_lists(recommender.recommend("u0", n=5)) == before


def test_new_choices_move_a_known_user_and_nobody_else(recommender):
    before, other = as_lists(recommender.recommend("u0", n=100)), as_lists(recommender.recommend("u2", n=5))
    new = [101, 103, 105, 107, 109, 111]
    recommender.fold_in({"user": ["u0"] * 6, "film": new})
    after = as_lists(recommender.recommend("u0", n=100))
    assert not set(new) & set(after["film"])
    assert as_lists(recommender.recommend("u2", n=5)) == other

    def mean_place(table):
        places = [place for place, film in enumerate(f for f in table["film"] if f not in new) if film % 2]
        return np.mean(places)

    assert mean_place(after) < mean_place(before)


def test_folding_in_twice_is_folding_in_both_at_once():
    at_once, in_turn = fitted(), fitted()
    at_once.fold_in({"user": ["x", "x", "u1"], "film": [101, 103, 100]})
    in_turn.fold_in({"user": ["x"], "film": [101]}).fold_in({"user": ["x", "u1"], "film": [103, 100]})
    assert as_lists(at_once.recommend(["x", "u1"], n=9)) == as_lists(in_turn.recommend(["x", "u1"], n=9))


def test_a_folded_user_s_context_counts():
    rng = np.random.default_rng(0)
    item = rng.integers(0, 10, 2000)
    events = {
        "user_id": rng.integers(0, 30, 2000),
        "item_id": item,
        "hour": np.where(item < 5, "day", "night"),
    }
    found = make().fit(events, context=["hour"])
    found.fold_in({"user_id": [99, 99], "item_id": [1, 6]})
    for name, items in (("day", {0, 2, 3, 4}), ("night", {5, 7, 8, 9})):
        assert set(found.recommend(99, n=4, context={"hour": name})["item_id"].tolist()) == items


def test_events_of_unknown_items_are_passed_over_with_a_warning(recommender):
    with pytest.warns(UserWarning, match="2 events are of items that are not known"):
        recommender.fold_in({"user": ["x", "x", "y"], "film": [101, 999, 999]})
    with pytest.warns(UserWarning, match="nothing is known of 1 of 2 users: 'y'"):
        recommender.recommend(["x", "y"], n=2)


def test_matrices_grow_by_matrices():
    _, _, films = world()
    found = fitted()
    known = found._fitted()
    by_matrix = make().fit(known.interactions, users=known.users.X, items=known.items.X)
    new = found.encoder.transform({"film": [200], "genres": ["Comedy|New"]}, side="item")
    by_matrix.add_items(new, ids=[24])
    assert all(film % 2 for film in by_matrix.similar_items(24, n=3)["similar_item_id"])
    more = sp.csr_array((np.ones(3), ([40, 40, 0], [1, 3, 5])), shape=(41, 25))
    by_matrix.fold_in(more)
    assert by_matrix.interactions_.shape == (41, 25)
    assert all(film % 2 for film in by_matrix.recommend(40, n=5)["item_id"])
    user = found.encoder.transform({"user": ["x"], "country": ["FR"]}, side="user")
    by_matrix.add_users(user, ids=[77])
    assert by_matrix.recommend(77, n=1)["item_id"][0] % 2
    with pytest.raises(TypeError, match="items must be a matrix of features with ids="):
        by_matrix.add_items(films)
    with pytest.raises(TypeError, match="without ids"):
        by_matrix.add_items(new)
    with pytest.raises(ValueError, match="items must have a row for each id and the features of fit"):
        by_matrix.add_items(new, ids=[1, 2])
    with pytest.raises(ValueError, match="ids must be unique"):
        by_matrix.add_items(sp.vstack([new, new]), ids=[50, 50])
    with pytest.raises(ValueError, match="events must have a column for each of 25 items"):
        by_matrix.fold_in(known.interactions)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.add_items({"title": ["x"]}), "items has no column 'film', by which it is joined"),
        (lambda r: r.add_items({"film": [300]}), "items has no column 'genres'"),
        (lambda r: r.add_items({"film": [300, 300], "genres": ["a", "b"]}), "items has more than one row of film=300"),
        (lambda r: r.add_items({"film": [None], "genres": ["a"]}), "'film' has no value in row 0"),
        (lambda r: r.add_items({"film": [1], "genres": ["a"]}, ids=[1]), "ids goes with a matrix"),
        (lambda r: r.add_users({"user": ["x"]}), "users has no column 'country'"),
        (lambda r: r.fold_in({"user": ["x"]}), "item='film' is not a column of events"),
        (lambda r: r.fold_in({"user": ["x"] * N_FILMS, "film": np.arange(100, 100 + N_FILMS)}), "chose every item"),
    ],
)
def test_wrong_tables_are_errors_that_change_nothing(recommender, call, message):
    with pytest.raises(ValueError, match=message):
        call(recommender)
    assert len(recommender.index) == N_FILMS
    assert recommender.interactions_.shape == (N_USERS, N_FILMS)


def test_a_matrix_in_place_of_a_table_is_a_type_error(recommender):
    with pytest.raises(TypeError, match="events must be a table, as in fit; got a sparse matrix"):
        recommender.fold_in(recommender.interactions_)
