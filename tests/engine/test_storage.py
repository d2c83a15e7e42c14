"""Records in 16 bits: rounding to nearest, and the ends of their range."""

import numpy as np
import pytest

from fastfm_ext._engine import storage


def test_narrowed_records_are_the_nearest_numbers():
    rng = np.random.default_rng(0)
    records = rng.normal(size=(1000, 2, 4)).astype(np.float32)
    records[:, 1] = np.exp(10 * records[:, 1])
    halves = storage.narrowed(records)
    np.testing.assert_array_equal(storage.parameters_of(halves), records[:, 0].astype(np.float16))
    states = (halves[:, 1].astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_allclose(states, records[:, 1], rtol=2**-8)
    assert abs(np.mean(states / records[:, 1] - 1)) < 1e-4


@pytest.mark.parametrize(
    ("slot", "value", "is_finite"),
    [
        (0, 65_500.0, False),  # rounds to the largest number, at which larger ones end
        (0, -1e9, False),
        (0, np.nan, False),
        (0, 65_000.0, True),
        (1, 1e38, True),
        (1, np.inf, False),
    ],
)
def test_what_the_largest_number_ends_is_not_finite(slot, value, is_finite):
    records = np.ones((5, 2, 4), dtype=np.float32)
    records[3, slot, 1] = value
    assert storage.is_finite(storage.narrowed(records)) == is_finite


def test_records_without_values_are_finite():
    assert storage.is_finite(np.zeros((0, 2, 4), dtype=np.uint16))
    assert storage.is_finite(np.zeros((3, 2, 0), dtype=np.uint16))
