"""An encoder without lists chooses how to encode each column by what it holds."""

import io
from datetime import datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pytest

import encoding_cases
from encoding_cases import RATINGS, assert_same_matrix, pd, pl
from fastfm_ext import encoding
from fastfm_ext.encoding import FMEncoder, categorical, multi, numeric
from fastfm_ext.model_io import load_model, save_model

make_frame = encoding_cases.make_frame

FEW_OF_MANY = categorical("x", min_count=2, unknown="rare")
SEVERAL = multi("x", sep=None)


def chosen(column):
    (spec,) = FMEncoder().fit({"x": column}).columns_
    return spec


@pytest.mark.parametrize(
    ("column", "spec"),
    [
        (["a", "b", None], categorical("x")),
        ([True, False], categorical("x")),
        ([3, 1, 3], categorical("x")),
        ([3.0, None, 1.0], categorical("x")),
        ([1.0, 2.5], numeric("x")),
        ([Decimal("1.50"), Decimal(2)], numeric("x")),
        ([Decimal(1), Decimal(2)], categorical("x")),
        ([1, "a", 2.5], categorical("x")),
        (["1.5", "2.5"], categorical("x")),
        ([datetime(2024, 1, 1), None], numeric("x")),
        ([timedelta(hours=1), timedelta(0)], numeric("x")),
        ([time(1), time(2)], numeric("x")),
        (np.array(["2024-01-01", "NaT"], dtype="M8[D]"), numeric("x")),
        ([["a"], ["a", "b"], None], SEVERAL),
        ([("a",), ("a", "b")], SEVERAL),
        ([{"a"}, set()], SEVERAL),
        (pl.Series([["a"], []]), SEVERAL),
        (pd.Series([1.5, 2.5], dtype="category"), categorical("x")),
        (pl.Series(["a", "b"], dtype=pl.Categorical), categorical("x")),
        (pd.Series([1, None], dtype="Int64"), categorical("x")),
        (pd.Series([1.5, None], dtype="Float64"), numeric("x")),
        ([float("nan"), 0.1], numeric("x")),
    ],
)
def test_a_column_is_encoded_by_what_it_holds(column, spec):
    assert chosen(column) == spec


@pytest.mark.parametrize(
    ("column", "spec"),
    [
        (np.arange(40), numeric("x")),
        (np.arange(40.0), numeric("x")),
        (np.arange(40) // 2, categorical("x")),
        (np.arange(40.0) // 2, categorical("x")),
        ([f"ticket {i}" for i in range(40)], FEW_OF_MANY),
        ([f"city {i // 2}" for i in range(40)], categorical("x")),
        (pd.Series([f"c{i}" for i in range(40)], dtype="category"), categorical("x")),
        ([None] * 30 + list(range(10)), numeric("x")),
        (np.arange(19), categorical("x")),
    ],
)
def test_values_too_rare_to_learn_one_by_one_are_numbers_or_share_a_feature(column, spec):
    assert chosen(column) == spec


def test_all_tables_are_encoded_alike(make_frame):
    expected = FMEncoder().fit_transform(RATINGS)
    encoder = FMEncoder()
    assert_same_matrix(encoder.fit_transform(make_frame(RATINGS)), expected)
    assert encoder.field_names_ == list(RATINGS)


def test_an_arrow_table_is_encoded_like_the_columns_it_is_made_of():
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
    assert_same_matrix(FMEncoder().fit_transform(pa.table(RATINGS)), FMEncoder().fit_transform(RATINGS))


def test_what_was_chosen_can_be_copied_from_its_repr():
    encoder = FMEncoder().fit({"x": np.arange(40), "y": [f"t{i}" for i in range(40)], "z": [["a"]] * 40})
    written = eval(repr(encoder.columns_), vars(encoding))
    assert written == encoder.columns_
    again = FMEncoder(written).fit({"x": np.arange(40), "y": [f"t{i}" for i in range(40)], "z": [["a"]] * 40})
    assert again.get_feature_names_out().tolist() == encoder.get_feature_names_out().tolist()


def test_columns_of_a_column_that_has_only_missing_values_are_ignored():
    encoder = FMEncoder().fit({"x": [1.5, 2.5], "nothing": [None, None]})
    assert encoder.get_feature_names_out().tolist() == ["x"]


def test_a_list_needs_no_side(make_frame):
    encoder = FMEncoder(["user_id", numeric("age")])
    as_context = FMEncoder(context=["user_id", numeric("age")])
    assert_same_matrix(encoder.fit_transform(make_frame(RATINGS)), as_context.fit_transform(make_frame(RATINGS)))
    assert encoder.columns_ == [categorical("user_id"), numeric("age")]
    assert encoder.transform(RATINGS, side="item").nnz == 0


@pytest.mark.parametrize("columns", [None, ["user_id", numeric("age")]])
def test_a_saved_encoder_has_the_columns_and_the_parameters_that_it_had(columns):
    file = io.BytesIO()
    encoder = FMEncoder(columns).fit(RATINGS)
    save_model(file, encoder=encoder)
    again = load_model(file).encoder
    assert again.get_params() == encoder.get_params()
    assert again.columns_ == encoder.columns_
    assert_same_matrix(again.transform(RATINGS), encoder.transform(RATINGS))
    assert_same_matrix(again.partial_fit(RATINGS).transform(RATINGS), encoder.transform(RATINGS))


@pytest.mark.parametrize(
    ("table", "kind", "message"),
    [
        ({}, ValueError, "no columns to encode: X has none"),
        (pd.DataFrame([[1, 2]]), TypeError, r"must be a string, got 0; rename the columns"),
        ({"x": [{"a": 1}]}, TypeError, "column 'x'"),
        ({"x": [0.5, float("inf")]}, ValueError, "column 'x', row 1: inf is infinite"),
    ],
)
def test_what_cannot_be_encoded_is_named(table, kind, message):
    with pytest.raises(kind, match=message):
        FMEncoder().fit(table)
