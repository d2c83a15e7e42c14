"""An encoder learns the columns of each side from rows of their own."""

import numpy as np
import pytest

from fastfm_ext import FMEncoder, categorical, crossed, numeric
from fastfm_ext._tables.read import as_column
from fastfm_ext.encoding.by_side import encoded_groups, fitted_by_side

TABLES = {
    "user": {"user": ["a", "b"], "age": [10.0, 30.0]},
    "item": {"item": [1, 2, 3], "genre": ["x", "y", "x"]},
    "context": {"hour": [1, 1, 2, 2]},
}


def columns_of(group, spec):
    return {name: as_column(name, data) for name, data in TABLES[group].items()}


def test_each_spec_learns_from_its_own_rows():
    encoder = FMEncoder(
        user=["user", numeric("age")], item=["item", categorical("genre", min_count=2)], context=["hour"]
    )
    assert fitted_by_side(encoder, columns_of) is encoder
    names = encoder.get_feature_names_out().tolist()
    assert names == [
        *("user=a", "user=b", "age", "item=1", "item=2", "item=3"),
        *("genre=<rare>", "genre=x", "hour=1", "hour=2"),
    ]
    row = {"user": ["a"], "age": [30.0], "hour": [2]}
    np.testing.assert_array_equal(encoder.transform(row, side="user").toarray(), [[1, 0, 1, 0, 0, 0, 0, 0, 0, 1]])
    of_user = encoded_groups(encoder, row, ("user",))
    of_context = encoded_groups(encoder, {"hour": [2]}, ("context",))
    np.testing.assert_array_equal((of_user + of_context).toarray(), encoder.transform(row, side="user").toarray())


def test_it_is_the_encoder_of_one_table_where_all_rows_are_the_same():
    table = {"user": ["a", "b", "a"], "item": [1, 2, 3]}
    lists = {"user": ["user"], "item": ["item", crossed("user", "item")]}
    one = FMEncoder(**lists).fit(table)
    columns = {name: as_column(name, data) for name, data in table.items()}
    other = fitted_by_side(FMEncoder(**lists), lambda group, spec: columns)
    np.testing.assert_array_equal(one.transform(table).toarray(), other.transform(table).toarray())
    assert one.columns_ == other.columns_


def test_a_column_given_twice_is_an_error():
    with pytest.raises(ValueError, match="column 'user' is given twice"):
        fitted_by_side(FMEncoder(user=["user", "user"]), columns_of)
