"""Which ids of two tables are the same, whatever their types."""

import re
from datetime import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from encoding_cases import dense
from fastfm_ext import FMEncoder, categorical, crossed, multi
from fastfm_ext._tables.identity import other_form
from fastfm_ext.model_selection import leave_one_out

SEVENS = {
    "int": [7, 12],
    "uint64": np.array([7, 12], dtype=np.uint64),
    "whole floats": [7.0, 12.0],
    "floats with a gap": [7.0, np.nan, 12.0],
    "Int64 with a gap": pd.array([7, None, 12], dtype="Int64"),
    "Decimals": [Decimal(7), Decimal("12.00")],
    "text": ["7", "12"],
    "a mixture": [7, "12"],
}


@pytest.mark.parametrize("known", SEVENS)
@pytest.mark.parametrize("given", SEVENS)
def test_whole_numbers_of_any_type_and_their_texts_are_one_id(known, given):
    encoder = FMEncoder(user=["x"]).fit({"x": SEVENS[known]})
    assert encoder.n_features_out_ == 2
    X = encoder.transform({"x": SEVENS[given]})
    found = encoder.get_feature_names_out()[X.indices].tolist()
    assert found == ["x=7", "x=12"]


@pytest.mark.parametrize("text", ["007", "7.0", "+7", " 7", "7e0", "٧", "-0", ""])
def test_a_text_that_is_not_the_plain_decimal_is_another_id(text):
    assert other_form(text) is None
    assert dense(FMEncoder(user=["x"]).fit({"x": [7, 0]}).transform({"x": ["7", text]})) == [[0, 1], [0, 0]]
    assert FMEncoder(user=["x"]).fit({"x": ["7", text, 7]}).n_features_out_ == 2


def test_integers_beside_texts_become_texts_and_count_once():
    encoder = FMEncoder(user=[categorical("x", min_count=2)])
    X = encoder.fit_transform({"x": [7, "7", "guest", 8.0, None]})
    assert encoder.get_feature_names_out().tolist() == ["x=<rare>", "x=7"]
    assert dense(X) == [[0, 1], [0, 1], [1, 0], [1, 0], [0, 0]]
    assert encoder.feature_at(1).value == "7"
    assert encoder.feature_index("x", 7) == encoder.feature_index("x", "7") == 1


def test_the_rows_of_an_id_of_two_types_are_those_of_one_user():
    events = pd.DataFrame({"user": [7, "7", "guest"], "item": [1, 2, 3]})
    assert leave_one_out(events, user="user", random_state=0)[1]["user"].astype(str).tolist() == ["7"]


def test_an_encoder_of_integers_grows_by_texts():
    encoder = FMEncoder(user=["x"]).fit({"x": [8, 7]}).partial_fit({"x": ["guest", "7", "007"]})
    assert encoder.get_feature_names_out().tolist() == ["x=7", "x=8", "x=007", "x=guest"]
    assert encoder.transform({"x": [7, 8]}).indices.tolist() == [0, 1]


@pytest.mark.parametrize("spec", [multi("x"), crossed("x", "y")], ids=["multi", "crossed"])
def test_the_rule_holds_for_every_kind_of_column(spec):
    encoder = FMEncoder(user=[spec]).fit({"x": [7, 8], "y": ["a", "b"]})
    assert encoder.transform({"x": ["8", "7"], "y": ["b", "a"]}).indices.tolist() == [1, 0]
    with pytest.raises(ValueError, match="column 'x': dates can't be the same as the integers"):
        encoder.transform({"x": [datetime(2024, 1, 1)], "y": ["a"]})


@pytest.mark.parametrize(
    ("known", "given", "message"),
    [
        ([1, 2], [datetime(2024, 1, 1)], "dates can't be the same as the integers"),
        (["a"], [0.5, 1.5], "numbers with fractions can't be the same as the text"),
        ([0.5], ["0.5"], "text can't be the same as the numbers with fractions"),
        ([b"7"], ["7"], "text can't be the same as the bytes"),
        (["True"], [True], "truth values can't be the same as the text"),
        ([datetime(2024, 1, 1)], ["2024-01-01"], "text can't be the same as the dates"),
    ],
)
def test_kinds_that_never_meet_are_an_error_that_names_both(known, given, message):
    encoder = FMEncoder(user=["x"]).fit({"x": known})
    whole = f"column 'x': {message} that the encoder was fitted on: convert one to the type of the other"
    with pytest.raises(ValueError, match=re.escape(whole)):
        encoder.transform({"x": given})


@pytest.mark.parametrize(("known", "given"), [([1, 2], ["1.0", "x"]), (["a", "b"], [1, 2])])
def test_a_column_that_cannot_match_as_a_whole_warns(known, given):
    encoder = FMEncoder(user=["x"]).fit({"x": known})
    with pytest.warns(UserWarning, match="column 'x': none of the (text|integers) is one of the"):
        assert encoder.transform({"x": given}).nnz == 0


@pytest.mark.parametrize(("known", "given"), [([1, 2], ["3"]), (["1", "b"], [3]), ([1, 2], [3.5]), ([0.5], [2, 1])])
def test_values_that_are_only_unknown_do_not_warn(known, given):
    assert FMEncoder(user=["x"]).fit({"x": known}).transform({"x": given}).nnz == 0
