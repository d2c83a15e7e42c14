"""Statistics of columns, which parts of a table may find out apart."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastfm_ext._tables.column import ArrayColumn
from fastfm_ext.encoding.columns.statistics import Counts, NumberSummary

NUMBERS = st.lists(st.integers(-5, 5) | st.floats(-1e9, 1e9), max_size=30)
CELLS = st.sampled_from([None, "a", "b", "c"])


@given(st.lists(NUMBERS, min_size=1, max_size=4), st.integers(1, 3))
def test_joined_summaries_of_parts_are_that_of_the_whole(parts, times):
    summaries = [(NumberSummary.of(np.array(part, dtype=float)), times) for part in parts]
    joined = NumberSummary.joined(summaries)
    whole = np.array([number for part in parts for number in part] * times, dtype=float)
    assert joined.n == len(whole)
    if joined.n:
        assert (joined.least, joined.greatest) == (whole.min(), whole.max())
        size = max(1.0, np.abs(whole).max())
        assert joined.mean == pytest.approx(whole.mean(), rel=1e-12, abs=1e-12 * size)
        assert joined.std == pytest.approx(whole.std(), rel=1e-9, abs=1e-9 * size)


def test_joining_numbers_near_the_largest_floats_does_not_overflow():
    parts = [NumberSummary.of(np.array([-1.5e308, 1.5e308])), NumberSummary.of(np.array([1.5e308]))]
    joined = NumberSummary.joined([(part, 1) for part in parts])
    assert joined.mean == pytest.approx(0.5e308)
    assert joined.std == pytest.approx(np.sqrt(2) * 1e308)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=40))
def test_combinations_are_counted_where_no_value_is_missing(rows):
    columns = [ArrayColumn(str(place), list(column)) for place, column in enumerate(zip(*rows, strict=True))]
    found = Counts.of_combinations([column.coded for column in columns])
    values = [coded.values[coded.codes].tolist() for coded in found.columns]
    expected = Counter(row for row in rows if None not in row)
    assert dict(zip(zip(*values, strict=True), found.counts.tolist(), strict=True)) == expected
