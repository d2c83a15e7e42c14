"""Errors about features name the column at fault, and a line that works."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from fastfm_ext import FMClassifier, FMEncoder, FMRanker, FMRegressor

N = 40
GOOD = {"size": [1.5, 2.5, 3.5, 4.5] * 10, "rooms": [1, 2, 3, 4] * 10}
TARGET = [0, 1] * 20
MODELS = [FMRegressor, FMClassifier]
FRAMES = [pd.DataFrame, pl.DataFrame]

TEXT = ["Rome", "Oslo"] * 20
MISSING = [0.5, None] * 20


def advised(message):
    """The line of the message that should work."""
    (line,) = re.findall(r"make_pipeline\(.*\)\)", message)
    return eval(line, globals())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("make_frame", FRAMES)
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (TEXT, "X: could not convert string to float: 'Rome': column 'bad', row 0 holds 'Rome'"),
        (["1.5"] * 39 + ["x"], "column 'bad', row 39 holds 'x'"),
        (MISSING, "X contains NaN: column 'bad', row 1 has no value"),
        ([None] * N, "X contains NaN: column 'bad', row 0 has no value"),
    ],
)
def test_the_column_of_a_frame_is_named_and_the_line_works(model, make_frame, bad, message):
    frame = make_frame(GOOD | {"bad": bad})
    with pytest.raises((ValueError, TypeError)) as caught:
        model().fit(frame, TARGET)
    assert message in str(caught.value)
    pipeline = advised(str(caught.value)).fit(frame, TARGET)
    assert type(pipeline[-1]) is model
    assert type(pipeline[0]) is FMEncoder
    assert pipeline.predict(frame).shape == (N,)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(TEXT, dtype="category"),
        pd.Series([1, None] * 20, dtype="Int64"),
        pd.Series([1, pd.NA] * 20, dtype=object),
        pd.Series([True, None] * 20, dtype="boolean"),
        pd.Series([["a"], ["b"]] * 20),
        pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02"] * 20)),
    ],
    ids=["category", "Int64", "NA among objects", "boolean", "lists", "dates"],
)
def test_every_type_of_column_is_named(column):
    frame = pd.DataFrame(GOOD).assign(bad=column)
    with pytest.raises((ValueError, TypeError), match=r"X.*column 'bad'.*make_pipeline\(FMEncoder\(\), "):
        FMRegressor().fit(frame, TARGET)
    make_pipeline(FMEncoder(), FMRegressor()).fit(frame, TARGET)


def test_text_comes_before_what_is_missing():
    frame = pd.DataFrame({"age": MISSING, "city": TEXT})
    with pytest.raises(ValueError, match="column 'city', row 0 holds 'Rome'"):
        FMRegressor().fit(frame, TARGET)


def test_columns_of_one_name_are_told_by_their_first_fault():
    frame = pd.DataFrame(np.ones((N, 2)), columns=["a", "a"])
    frame.iloc[3, 1] = np.nan
    with pytest.raises(ValueError, match="column 'a', row 3"):
        FMRegressor().fit(frame, TARGET)


def test_an_array_has_numbers_for_columns_and_an_imputer_that_works():
    X = np.ones((N, 3))
    X[5, 2] = np.nan
    for given in (X, X.tolist(), X.astype(object)):
        with pytest.raises(ValueError, match="X contains NaN: column 2, row 5 has no value") as caught:
            FMRegressor().fit(given, TARGET)
        assert type(advised(str(caught.value)).fit(given, TARGET)[0]) is SimpleImputer
    with pytest.raises(ValueError, match=r"X: could not .*: column 1, row 0 holds 'Rome'. Give a table with named"):
        FMRegressor().fit([[1, "Rome"]] * N, TARGET)


@pytest.mark.parametrize("convert", [sp.csr_array, sp.csc_array, sp.coo_array])
def test_a_sparse_matrix_has_numbers_for_columns(convert):
    X = np.eye(N)
    X[5, 7] = np.nan
    with pytest.raises(ValueError, match=r"X contains NaN: column 7, row 5 has no value. Leave missing values out"):
        FMRegressor().fit(convert(X), TARGET)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
def test_values_that_float32_cannot_hold_are_named(value):
    frame = pd.DataFrame(GOOD)
    frame.loc[4, "size"] = value
    with pytest.raises(ValueError, match=f"X contains infinity.*: column 'size', row 4 holds {re.escape(str(value))}"):
        FMRegressor().fit(frame, TARGET)


def test_prediction_names_the_column_too():
    model = FMRegressor().fit(pd.DataFrame(GOOD), TARGET)
    with pytest.raises(ValueError, match="column 'rooms', row 0 holds 'one'"):
        model.predict(pd.DataFrame({"size": [1.0], "rooms": ["one"]}))
    with pytest.raises(ValueError, match="X_val contains NaN: column 'size', row 0"):
        model.fit(pd.DataFrame(GOOD), TARGET, X_val=pd.DataFrame({"size": [None], "rooms": [1.0]}), y_val=[1])


def test_a_mapping_is_told_of_the_encoder():
    with pytest.raises((ValueError, TypeError), match=r"FMEncoder encodes tables.*FMClassifier\(\)\)"):
        FMClassifier().fit(GOOD, TARGET)


def test_a_ranker_is_told_of_the_sides():
    users, items = pd.DataFrame({"city": ["Rome", "Oslo"]}), np.eye(3)
    with pytest.raises(ValueError, match=r"column 'city', row 0 holds 'Rome'. Pass .* encoder.transform\(table, side="):
        FMRanker().fit(users, items, np.eye(2, 3))
