"""The distinct values of a column: their order, names and types."""

from datetime import UTC, date, datetime

import numpy as np
import pytest

import encoding_cases
from encoding_cases import dense, encode_one, pd, pl
from fastfm_ext.encoding import FMEncoder

make_frame = encoding_cases.make_frame


def names_of(column):
    return FMEncoder(user=["x"]).fit({"x": column}).get_feature_names_out().tolist()


class TestCategories:
    @pytest.mark.parametrize(
        ("values", "names"),
        [
            ([2, 10, 1], ["x=1", "x=2", "x=10"]),
            ([2.0, None, 1.0], ["x=1", "x=2"]),
            ([0.5, 2.0], ["x=0.5", "x=2.0"]),
            (["b", "B", "ä"], ["x=B", "x=b", "x=ä"]),
            ([True, False], ["x=False", "x=True"]),
            ([date(2024, 2, 1), date(2024, 1, 1)], ["x=2024-01-01", "x=2024-02-01"]),
            ([datetime(2024, 1, 1, 12, 30)], ["x=2024-01-01T12:30"]),
            ([2**63 + 1, 1], ["x=1", f"x={2**63 + 1}"]),
        ],
        ids=["int", "int as float", "float", "text", "bool", "date", "datetime", "uint64"],
    )
    def test_each_type_is_sorted_and_named(self, values, names, make_frame):
        column = np.array(values, dtype=np.uint64) if max(map(str, values)) == str(2**63 + 1) else values
        frame = make_frame({"x": column})
        assert FMEncoder(user=["x"]).fit(frame).get_feature_names_out().tolist() == names

    def test_mixed_types_have_an_order_that_rows_do_not_change(self):
        assert names_of(["b", 2, "a", 1.0]) == names_of([1, "a", 2.0, "b"]) == ["x=1", "x=2", "x=a", "x=b"]

    def test_values_without_an_order_stand_as_they_appear(self):
        assert names_of([2j, 1j]) == ["x=2j", "x=1j"]

    def test_ids_that_came_as_floats_match_integers(self, make_frame):
        encoder = FMEncoder(user=["x"]).fit(make_frame({"x": [1, 2]}))
        assert dense(encoder.transform(make_frame({"x": [2.0, None, 1.5]}))) == [[0, 1], [0, 0], [0, 0]]

    def test_large_integers_are_compared_exactly(self):
        encoder = FMEncoder(user=["x"]).fit({"x": np.array([2**60, 2**60 + 1])})
        assert dense(encoder.transform({"x": np.array([2**60 + 1, 2**60 + 2])})) == [[0, 1], [0, 0]]
        assert encoder.transform({"x": np.array([2**63 + 2**60], dtype=np.uint64)}).nnz == 0

    def test_instants_match_across_time_zones_and_units(self):
        encoder = FMEncoder(user=["x"]).fit({"x": np.array(["2024-01-01T12:00:00", "2024-06-01"], dtype="M8[ns]")})
        moment = datetime(2024, 1, 1, 12, tzinfo=UTC)
        paris = pd.Series([pd.Timestamp(moment)]).dt.tz_convert("Europe/Paris")
        polars_paris = pl.Series([moment]).dt.convert_time_zone("Europe/Paris")
        columns = [[moment], paris, polars_paris, np.array(["2024-01-01T12"], dtype="M8[h]")]
        assert all(dense(encoder.transform({"x": column})) == [[1, 0]] for column in columns)

    def test_nanoseconds_are_kept(self):
        column = np.array([1, 2, 1], dtype="M8[ns]")
        assert dense(encode_one("x", column)) == [[1, 0], [0, 1], [1, 0]]

    def test_text_with_a_trailing_null_is_a_value_of_its_own(self):
        assert encode_one("x", ["a", "a\0"]).shape == (2, 2)

    @pytest.mark.parametrize(
        "column",
        [
            pd.Series([1, None, 3], dtype="Int64"),
            pd.Series([1.0, None, 3.0]),
            pd.Categorical([1, None, 3]),
            pd.Index([1, None, 3]),
            pl.Series([1, None, 3], dtype=pl.UInt8),
            np.array([1, np.nan, 3], dtype=np.float32),
            np.ma.masked_equal([1, 2, 3], 2),
            (1, None, 3),
        ],
        ids=["Int64", "float", "Categorical", "Index", "polars", "float32", "masked", "tuple"],
    )
    def test_a_mapping_may_hold_any_kind_of_column(self, column):
        encoder = FMEncoder(user=["x"]).fit({"x": [1, 2, 3]})
        assert dense(encoder.transform({"x": column})) == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]

    @pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["c", "b", "a"]), pl.String])
    def test_polars_text_types_are_alike(self, dtype):
        assert dense(encode_one("x", pl.Series(["b", None, "a"], dtype=dtype))) == [[0, 1], [0, 0], [1, 0]]

    @pytest.mark.parametrize("dtype", ["object", "str", "string", "category"])
    def test_pandas_text_types_are_alike(self, dtype):
        assert dense(encode_one("x", pd.Series(["b", None, "a"], dtype=dtype))) == [[0, 1], [0, 0], [1, 0]]
