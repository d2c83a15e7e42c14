"""Events become a matrix of users and items."""

import datetime

import numpy as np
import pytest

from fastfm_ext.model_selection import leave_one_out
from fastfm_ext.recommender import interactions_from_table
from recommender_cases import KINDS, as_kind

EVENTS = {
    "user_id": ["bob", "ann", "ann", "bob", "ann"],
    "item_id": [9, 7, 9, 9, 7],
    "plays": [1.0, 2.0, 0.5, 3.0, 4.0],
    "when": [5, 1, 3, 2, 0],
}


@pytest.mark.parametrize("kind", KINDS)
def test_repeated_events_are_counted_and_ids_sorted(kind):
    found = interactions_from_table(as_kind(EVENTS, kind))
    assert found.user_ids.tolist() == ["ann", "bob"]
    assert found.item_ids.tolist() == [7, 9]
    assert found.matrix.toarray().tolist() == [[2, 1], [0, 2]]
    assert found.times is None
    assert found.n_left_out == 0


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_summed_and_the_last_time_is_kept(kind):
    found = interactions_from_table(as_kind(EVENTS, kind), weight="plays", time="when")
    assert found.matrix.toarray().tolist() == [[6.0, 0.5], [0, 4.0]]
    assert found.times.toarray().tolist() == [[1, 3], [0, 5]]


def test_times_are_those_that_splits_take():
    events = EVENTS | {"when": [0, 0, 3, 0, -2]}  # 0 is a time as any other
    found = interactions_from_table(events, time="when")
    _, held_out = leave_one_out(found.matrix, time=found.times)
    assert held_out.toarray().tolist() == [[0, 1], [0, 0]]


def test_dates_are_seconds_since_1970():
    events = {"user_id": [1], "item_id": [1], "when": [datetime.date(1970, 1, 2)]}
    assert interactions_from_table(events, time="when").times.data.tolist() == [86400.0]


def test_pairs_of_weight_0_are_none_with_and_without_times():
    events = EVENTS | {"plays": [1.0, 0.0, 2.0, 1.0, 0.0]}
    found = interactions_from_table(events, weight="plays", time="when")
    assert found.matrix.toarray().tolist() == [[0, 2], [0, 2]]
    assert found.times.nnz == found.matrix.nnz == 2


def test_given_ids_are_the_rows_and_columns_in_their_order():
    found = interactions_from_table(EVENTS, user_ids=["bob", "cat"], item_ids=["9", "8"])  # 9 is "9"
    assert found.matrix.toarray().tolist() == [[2, 0], [0, 0]]
    assert found.item_ids.tolist() == ["9", "8"]
    assert found.n_left_out == 3


def test_the_order_of_events_plays_no_part():
    order = np.random.default_rng(0).permutation(5)
    shuffled = {name: np.asarray(column, dtype=object)[order].tolist() for name, column in EVENTS.items()}
    one, other = interactions_from_table(EVENTS, weight="plays"), interactions_from_table(shuffled, weight="plays")
    np.testing.assert_array_equal(one.matrix.toarray(), other.matrix.toarray())
    assert one.user_ids.tolist() == other.user_ids.tolist()


@pytest.mark.parametrize(
    ("changed", "arguments", "message"),
    [
        ({}, {"user": "who"}, r"user='who' is not a column of events; it has user_id, item_id"),
        ({}, {"weight": "stars"}, "weight='stars' is not a column"),
        ({"user_id": ["bob", None, "ann", "bob", "ann"]}, {}, "'user_id' has no value in row 1"),
        ({"plays": [1.0, -2.0, 0.5, 3.0, 4.0]}, {"weight": "plays"}, "row 1 has -2.0"),
        ({"plays": [1.0, np.inf, 0.5, 3.0, 4.0]}, {"weight": "plays"}, "row 1 has inf"),
        ({"plays": [1.0, None, 0.5, 3.0, 4.0]}, {"weight": "plays"}, "'plays' has no value in row 1"),
        ({"when": [1.0, 2.0, np.nan, 3.0, 4.0]}, {"time": "when"}, "'when' has no value in row 2"),
        ({}, {"user_ids": ["ann", "ann"]}, "user_ids.*unique"),
        ({}, {"item_ids": [7, None]}, "item_ids.*missing"),
        ({"plays": [1.0]}, {"weight": "plays"}, "column 'plays' has 1 rows"),
    ],
)
def test_wrong_events_are_an_error_that_names_the_column(changed, arguments, message):
    with pytest.raises(ValueError, match=message):
        interactions_from_table(EVENTS | changed, **arguments)


def test_what_is_no_table_is_a_type_error():
    with pytest.raises(TypeError, match="events must be a pandas or polars DataFrame"):
        interactions_from_table([1, 2])
