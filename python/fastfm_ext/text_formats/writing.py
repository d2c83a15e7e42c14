"""Writer of libsvm and libffm text: checks of the rows, and the loop that writes pieces of text."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import as_kernels_read
from fastfm_ext._common.checks import errors_that_name, kind_of
from fastfm_ext._common.extras import require
from fastfm_ext._common.files import replacing
from fastfm_ext._common.sparse import sparse
from fastfm_ext._native import text as _io
from fastfm_ext._validation.matrices import checked_csr

_PIECE = 1 << 20


def checked_rows(X: Any) -> sparse.csr_array:
    """Return X of shape (n_rows, n_features) as CSR in float32 without duplicates, with its stored zeros.

    Raises
    ------
    ValueError
        Unless it is a matrix of finite numbers.
    """
    from sklearn.utils import check_array

    with errors_that_name("X"), np.errstate(over="ignore"):
        X = check_array(
            checked_csr(X, "X") if sparse.issparse(X) else X,
            accept_sparse="csr",
            dtype=np.float32,
            ensure_min_samples=0,
            ensure_min_features=0,
            input_name="X",
        )
    return sparse.csr_array(X)


def checked_vector(values: Any, name: str, length: int, dtype: Any) -> NDArray[Any]:
    """Return a vector (length,) of numbers of a type; an integer type takes whole numbers of at least 0 only.

    Raises
    ------
    ValueError
        For another length or another kind of value.
    """
    from sklearn.utils import check_array, column_or_1d

    with errors_that_name(name), np.errstate(over="ignore"):
        vector = check_array(
            column_or_1d(values), ensure_2d=False, dtype=np.float64, ensure_min_samples=0, input_name=name
        )
    if len(vector) != length:
        raise ValueError(f"{name} must have {length} values; got {len(vector)}.")
    limit = np.finfo(dtype).max if dtype == np.float32 else np.iinfo(dtype).max
    bad = np.abs(vector) > limit
    if dtype != np.float32:
        bad |= (vector < 0) | (vector != np.floor(vector)) | (vector >= 2**53)
    if bad.any():
        wanted = "fit float32" if dtype == np.float32 else f"be whole numbers from 0 to {min(limit, 2**53 - 1)}"
        raise ValueError(f"{name} must {wanted}; got {vector[bad][0]:g}.")
    kept: NDArray[Any] = as_kernels_read(vector, dtype)
    return kept


class RowSource(NamedTuple):
    """Rows to write: ``RowSource`` of ``text/write.hpp``. None for what the lines shall not have."""

    y: NDArray[np.float32] | None
    qid: NDArray[np.int64] | None
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    fields: NDArray[np.int32] | None
    data: NDArray[np.float32]
    base: int


def write_rows(
    target: Any,
    X: sparse.csr_array,
    y: NDArray[np.float32] | None,
    qid: NDArray[np.int64] | None,
    fields: NDArray[np.int32] | None,
    base: int,
) -> None:
    """Write checked rows to a path or a binary file object."""
    indptr = as_kernels_read(X.indptr, np.int64)
    if y is None and qid is None and (indptr[1:] == indptr[:-1]).any():
        row = int((indptr[1:] == indptr[:-1]).argmax())
        raise ValueError(
            f"X has no values in row {row}, and without a label its line would be blank, which readers pass over. "
            "Give y, such as zeros."
        )
    indices, data = as_kernels_read(X.indices, np.int32), as_kernels_read(X.data, np.float32)
    rows = RowSource(y, qid, indptr, indices, fields, data, base)
    with _opened(target) as file:
        piece, row = bytearray(_PIECE), 0
        while row < X.shape[0]:
            next_row, n_written = _io.write_rows(rows, row, piece)
            if next_row == row:
                piece = bytearray(2 * len(piece))
            with memoryview(piece) as view:
                file.write(view[:n_written])
            row = next_row


@contextmanager
def _opened(target: Any) -> Iterator[Any]:
    """Open a file object, or a path, whose file is replaced when all rows are written."""
    if isinstance(target, str | os.PathLike):
        path = Path(target)
        with replacing(path) as file, _compressed(file, path) as text:
            yield text
        return
    if not hasattr(target, "write") or hasattr(target, "encoding"):
        raise TypeError(f"target must be a path or a file opened in binary mode; got {kind_of(target)}.")
    yield target


def _compressed(file: IO[bytes], path: Path) -> Any:
    """Return a file that compresses into another as the ending of the path asks for, and leaves that open."""
    if path.suffix == ".gz":
        return gzip.GzipFile(path.stem, "wb", fileobj=file)
    if path.suffix == ".xz":
        return lzma.open(file, "wb")
    if path.suffix == ".bz2":
        return bz2.open(file, "wb")
    if path.suffix != ".zst":
        return nullcontext(file)
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd.open(file, "wb")
    return require("zstandard", "zstd").ZstdCompressor().stream_writer(file, closefd=False)
