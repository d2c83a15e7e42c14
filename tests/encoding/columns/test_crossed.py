"""Crossed columns: combinations of values."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoding_cases import assert_same_matrix, dense, names_of
from fastfm_ext.encoding import FMEncoder, categorical, crossed

CROSSED = {"a": [1, 2, 1, None, 2], "b": ["x", "y", "y", "x", "y"]}


class TestCrossed:
    def test_combinations_that_occur_have_features(self):
        encoder = FMEncoder(user=["a", crossed("a", "b")]).fit(CROSSED)
        assert encoder.field_names_ == ["a", "a*b"]
        assert names_of(encoder)[2:] == ["a=1*b=x", "a=1*b=y", "a=2*b=y"]
        assert dense(encoder.transform(CROSSED))[0] == [1, 0, 1, 0, 0]
        assert encoder.n_features_in_ == 2

    def test_unknown_and_missing_combinations(self):
        spec = crossed("a", "b", missing="feature", unknown="feature")
        encoder = FMEncoder(user=[spec]).fit(CROSSED)
        others = {"a": [2, 9, 1, None], "b": ["x", "x", None, "never"]}
        assert encoder.transform(others).indices.tolist() == [1, 1, 0, 0]
        assert encoder.feature_index("a*b", (1, "y")) == 3
        assert encoder.feature_index("a*b", (1, None)) == 0
        with pytest.raises(TypeError, match="is a tuple of 2 values"):
            encoder.feature_index("a*b", 1)

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.tuples(*[st.none() | st.integers(0, 3)] * 3), min_size=1, max_size=20), st.integers(1, 3))
    def test_a_cross_encodes_as_a_column_of_joined_text_does(self, rows, min_count):
        columns = dict(zip("abc", map(list, zip(*rows, strict=True)), strict=True))
        rows = [(0, 0, 0)] * 3 + rows
        columns = {name: [0] * 3 + column for name, column in columns.items()}
        columns["joined"] = [None if None in row else "-".join(map(str, row)) for row in rows]
        options = {"min_count": min_count, "missing": "feature"}
        X = FMEncoder(user=[crossed("a", "b", "c", **options)]).fit_transform(columns)
        assert_same_matrix(X, FMEncoder(user=[categorical("joined", **options)]).fit_transform(columns))
