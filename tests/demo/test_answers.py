"""Answers of the demo: those of the recommender itself, with reasons that add up."""

import copy

import numpy as np
import pytest

from demo_cases import FOLDED, recommender_of_films
from fastfm_ext import ItemIndex
from fastfm_ext.demo.answers import Answers
from fastfm_ext.plotting import VectorMapDisplay
from recommender_cases import N_FILMS, as_lists, make, world

MODELS = {
    "histories": {},
    "folded": {**FOLDED, "user_history": False},
    "squared": {"loss": "squared", "user_history": False, "temperature": None},
}


@pytest.fixture(scope="module", params=MODELS)
def recommender(request):
    return recommender_of_films(**MODELS[request.param])


@pytest.fixture(scope="module")
def answers(recommender):
    return Answers(recommender)


LIKES = np.array([3, 7, 9])


def places_of(found):
    return [item["item"] for item in found["items"]]


def test_recommendations_are_those_of_a_newcomer_who_is_folded_in(answers, recommender):
    ids = recommender.item_ids_[LIKES]
    newcomer = copy.copy(recommender).fold_in({"user": ["new"] * 3, "film": ids})
    expected = as_lists(newcomer.recommend("new", n=6))
    found = answers.recommend(LIKES, 6, 1.0)
    assert recommender.item_ids_[places_of(found)].tolist() == expected["film"]
    np.testing.assert_allclose([item["score"] for item in found["items"]], expected["score"], atol=1e-4)


def test_what_is_liked_is_not_recommended_and_is_told_back(answers):
    found = answers.recommend(LIKES, N_FILMS, 1.0)
    assert not {*LIKES.tolist()} & {*places_of(found)}
    assert len(found["items"]) == N_FILMS - 3
    assert [item["item"] for item in found["likes"]] == LIKES.tolist()


def test_the_parts_of_a_score_add_up_to_it(answers):
    for popularity in (0.0, 0.7, 2.0):
        for item in answers.recommend(LIKES, 10, popularity)["items"]:
            assert item["alone"] + item["choices"] == pytest.approx(item["score"], abs=1e-3)
            if answers.about()["reasons"] == "sum":
                assert sum(part["value"] for part in item["because"]) == pytest.approx(item["choices"], abs=1e-3)


def test_reasons_are_likes_and_the_strongest_comes_first(answers):
    for item in answers.recommend(LIKES, 10, 1.0)["items"]:
        values = [part["value"] for part in item["because"]]
        assert values == sorted(values, reverse=True)
        assert {part["item"] for part in item["because"]} == {*LIKES.tolist()}


def test_a_reason_of_folded_likes_is_what_the_score_loses_without_it(answers):
    if answers.about()["reasons"] == "sum":
        pytest.skip("here reasons are parts of a sum")
    with_all = {item["item"]: item for item in answers.recommend(LIKES, N_FILMS, 1.0)["items"]}
    without = {item["item"]: item for item in answers.recommend(LIKES[1:], N_FILMS, 1.0)["items"]}
    for place, item in with_all.items():
        (value,) = (part["value"] for part in item["because"] if part["item"] == LIKES[0])
        assert item["score"] - without[place]["score"] == pytest.approx(value, abs=1e-3)


def test_popularity_multiplies_what_an_item_scores_by_itself(answers):
    by_popularity = {
        popularity: {item["item"]: item for item in answers.recommend(LIKES, N_FILMS, popularity)["items"]}
        for popularity in (0.0, 1.0, 2.0)
    }
    for place, item in by_popularity[1.0].items():
        assert by_popularity[0.0][place]["alone"] == 0
        assert by_popularity[2.0][place]["alone"] == pytest.approx(2 * item["alone"], abs=2e-4)
        assert by_popularity[2.0][place]["choices"] == item["choices"]


def test_who_likes_nothing_yet_gets_what_scores_by_itself(answers):
    found = answers.recommend(np.array([], dtype=np.int64), 5, 1.0)
    assert all(item["because"] == [] and item["choices"] == 0 for item in found["items"])
    scores = [item["score"] for item in found["items"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 5


def test_similar_items_are_those_of_the_recommender(answers, recommender):
    found = answers.similar(7, 4)
    expected = as_lists(recommender.similar_items(recommender.item_ids_[7], n=4))
    assert recommender.item_ids_[places_of(found)].tolist() == expected["similar_film"]
    np.testing.assert_allclose([item["cosine"] for item in found["items"]], expected["score"], atol=1e-4)
    assert found["of"]["item"] == 7


def test_the_map_has_each_item_once_where_the_plots_draw_it(answers, recommender):
    found = answers.map()
    assert sorted(found["items"]) == list(range(N_FILMS))
    x, y = np.array(found["x"]), np.array(found["y"])
    assert x.min() == y.min() == 0
    assert max(x.max(), y.max()) == 1000
    assert len(found["titles"]) == len(x) == len(y) == len(found["group"]) == N_FILMS
    for place, group in zip(found["items"], found["group"], strict=True):
        assert found["groups"][group] in answers.catalog.descriptions(place)
    known, model = recommender._fitted(), recommender.model
    drawn = VectorMapDisplay(model.item_vector(known.items.X[found["items"]])[:, 1:]).points
    drawn = drawn - drawn.min(axis=0)
    np.testing.assert_allclose(np.column_stack([x, y]), 1000 * drawn / drawn.max(), atol=0.06)
    assert 0 < sum(found["variance"]) <= 1.001


def test_the_same_question_has_the_same_answer_and_changes_nothing(recommender):
    answers, known = Answers(recommender), recommender._fitted()
    first = answers.recommend(LIKES, 8, 0.5)
    answers.recommend(LIKES[:1], 8, 2.0)
    answers.similar(3, 3)
    assert answers.recommend(LIKES, 8, 0.5) == first == Answers(recommender).recommend(LIKES, 8, 0.5)
    assert recommender._fitted() is known


def test_an_item_that_left_the_index_can_be_liked_and_is_not_recommended():
    recommender = recommender_of_films()
    recommender.index.remove([103])
    answers = Answers(recommender)
    found = answers.recommend(np.array([5]), N_FILMS, 1.0)
    assert 3 not in places_of(found)
    assert answers.recommend(LIKES, 3, 1.0)["likes"][0]["item"] == 3
    with pytest.raises(ValueError, match="'Matrix, The Second' is not in the index any more"):
        answers.similar(3, 2)


def test_an_index_of_lists_serves_too():
    pytest.importorskip("faiss")
    events, _, films = world()
    recommender = make(loss="squared", l2_V=None, max_iter=5)
    recommender.set_params(index=ItemIndex("ivf", n_lists=2))
    recommender.fit(events, user="user", item="film", items={"film": films["film"], "title": films["title"]})
    assert len(Answers(recommender).recommend(LIKES, 3, 1.0)["items"]) == 3


def test_a_ranking_without_factors_has_nothing_to_show():
    events, _, _ = world()
    recommender = make(loss="squared", l2_V=None, n_factors=0).fit(events, user="user", item="film")
    with pytest.raises(ValueError, match="n_factors=0 ranks the same for everybody"):
        Answers(recommender)
