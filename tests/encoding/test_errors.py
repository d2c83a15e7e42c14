import re

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import encoding_cases
from encoding_cases import RATINGS, SPECS, pd, pl
from fastfm_ext.encoding import FMEncoder, multi, numeric

make_frame = encoding_cases.make_frame


class TestErrors:
    @pytest.mark.parametrize(
        ("specs", "kind", "message"),
        [
            ({"columns": []}, ValueError, "no columns to encode"),
            ({"columns": "user_id"}, TypeError, r"columns must be a list.*columns=\['user_id'\]"),
            ({"columns": ["age"], "user": ["user_id"]}, ValueError, "either columns, or user, item, context"),
            ({"user": []}, ValueError, "no columns to encode"),
            ({"user": "user_id"}, TypeError, r"user must be a list.*user=\['user_id'\]"),
            ({"item": numeric("age")}, TypeError, r"item=\[numeric\('age'\)\]"),
            ({"item": {"age"}}, TypeError, "item must be a list of column specs, got set"),
            ({"context": [3]}, TypeError, r"context must hold column names, .* got 3"),
            ({"user": ["age"], "context": ["age"]}, ValueError, "'age' is given twice as categorical"),
            ({"user": ["nobody"]}, ValueError, "X has no column 'nobody'; it has user_id, age, occupation"),
            (
                {"user": [numeric("occupation")]},
                ValueError,
                "'occupation' is declared numeric but row 0 holds 'writer'",
            ),
        ],
    )
    def test_bad_specs(self, specs, kind, message, make_frame):
        with pytest.raises(kind, match=message):
            FMEncoder(**specs).fit(make_frame(RATINGS))

    @pytest.mark.parametrize(
        ("make", "kind", "message"),
        [
            (lambda: numeric(3), TypeError, "column name must be a string, got 3"),
            (lambda: multi("x", sep=""), ValueError, r"sep of multi\('x'\)"),
            (lambda: multi("x", sep=3), ValueError, "sep"),
            (lambda: multi("x", norm="max"), ValueError, "norm .* got 'max'"),
        ],
    )
    def test_a_spec_refuses_bad_options(self, make, kind, message):
        with pytest.raises(kind, match=message):
            make()

    @pytest.mark.parametrize("X", [np.ones((3, 2)), [[1, 2]], None, pd.Series([1]), pl.LazyFrame({"user_id": [1]})])
    def test_other_tables(self, X):
        with pytest.raises(TypeError, match="X must be a pandas or polars DataFrame or a mapping"):
            FMEncoder(user=["user_id"]).fit(X)

    def test_a_lazy_frame_is_told_to_collect(self):
        with pytest.raises(TypeError, match=r"LazyFrame; call \.collect\(\)"):
            FMEncoder(user=["user_id"]).fit(pl.LazyFrame({"user_id": [1]}))

    def test_an_empty_frame(self, make_frame):
        with pytest.raises(ValueError, match="X is empty"):
            FMEncoder(user=["x"]).fit(make_frame({"x": []}))
        with pytest.raises(ValueError, match="X is empty"):
            FMEncoder(user=["x"]).fit({"x": [1]}).transform(make_frame({"x": []}))

    def test_nothing_but_missing_values(self, make_frame):
        with pytest.raises(ValueError, match="every value of x is missing"):
            FMEncoder(user=["x"]).fit(make_frame({"x": [None]}))
        with pytest.raises(ValueError, match="'x' is declared numeric but has no value"):
            FMEncoder(user=[numeric("x")]).fit(make_frame({"x": [None]}))

    def test_an_unknown_side(self):
        with pytest.raises(ValueError, match="side must be 'user', 'item' or None, got 'context'"):
            FMEncoder(user=["user_id"]).fit(RATINGS).transform(RATINGS, side="context")

    @pytest.mark.parametrize(
        "use",
        [
            lambda e: e.transform(RATINGS),
            lambda e: e.get_feature_names_out(),
            lambda e: e.feature_index("age"),
            lambda e: e._to_state(),
        ],
    )
    def test_use_before_fit(self, use):
        with pytest.raises(NotFittedError, match="FMEncoder"):
            use(FMEncoder(**SPECS))

    def test_a_column_missing_in_transform(self, make_frame):
        encoder = FMEncoder(**SPECS).fit(make_frame(RATINGS))
        with pytest.raises(ValueError, match="no columns 'item_id', 'genres', 'hour'; it has user_id, age, occupation"):
            encoder.transform(make_frame({name: RATINGS[name] for name in ("user_id", "age", "occupation")}))

    @pytest.mark.parametrize("infinite", [np.inf, -np.inf])
    def test_an_infinite_number(self, infinite, make_frame):
        frame = make_frame({"age": [1.0, 2.0, infinite]})
        message = f"column 'age', row 2: {infinite} is infinite; replace it by a missing value, or clip the column"
        with pytest.raises(ValueError, match=message):
            FMEncoder(user=[numeric("age")]).fit(frame)
        with pytest.raises(ValueError, match=message):
            FMEncoder(user=[numeric("age")]).fit({"age": [1, 2]}).transform(frame)

    def test_a_number_too_large_for_float32(self):
        with pytest.raises(ValueError, match=r"column 'age', row 1: 1e\+300 is too far"):
            FMEncoder(user=[numeric("age")]).fit({"age": [1, 2]}).transform({"age": [1, 1e300]})

    @pytest.mark.parametrize("value", ["12", 1j])
    def test_values_that_are_not_numbers(self, value, make_frame):
        column = make_frame({"x": [value]})
        with pytest.raises(ValueError, match="column 'x' is declared numeric but row 0 holds"):
            FMEncoder(user=[numeric("x")]).fit(column)

    def test_lists_in_a_plain_column(self, make_frame):
        with pytest.raises(TypeError, match=r"holds \['a'\] \(list\), which can't be .* as multi\('x'\)"):
            FMEncoder(user=["x"]).fit(make_frame({"x": [["a"], ["b", "c"]]}))

    @pytest.mark.parametrize("spec", ["x", multi("x")], ids=["plain", "multi"])
    def test_values_with_fields(self, spec, make_frame):
        message = r"'x' holds \{'id': 3\} \(dict\), which can't be a category; turn such values into strings"
        with pytest.raises(TypeError, match=message):
            FMEncoder(user=[spec]).fit(make_frame({"x": [{"id": 3}, {"id": 4}]}))

    @pytest.mark.parametrize("value", [["a"], {"id": 3}], ids=["list", "dict"])
    def test_cells_that_hold_more_than_values(self, value, make_frame):
        message = rf"'x' has a cell with {re.escape(repr(value))} \(\w+\).*; a cell must be a flat list of strings"
        with pytest.raises(TypeError, match=message):
            FMEncoder(user=[multi("x")]).fit(make_frame({"x": [[value], [value, value]]}))

    def test_columns_of_a_mapping_that_are_not_columns(self):
        with pytest.raises(ValueError, match="column 'y' has 1 rows, column 'x' has 2"):
            FMEncoder(user=["x", "y"]).fit({"x": [1, 2], "y": [1]})
        with pytest.raises(ValueError, match=r"'x' must be one-dimensional, got shape \(2, 1\)"):
            FMEncoder(user=["x"]).fit({"x": np.ones((2, 1))})
        for value in (3, "abc"):
            with pytest.raises(TypeError, match="column 'x' must be an array or a list"):
                FMEncoder(user=["x"]).fit({"x": value})

    def test_a_frame_with_one_name_twice(self):
        with pytest.raises(ValueError, match="more than one column named 'x'"):
            FMEncoder(user=["x"]).fit(pd.DataFrame([[1, 2]], columns=["x", "x"]))

    def test_a_look_up_of_what_is_not_there(self):
        encoder = FMEncoder(user=["user_id"]).fit(RATINGS)
        with pytest.raises(KeyError, match=r"'user_id' has no feature for 9 \(3 values"):
            encoder.feature_index("user_id", 9)
        with pytest.raises(KeyError, match="no column 'age'; there are user_id"):
            encoder.feature_index("age")

    def test_a_failed_fit_leaves_the_encoder_as_it_was(self):
        encoder = FMEncoder(user=["user_id"]).fit(RATINGS)
        with pytest.raises(ValueError, match="has no column"):
            encoder.fit({"age": [1]})
        assert encoder.transform(RATINGS).shape == (5, 3)
