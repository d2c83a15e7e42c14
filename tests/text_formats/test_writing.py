"""Writing of text: what cannot be written is named, and a file is complete or not there."""

import io
import sys

import numpy as np
import pytest
from scipy import sparse

from fastfm_ext.text_formats import (
    read_libsvm,
    write_libffm,
    write_libsvm,
    writing,
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


@pytest.mark.parametrize("ending", ["", ".gz", ".xz", ".bz2", ".zst"])
def test_a_file_is_replaced_when_all_rows_are_written(tmp_path, monkeypatch, ending):
    if ending == ".zst" and sys.version_info < (3, 14):
        pytest.importorskip("zstandard")
    path = tmp_path / f"rows{ending}"
    write_libsvm(path, ONE, [1])
    assert read_libsvm(path)[1].tolist() == [1.0]

    def fail(rows, row, piece, original=writing._io.write_rows):
        if row:
            raise KeyboardInterrupt
        return 1, original(rows, row, piece)[1]

    monkeypatch.setattr(writing._io, "write_rows", fail)
    with pytest.raises(KeyboardInterrupt):
        write_libsvm(path, np.ones((3, 2)), [7, 8, 9])
    assert read_libsvm(path)[1].tolist() == [1.0]
    assert list(tmp_path.iterdir()) == [path]
