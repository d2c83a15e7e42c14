"""Keys by which Spark groups values as the encoder compares them."""

from datetime import datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastfm_ext._common.arrays import object_array
from fastfm_ext._tables.vocabulary import canonical

pytest.importorskip("pyarrow", reason="needs pyarrow")

from fastfm_ext.spark.encoding.keys import keys_of, values_of

NUMBERS = st.floats(allow_nan=False) | st.integers(-(2**70), 2**70) | st.decimals(allow_nan=False, allow_infinity=False)
TIMES = st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1))
COLUMNS = st.one_of(
    *(st.lists(of_one_type, min_size=1, max_size=8) for of_one_type in (NUMBERS, st.text(), TIMES, st.booleans()))
)


@given(COLUMNS)
def test_values_come_back_from_their_keys(column):
    values = canonical(object_array(dict.fromkeys(canonical(object_array(column)).tolist())))
    if any(isinstance(value, Decimal) for value in values.tolist()):
        with pytest.raises(TypeError, match="cast the column"):
            keys_of(values)
        return
    again = values_of(keys_of(values))
    assert again.dtype == values.dtype
    assert again.tolist() == values.tolist()


@given(st.lists(NUMBERS.filter(lambda number: not isinstance(number, Decimal)), min_size=2, max_size=8))
def test_a_number_has_one_key_whatever_stands_beside_it(numbers):
    together = keys_of(canonical(object_array(numbers))).to_pylist()
    alone = [keys_of(canonical(object_array([number])))[0].as_py() for number in numbers]
    assert [a == b for a in together for b in together] == [a == b for a in alone for b in alone]


def test_minus_zero_is_zero():
    assert keys_of(np.array([-0.0, 0.5])).to_pylist()[0] == keys_of(np.array([0.0, 0.5])).to_pylist()[0]
