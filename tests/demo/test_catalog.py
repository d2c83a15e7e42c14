"""Titles are found by words, whatever their capitals, accents and order."""

import numpy as np
import pytest

from demo_cases import recommender_of_films
from fastfm_ext import FMRanker, FMRecommender
from fastfm_ext.demo import catalog as module
from fastfm_ext.demo.catalog import Catalog, folded
from recommender_cases import N_FILMS


def catalog_of(recommender):
    encoder = recommender.encoder
    return Catalog(recommender._fitted(), None if encoder is None else encoder.get_feature_names_out())


@pytest.fixture(scope="module")
def catalog():
    return catalog_of(recommender_of_films())


def titles(catalog, words, n=10):
    return [catalog.title(place) for place in catalog.search(words, n)]


@pytest.mark.parametrize("words", ["amelie", "AMÉLIE", "ame co", "co ame", " Amélie & Co. ", "ame\u0301lie"])
def test_a_title_is_found_by_words_of_it(catalog, words):
    assert titles(catalog, words) == ["Amélie & Co."]


def test_titles_that_begin_with_the_first_word_come_first(catalog):
    assert titles(catalog, "matrix") == ["Matrix, The Second", "The Matrix"]
    assert titles(catalog, "the matrix") == ["The Matrix", "Matrix, The Second"]
    assert titles(catalog, "matrix the", n=1) == ["Matrix, The Second"]


def test_among_equals_come_first_those_that_most_users_chose(catalog):
    users = [catalog.shown(place)["users"] for place in catalog.search("film", N_FILMS)]
    assert users == sorted(users, reverse=True)
    assert catalog.search("", 5) == catalog.places[:5].tolist() == catalog.search(" .,", 5)


def test_what_is_in_no_title_finds_nothing(catalog):
    assert catalog.search("casablanca", 5) == []
    assert catalog.search("matrix amelie", 5) == []
    assert catalog.search("film\n", 1) != []


def test_an_item_without_a_title_goes_by_its_id(catalog):
    assert {"104", "105"} <= {catalog.title(place) for place in catalog.places.tolist()}
    assert titles(catalog, "104") == ["104"]


def test_an_item_is_described_by_its_features_but_not_by_its_id(catalog):
    (place,) = catalog.search("amelie", 5)
    shown = catalog.shown(place)
    assert shown["item"] == place
    assert shown["description"] == "Comedy · New"
    assert shown["users"] == int(recommender_of_films()._fitted().n_users_of[place])
    assert set(catalog.most_common) == {"Comedy", "Horror", "New", "Old"}


def test_items_of_matrices_have_numbers_and_no_descriptions():
    events = np.tile(np.eye(6), (3, 1)) + np.tile(np.eye(6)[::-1], (3, 1))
    recommender = FMRecommender(FMRanker(n_factors=2, loss="squared", random_state=0)).fit(_sparse(events))
    catalog = catalog_of(recommender)
    assert catalog.shown(3) == {"item": 3, "title": "3", "description": "", "users": 6}
    assert catalog.most_common == []


def _sparse(array):
    from scipy import sparse

    return sparse.csr_array(array)


def test_items_of_which_nothing_is_known_are_not_there():
    recommender = recommender_of_films()
    with pytest.warns(UserWarning, match="nobody gets"):
        recommender.add_items({"film": [900], "title": ["Unheard of"], "genres": ["Western"]})
    catalog = catalog_of(recommender)
    assert titles(catalog, "unheard") == []
    assert not catalog.has(N_FILMS)
    assert catalog.has(N_FILMS - 1)
    assert not catalog.has(-1)
    assert not catalog.has(10**9)


def test_the_tag_is_that_of_the_items_and_not_of_the_training(catalog):
    assert catalog_of(recommender_of_films(random_state=1)).tag == catalog.tag
    more = recommender_of_films().add_items({"film": [900], "title": ["New"], "genres": ["New"]})
    assert catalog_of(more).tag != catalog.tag


def test_a_search_for_a_common_letter_looks_at_the_popular_items_only(catalog, monkeypatch):
    monkeypatch.setattr(module, "MOST_CANDIDATES", 3)
    found = catalog.search("film", 10)
    assert found == [place for place in catalog.places.tolist() if catalog.title(place).startswith("Film")][:3]


def test_texts_are_folded_to_letters_and_numbers():
    assert folded("  L'Été—à ÉVIAN (1999)  ") == "l ete a evian 1999"
    assert folded("Straße №5") == "strasse no5"
    assert folded("七人の侍") == "七人の侍"
