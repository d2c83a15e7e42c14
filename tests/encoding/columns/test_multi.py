"""Columns of several values: weights, separators, and ways to write them."""

import numpy as np
import pytest

from encoding_cases import dense, encode_one, pd, pl
from fastfm_ext.encoding import FMEncoder, multi


class TestMulti:
    @pytest.mark.parametrize(("norm", "weight"), [("l2", 0.5), ("l1", 0.25), (None, 1.0)])
    def test_each_of_m_values_has_the_weight_of_the_norm(self, norm, weight):
        assert dense(encode_one(multi("x", norm=norm), ["a|b|c|d", "a"])) == [[weight] * 4, [1, 0, 0, 0]]

    @pytest.mark.parametrize(
        "cells",
        [
            np.array(["a|b", None, "b", ""], dtype=object),
            [["a", "b"], None, ["b"], []],
            [("b", "a"), None, {"b"}, frozenset()],
            [np.array(["a", "b"]), None, "b", []],
            pd.Series(["a|b", None, "b", ""]),
            pd.Series([["a", "b"], None, ["b"], []]),
            pd.Categorical(["a|b", None, "b", ""]),
            pl.Series(["a|b", None, "b", ""]),
            pl.Series([["a", "b"], None, ["b"], []]),
            pl.Series([["a", "b"], None, ["b", None], []], dtype=pl.List(pl.Categorical)),
            pl.Series([["a", "b"], None, ["b", ""], [None, ""]], dtype=pl.Array(pl.String, 2)),
        ],
    )
    def test_every_way_to_write_several_values_is_alike(self, cells):
        half = np.float32(np.sqrt(0.5))
        assert dense(encode_one(multi("x"), cells)) == [[half, half], [0, 0], [0, 1], [0, 0]]

    def test_repeated_values_count_once_and_spaces_go(self):
        assert dense(encode_one(multi("x", sep=","), ["a, b", "b,b ,"])) == dense(encode_one(multi("x"), ["a|b", "b"]))

    def test_without_separator_a_string_is_one_value(self):
        assert encode_one(multi("x", sep=None), ["a|b", "a"]).shape == (2, 2)
        assert encode_one(multi("x", sep=None), [["a|b", "a"], "a"]).shape == (2, 2)

    def test_values_may_be_numbers(self):
        assert dense(encode_one(multi("x", norm=None), [[7, 5], [5]])) == [[1, 1], [1, 0]]
        assert dense(encode_one(multi("x", norm=None), pl.Series([[7, 5], [5]]))) == [[1, 1], [1, 0]]
        assert dense(encode_one(multi("x"), [7, 5])) == [[0, 1], [1, 0]]

    def test_cells_unlike_those_of_fit(self):
        encoder = FMEncoder(item=[multi("x")]).fit({"x": ["a|b"]})
        assert dense(encoder.transform({"x": [["b"], ["z"], None]})) == [[0, 1], [0, 0], [0, 0]]
        assert encoder.transform({"x": [None, ""]}).nnz == 0
