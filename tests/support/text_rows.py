"""Sources of text and the rows that come of them, for the tests of reading."""

import io

import numpy as np


def assert_same_csr(first, second):
    """Equal to the bit, zeros and their signs included."""
    assert first.shape == second.shape
    np.testing.assert_array_equal(first.indptr, second.indptr)
    np.testing.assert_array_equal(first.indices, second.indices)
    np.testing.assert_array_equal(first.data.view(np.int32), second.data.view(np.int32))


class OnlyRead:
    """The least that a file object can be; hands out its text in small pieces."""

    def __init__(self, text, size):
        self._file = io.BytesIO(text)
        self._size = size

    def read(self, size):
        return self._file.read(min(size, self._size))
