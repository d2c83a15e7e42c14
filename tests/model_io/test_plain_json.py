"""Plain JSON: values and types come back, and others are refused by their place."""

import json
import stat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastfm_ext.model_io.plain_json import from_json, to_json


class TestPlainJson:
    plain = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )

    @given(plain)
    @settings(max_examples=200, deadline=None)
    def test_values_and_types_come_back(self, value):
        text = json.dumps(to_json(value, "value"), allow_nan=False)
        # repr tells 1 from True and 1.0, 0.0 from -0.0, a tuple from a list, and takes NaN for equal.
        assert repr(from_json(json.loads(text))) == repr(value)

    @pytest.mark.parametrize(
        ("value", "where"),
        [
            ({1, 2}, "part is a builtins.set"),
            ([1, (2, object())], r"part\[1\]\[1\] is a builtins.object"),
            ({"a": {"b": b"x"}}, r"part\.a\.b is a builtins.bytes"),
            ({1: "a"}, "part is a builtins.dict"),
            ({"__tuple__": [1]}, "part is a builtins.dict"),
            (stat.S_IFMT, "part is a builtins"),
            (np.arange(3), "part is a numpy.ndarray"),
            (np.datetime64("2020-01-01"), "part is a numpy.datetime64"),
            (type("Id", (str,), {})("a"), "part is a .*Id"),
        ],
    )
    def test_other_values_are_refused_by_their_place(self, value, where):
        with pytest.raises(TypeError, match=f"{where}.*, which a model file cannot hold"):
            to_json(value, "part")

    def test_numpy_scalars_become_plain(self):
        values = [np.int64(3), np.float32(0.1), np.bool_(True), np.str_("a")]
        assert repr(to_json(values, "part")) == repr([3, float(np.float32(0.1)), True, "a"])
