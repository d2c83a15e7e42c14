"""Wrong arguments of `fit` are errors that name them and leave the recommender as it was."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import FMClassifier, FMRecommender, crossed, implicit, multi
from recommender_cases import as_lists, fitted, make, world

EVENTS, USERS, FILMS = world()
ROLES = {"user": "user", "item": "film"}


@pytest.mark.parametrize(
    ("changed", "arguments", "message"),
    [
        ({}, {"user": "who"}, "user='who' is not a column of events; it has user, film"),
        ({}, {"item": "movie"}, "item='movie' is not a column of events"),
        ({}, {"item": "user"}, "user and item both name the column 'user'"),
        ({"score": EVENTS["user"]}, {"user": "score"}, "user='score' is the name of the scores in answers"),
        ({"score": EVENTS["user"]}, {"item": "score"}, "item='score' is the name of the scores in answers"),
        ({}, {"items": FILMS | {"user": ["x"] * 24}, "title": "user"}, "title='user': an answer has another column"),
        ({}, {"user": []}, "user must name the column of the users' ids"),
        ({}, {"item": [crossed("film", "day")]}, "item must name the column of the items' ids"),
        ({}, {"weight": "stars"}, "weight='stars' is not a column of events"),
        ({}, {"context": ["hour"]}, "context='hour' is not a column of events"),
        ({}, {"user": ["user", "country"]}, "user='country' is not a column of events"),
        ({}, {"users": USERS, "user": ["user", "city"]}, "user: users has no column 'city'; it has user, country"),
        ({}, {"items": FILMS, "item": ["film", multi("tags")]}, "item: items has no column 'tags'"),
        ({}, {"user": ["user", implicit("user", of="day")]}, "needs 'day' beside it; there are user, film"),
        ({}, {"items": FILMS, "title": "label"}, "title='label' is not a column of items; it has film, title, genres"),
        ({}, {"users": {"id": ["u0"]}}, "users has no column 'user', by which it is joined to the events; it has id"),
        ({}, {"users": {"user": ["u0", "u0"], "x": [1, 2]}}, "users has more than one row of user='u0'"),
        ({}, {"users": {"user": ["u0", None], "x": [1, 2]}}, "'user' has no value in row 1"),
        ({}, {"users": USERS | {"name": ["x"]}}, "column 'name' has 1 rows, column 'user' has 40"),
        ({}, {"users": USERS | {"genres": ["x"] * 40}, "items": FILMS}, "users and items both have a column 'genres'"),
        ({}, {"users": {"user": [0.5], "x": [1]}}, "column 'user': text can't be the same as the numbers"),
        (
            {},
            {"users": {"user": ["U0"], "x": [1]}},
            "users has none of the users in events, by column 'user': 'U0' there",
        ),
        ({"user": [None] * len(EVENTS["user"])}, {}, "'user' has no value in row 0"),
        ({"plays": [0] * len(EVENTS["plays"])}, {"weight": "plays"}, "weight='plays': no event has a weight above 0"),
        ({"plays": [-1] * len(EVENTS["plays"])}, {"weight": "plays"}, "row 0 has -1.0"),
        ({name: [] for name in EVENTS}, {}, "events is empty"),
    ],
)
def test_wrong_tables_are_errors_that_name_the_argument(changed, arguments, message):
    found = fitted()
    before = as_lists(found.recommend("u0"))
    with pytest.raises(ValueError, match=message):
        found.fit(EVENTS | changed, **(ROLES | arguments))
    assert as_lists(found.recommend("u0")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"user": 3}, "user must be a list of column specs, got int"),
        ({"context": [3]}, "context must hold column names"),
        ({"users": [1, 2]}, "users must be a pandas or polars DataFrame"),
        ({"items": np.eye(3)}, "items must be a pandas or polars DataFrame"),
    ],
)
def test_arguments_of_a_wrong_kind_are_type_errors(arguments, message):
    with pytest.raises(TypeError, match=message):
        make().fit(EVENTS, **(ROLES | arguments))


def test_events_that_are_no_table_are_a_type_error():
    with pytest.raises(TypeError, match="events must be a pandas or polars DataFrame"):
        make().fit([1, 2, 3])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"weight": "plays"}, ValueError, "weight='plays' names a column, but events is a matrix"),
        ({"user": "who"}, ValueError, "user='who' names a column"),
        ({"users": np.eye(3)}, ValueError, "users and items must both be matrices"),
        ({"users": np.eye(4), "items": np.eye(4)}, ValueError, "users must have a row for each of the 3 in events"),
        ({"users": np.eye(3), "items": np.eye(4)}, ValueError, "features in the same columns; got 3 and 4"),
        ({"users": {"x": [1]}, "items": np.eye(4)}, TypeError, "users must be a matrix of features"),
    ],
)
def test_wrong_matrices_are_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        make().fit(sp.csr_array(np.eye(3, 4)), **arguments)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"model": FMClassifier()}, "model must be an FMRanker, got a FMClassifier"),
        ({"index": [1]}, "index must be an ItemIndex, got a list"),
    ],
)
def test_parts_of_other_classes_are_type_errors(parts, message):
    with pytest.raises(TypeError, match=message):
        FMRecommender(**parts).fit(EVENTS, **ROLES)


def test_hyperparameters_of_the_ranker_are_checked_by_it():
    with pytest.raises(ValueError, match="n_factors of FMRanker"):
        make(n_factors=-1).fit(EVENTS, **ROLES)


def test_a_column_is_given_once():
    with pytest.raises(ValueError, match="column 'country' is given twice as categorical"):
        make().fit(EVENTS, user=["user", "country", "country"], item="film", users=USERS)
