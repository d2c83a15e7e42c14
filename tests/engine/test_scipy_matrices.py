"""Matrices of the kernels become SciPy's and are transposed, with values and without."""

import numpy as np
import pytest

from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.scipy_matrices import as_scipy, transposed

INDPTR, INDICES = np.array([0, 2, 2, 3], dtype=np.int64), np.array([0, 3, 1], dtype=np.int32)


@pytest.mark.parametrize("data", [None, np.array([2.0, -1.0, 0.5], dtype=np.float32)], ids=["ones", "values"])
def test_a_matrix_and_its_transpose_have_the_same_values(data):
    X = Csr(INDPTR, INDICES, data, 4)
    first, second, third = (1, 1, 1) if data is None else data
    wanted = np.array([[first, 0, 0, second], [0, 0, 0, 0], [0, third, 0, 0]], dtype=np.float32)
    np.testing.assert_array_equal(as_scipy(X).toarray(), wanted)
    turned = transposed(X)
    assert (turned.n_rows, turned.n_features, turned.data is None) == (4, 3, data is None)
    np.testing.assert_array_equal(as_scipy(turned).toarray(), wanted.T)
