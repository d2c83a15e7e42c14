"""What cannot be written as text is named."""

import io

import numpy as np
import pytest
from scipy import sparse

from fastfm_ext.text_formats import (
    write_libffm,
    write_libsvm,
)

ONE = sparse.csr_array([[1.0, 0.0]])

DAMAGED = sparse.csr_array([[1.0, 0.0], [0.0, 1.0]])
DAMAGED.indptr = np.array([0, 10**6, 2], dtype=np.int32)

UNSORTED = sparse.csr_array((np.ones(2), [1, 0], [0, 2]), (1, 2))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda file: write_libsvm(file, [[np.nan]]), ValueError, "X contains NaN"),
        (lambda file: write_libsvm(file, [[1e39]]), ValueError, "X contains infinity"),
        (lambda file: write_libsvm(file, ONE, [1, 2]), ValueError, "y must have 1 values; got 2"),
        (lambda file: write_libsvm(file, ONE, [np.inf]), ValueError, "y contains infinity"),
        (lambda file: write_libsvm(file, ONE, [1e39]), ValueError, r"y must fit float32; got 1e\+39"),
        (lambda file: write_libsvm(file, ONE, ["a"]), ValueError, "y: "),
        (lambda file: write_libsvm(file, ONE, [1], qid=[-1]), ValueError, "qid must be whole numbers from 0"),
        (lambda file: write_libsvm(file, ONE, [1], qid=[1.5]), ValueError, "qid must be whole numbers from 0"),
        (lambda file: write_libsvm(file, sparse.csr_array((1, 2))), ValueError, "X has no values in row 0"),
        (lambda file: write_libffm(file, ONE, [1], fields=[1, 2]), ValueError, "fields must have 1 values; got 2"),
        (lambda file: write_libffm(file, ONE, [1], fields=[-1]), ValueError, "fields must be whole numbers from 0"),
        (lambda file: write_libffm(file, [[1.0]], [1], fields=[0]), ValueError, "X must be a CSR matrix"),
        (lambda file: write_libffm(file, UNSORTED, [1], fields=[0, 0]), ValueError, "CSR matrix with sorted indices"),
        (lambda file: write_libffm(file, DAMAGED, [1, 1], fields=[0, 0]), ValueError, "X is not a valid CSR matrix"),
        (lambda file: write_libsvm(file, DAMAGED, [1, 1]), ValueError, "X is not a valid CSR matrix"),
        (lambda file: write_libsvm(7, ONE, [1]), TypeError, "target must be a path or a file opened in binary mode"),
        (lambda file: write_libsvm(io.StringIO(), ONE, [1]), TypeError, "target must be"),
    ],
)
def test_what_cannot_be_written_is_named(call, error, message):
    file = io.BytesIO()
    with pytest.raises(error, match=message):
        call(file)
    assert file.getvalue() == b""
