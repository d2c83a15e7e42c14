"""A recommender and its parts are one file, and come back as they were."""

import copy
import io
import pickle

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from fastfm_ext import FMRanker, FMRecommender, ItemIndex, ModelFileError, load_model, save_model
from fastfm_ext.model_io.container import write_parts
from recommender_cases import KINDS, as_lists, fitted, make, world


def assert_answers_alike(one, other):
    for table in (lambda r: r.recommend(n=4), lambda r: r.similar_items(100), lambda r: r.explain("u0", 101)):
        assert as_lists(table(one)) == as_lists(table(other))
    assert one._fitted().columns == other._fitted().columns


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mmap", [False, True])
def test_a_loaded_recommender_answers_and_grows_alike(kind, mmap, tmp_path):
    found = fitted(kind, weight="plays")
    row = {"user": ["x", "x", "u0"], "film": [101, 103, 105], "plays": [1, 1, 1]}
    found.fold_in(row).add_items({"film": [200], "genres": ["Comedy"], "title": [None]})
    found.save(tmp_path / "films.fastfm")
    loaded = FMRecommender.load(tmp_path / "films.fastfm", mmap=mmap)
    assert_answers_alike(found, loaded)
    for one in (found, loaded):
        one.fold_in({"user": ["y"], "film": [200], "plays": [2]}).add_users({"user": ["z"], "country": ["FR"]})
    assert_answers_alike(found, loaded)


def test_save_model_and_load_model_hold_it_as_the_model():
    file, found = io.BytesIO(), fitted()
    save_model(file, found)
    model, encoder, index = load_model(file)
    assert encoder is None
    assert index is None
    assert_answers_alike(found, model)
    assert model.model.get_params() == found.model.get_params()
    assert model.encoder.columns_ == found.encoder.columns_


def test_matrices_and_ids_of_other_kinds_are_saved():
    events, _, _ = world()
    of_matrix = make().fit(fitted().interactions_)
    named = make().fit(events | {"film": [f"f{film}" for film in events["film"]]}, user="user", item="film")
    for found, user in ((of_matrix, 3), (named, "u3")):
        file = io.BytesIO()
        save_model(file, found)
        loaded = load_model(file).model
        assert as_lists(loaded.recommend([user], n=3)) == as_lists(found.recommend([user], n=3))


def test_pickles_and_copies_answer_alike():
    found = fitted()
    assert_answers_alike(found, pickle.loads(pickle.dumps(found)))
    assert_answers_alike(found, copy.deepcopy(found))


def test_nothing_is_saved_beside_a_recommender():
    found = fitted()
    with pytest.raises(ValueError, match="The FMRecommender holds an encoder and an index"):
        save_model(io.BytesIO(), found, index=found.index)


def test_a_recommender_that_is_not_fitted_is_not_saved(tmp_path):
    with pytest.raises(NotFittedError):
        FMRecommender().save(tmp_path / "films.fastfm")
    assert not (tmp_path / "films.fastfm").exists()


def test_a_file_of_something_else_is_refused(tmp_path):
    save_model(tmp_path / "index.fastfm", index=ItemIndex().fit(np.eye(2)))
    with pytest.raises(ValueError, match=r"index\.fastfm holds a NoneType, and not an FMRecommender"):
        FMRecommender.load(tmp_path / "index.fastfm")


def test_parts_that_do_not_fit_are_refused(tmp_path):
    found = fitted()
    other = FMRanker(n_factors=2, max_iter=1, random_state=0).fit(np.eye(2, 4), np.eye(2, 4, 2), np.eye(2))
    path = tmp_path / "films.fastfm"
    for parts in ({"recommender": found}, {"recommender": found, **found._parts(), "model": other}):
        write_parts(path, parts)
        with pytest.raises(ModelFileError, match="a part of the recommender is missing or is another's"):
            load_model(path)
