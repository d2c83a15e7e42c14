"""Rows of a column are read as the column is, each as often as it is named."""

import datetime

import numpy as np
import pytest

from fastfm_ext._tables.read import as_column, read_columns
from fastfm_ext._tables.taken_column import TakenColumn

ROWS = np.array([2, 0, -1, 2])


def taken(data):
    return TakenColumn(as_column("x", data), ROWS)


def values_of(column):
    codes, values, _ = column.coded
    return [None if code < 0 else values.tolist()[code] for code in codes]


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (["a", "b", "c"], ["c", "a", None, "c"]),
        ([1.0, 2.0, 3.0], [3, 1, None, 3]),
        ([7, "x", None], [None, "7", None, None]),
        (np.array([True, False, True]), [True, True, None, True]),
    ],
)
def test_values_are_those_of_the_rows(data, wanted):
    assert values_of(taken(data)) == wanted
    assert len(taken(data)) == 4


def test_numbers_and_times_are_those_of_the_rows():
    np.testing.assert_array_equal(taken([1.5, 2.5, 3.5]).numbers, [3.5, 1.5, np.nan, 3.5])
    days = taken(np.array(["1970-01-01", "1970-01-02", "1970-01-03"], dtype="datetime64[D]"))
    assert days.holds_times
    np.testing.assert_array_equal(days.numbers, [172800, 0, np.nan, 172800])
    assert taken(np.array([1.0, 2.0, 3.0])).holds_floats
    assert taken([datetime.date(1970, 1, 1)] * 3).numbers[0] == 0


@pytest.mark.parametrize("data", [["a|b", "c", ""], [["a", "b"], ["c"], []]])
def test_cells_of_several_values_are_those_of_the_rows(data):
    codes, lengths, tokens = taken(data).cells("|")
    starts = np.append(0, np.cumsum(lengths))
    cells = [[] if c < 0 else tokens.values[tokens.codes[starts[c] : starts[c + 1]]].tolist() for c in codes]
    assert cells[1:3] == [["a", "b"], []]
    assert cells[0] == cells[3]


def test_categories_of_pandas_stay_categories():
    pd = pytest.importorskip("pandas")
    column = taken(pd.Series(["a", "b", "a"], dtype="category"))
    assert column.is_category
    assert values_of(column) == ["a", "a", None, "a"]


def test_values_that_cannot_be_categories_are_named():
    with pytest.raises(TypeError, match=r"column 'x' holds .*can't be a category"):
        taken([{}, {}, {}]).coded  # noqa: B018


def test_a_table_may_hold_columns_that_were_read_before():
    columns, n_rows = read_columns({"x": taken(["a", "b", "c"]), "y": [1, 2, 3, 4]}, ["x", "y"])
    assert n_rows == 4
    assert values_of(columns["x"]) == ["c", "a", None, "c"]
