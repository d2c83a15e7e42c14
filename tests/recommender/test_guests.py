"""Guests are served as newcomers who are folded in, and each choice is told what it has done."""

import copy

import numpy as np
import pytest

from fastfm_ext import FMRecommender
from fastfm_ext.explain import ranking_contributions
from fastfm_ext.recommender.guests import guest_of
from recommender_cases import N_FILMS, SPECS, as_lists, fitted, make, world

HISTORIES = {"loss": "softmax", "l2_V": None, "max_iter": 10, "temperature": 0.2, "user_history": True}
MODELS = {
    "bpr": {},
    "softmax": {"loss": "softmax", "l2_V": None, "max_iter": 10, "temperature": 0.2},
    "squared": {"loss": "squared", "l2_V": None, "max_iter": 5},
    "histories": HISTORIES,
}
FILMS = [103, 101, 105]


def recommender_of(name, **of_fit):
    events, users, films = world()
    return make(**MODELS[name]).fit(events, **(SPECS | {"users": users, "items": films} | of_fit))


def guest(recommender, films):
    known = recommender._fitted()
    return guest_of(known, recommender.model, known.items.find(films, "films"))


@pytest.mark.parametrize("weight", [None, "plays"])
@pytest.mark.parametrize("name", MODELS)
def test_a_guest_s_vector_is_that_of_a_newcomer_who_is_folded_in(name, weight):
    recommender = recommender_of(name, weight=weight)
    known = recommender._fitted()
    found = guest(recommender, FILMS)
    new = {"user": ["new"] * 3, "film": FILMS, "plays": [known.mean_weight] * 3}
    later = copy.copy(recommender).fold_in(new)._fitted()
    expected = later.vectors_of(recommender.model, later.users.find(["new"], "users"))[0]
    np.testing.assert_allclose(found.vector, expected, rtol=1e-5, atol=1e-6)
    assert recommender._fitted() is known
    assert "new" not in recommender.user_ids_.tolist()


@pytest.mark.parametrize("name", ["bpr", "softmax", "squared"])
def test_the_share_of_a_choice_is_what_the_vector_loses_without_it(name):
    recommender = recommender_of(name)
    found = guest(recommender, FILMS)
    for at in range(3):
        without = guest(recommender, [film for film in FILMS if film != FILMS[at]]).vector
        np.testing.assert_allclose(found.vector[1:] - found.shares[at], without[1:], rtol=1e-4, atol=1e-6)


def test_shares_of_histories_are_the_contributions_to_the_score():
    recommender = recommender_of("histories")
    known, model = recommender._fitted(), recommender.model
    found = guest(recommender, FILMS)
    history = np.zeros((1, N_FILMS))
    columns = [known.in_histories.tolist().index(place) for place in known.items.find(FILMS, "films")]
    history[0, columns] = 1
    X_item = known.items.X[[10]]
    (parts,) = ranking_contributions(model, model.with_history(history), X_item, n=None)
    item = model.item_vector(X_item)[0].astype(float)
    for column, share in zip(columns, found.shares, strict=True):
        expected = sum(part.value for part in parts if part.user_feature == f"has item {column}")
        assert share @ item[1:] == pytest.approx(expected, rel=1e-4)
    assert item[0] + (found.shares @ item[1:]).sum() == pytest.approx(found.vector @ item, rel=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_without_choices_only_the_items_own_part_ranks(name):
    found = guest(recommender_of(name), [])
    assert found.shares.shape == (0, 4)
    np.testing.assert_array_equal(found.vector, [1, 0, 0, 0, 0])


@pytest.mark.parametrize("name", MODELS)
def test_the_only_choice_is_all_that_there_is_to_say(name):
    found = guest(recommender_of(name), [103])
    np.testing.assert_allclose(found.shares[0], found.vector[1:], rtol=1e-5, atol=1e-6)


def test_items_that_came_later_change_nothing_in_histories():
    recommender = recommender_of("histories")
    before = guest(recommender, FILMS)
    recommender.add_items({"film": [900], "title": ["New"], "genres": ["Comedy|New"]})
    after = guest(recommender, [FILMS[0], 900, *FILMS[1:]])
    np.testing.assert_array_equal(after.vector, before.vector)
    np.testing.assert_array_equal(after.shares, np.insert(before.shares, 1, 0, axis=0))


def test_items_that_came_later_count_where_choices_are_folded_in():
    recommender = fitted()
    recommender.add_items({"film": [900], "title": ["New"], "genres": ["Comedy|New"]})
    assert np.abs(guest(recommender, [900]).vector[1:]).max() > 0


def test_the_items_of_folding_in_follow_the_recommender_when_it_grows():
    recommender = fitted()
    n_before = len(recommender._fitted().items_of_fold_in(recommender.model)[0])
    recommender.add_items({"film": [900], "title": ["New"], "genres": ["Comedy|New"]})
    items, vectors = recommender._fitted().items_of_fold_in(recommender.model)
    assert len(items) == len(vectors) == n_before + 1


def test_a_guest_who_has_chosen_everything_cannot_be_told_anything():
    recommender = fitted()
    with pytest.raises(ValueError, match=r"every item|all items"):
        guest(recommender, recommender.item_ids_.tolist())


def test_a_saved_recommender_has_the_same_guests(tmp_path):
    recommender = recommender_of("histories")
    recommender.save(tmp_path / "m.fastfm")
    loaded = FMRecommender.load(tmp_path / "m.fastfm")
    np.testing.assert_array_equal(guest(loaded, FILMS).vector, guest(recommender, FILMS).vector)
    assert as_lists(loaded.recommend("u0", n=3)) == as_lists(recommender.recommend("u0", n=3))
