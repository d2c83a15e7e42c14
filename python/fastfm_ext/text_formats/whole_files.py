"""Functions that read and write libsvm and libffm text, whole or in batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from fastfm_ext._common.sparse import sparse
from fastfm_ext.text_formats.batches import batches, checked_ids, read, scan, with_matrix
from fastfm_ext.text_formats.reading import Form, Ids, Summary, ZeroBased
from fastfm_ext.text_formats.source import TextSource
from fastfm_ext.text_formats.writing import checked_rows, checked_vector, write_rows


def read_libsvm(
    source: Any,
    *,
    n_features: int | None = None,
    zero_based: ZeroBased = True,
    labels: bool = True,
    query_id: bool = False,
) -> tuple[Any, ...]:
    r"""Read libsvm text: ``label id:value id:value ...``, one row a line.

    A line may have ``qid:7`` behind the label and a comment from ``#`` on; blank lines and lines of a comment alone are
    passed over. Ids may come in any order; the values of an id that a line holds several times are added up, as the
    estimators do it. Numbers become what ``numpy.float32(float(text))`` gives.

    Parameters
    ----------
    source : path, binary file object, or bytes
        A path that ends in .gz, .xz, .bz2 or .zst is decompressed (.zst needs Python 3.14 or the extra ``zstd``).
    n_features : int, optional
        Columns of X; an id beyond them is an error. By default as many as the largest id asks for. Give it for a test
        file, so that it is as wide as the training data.
    zero_based : bool or "auto", default=True
        Whether id 0 is the first column, or id 1. By default an id is the number of its column, as in libFM, libffm and
        xLearn: text that counts from 1 has an empty first column, which does no harm. "auto" takes ids to begin at 1,
        with a warning, if 0 does not occur: right for a whole data set, and wrong for a part, such as a test file,
        in which the first feature happens to be missing. It does not go with `n_features`.
    labels : bool, default=True
        Whether the lines begin with a label.
    query_id : bool, default=False
        Return the query ids, too; every line needs one then. Otherwise they are passed over.

    Returns
    -------
    X : float32 csr_array of shape (n_rows, n_features)
        Sorted indices, no duplicates; zeros that the text holds are stored.
    y : float32 ndarray of shape (n_rows,)
        The labels as they stand there, -1 and +1 or any numbers; None with ``labels=False``.
    qid : int64 ndarray of shape (n_rows,)
        Only with ``query_id=True``.

    Raises
    ------
    TextFormatError
        For a malformed line, NaN, infinity, a number beyond float32, an id out of range, or several labels; a
        ValueError that names the file, the line, the column and the reason.
    ValueError
        For a damaged compressed file, or ``zero_based="auto"`` with `n_features`.
    OSError
        If a file cannot be opened.

    See Also
    --------
    iter_libsvm : Batches instead of the whole file.
    sklearn.datasets.load_svmlight_file : The same, slower; also multilabel text. Its default is ``zero_based="auto"``.

    Examples
    --------
    >>> from fastfm_ext.text_formats import read_libsvm
    >>> X, y = read_libsvm(b"1 0:1 3:0.5  # a comment\n-1 2:1\n")
    >>> X.toarray().tolist(), y.tolist()
    ([[1.0, 0.0, 0.0, 0.5], [0.0, 0.0, 1.0, 0.0]], [1.0, -1.0])

    A test file without feature 0 keeps its columns:

    >>> read_libsvm(b"1 3:0.5\n", n_features=4)[0].toarray().tolist()
    [[0.0, 0.0, 0.0, 0.5]]
    """
    form = Form(has_fields=False, has_labels=labels, wants_qid=query_id)
    return with_matrix(read(TextSource(source), form, checked_ids(zero_based, n_features)))


def read_libffm(
    source: Any, *, n_features: int | None = None, zero_based: ZeroBased = True, labels: bool = True
) -> tuple[Any, ...]:
    r"""Read libffm text: ``label field:id:value field:id:value ...``, one row a line.

    As `read_libsvm`, with the field of every value. An FM needs only X; for field-aware models,
    `fields_of_features` makes the field of each feature of them. Where a line
    holds an id several times, its values are added up, and its field is the first that stands there.

    Parameters
    ----------
    source : path, binary file object, or bytes
    n_features : int, optional
    zero_based : bool or "auto", default=True
        About the ids. Fields are returned as they stand there.
    labels : bool, default=True
        As in `read_libsvm`.

    Returns
    -------
    X : float32 csr_array of shape (n_rows, n_features)
    y : float32 ndarray of shape (n_rows,), or None
    fields : int32 ndarray of shape (X.nnz,)
        ``fields[j]`` is the field of the value ``X.data[j]``, whose feature is ``X.indices[j]``.

    Raises
    ------
    TextFormatError, ValueError, OSError
        As from `read_libsvm`.

    Examples
    --------
    >>> from fastfm_ext.text_formats import read_libffm
    >>> X, y, fields = read_libffm(b"1 0:5:1 1:0:0.5\n")
    >>> X.indices.tolist(), X.data.tolist(), fields.tolist()
    ([0, 5], [0.5, 1.0], [1, 0])
    """
    form = Form(has_fields=True, has_labels=labels)
    return with_matrix(read(TextSource(source), form, checked_ids(zero_based, n_features)))


def iter_libsvm(
    source: Any,
    *,
    batch_rows: int = 65_536,
    n_features: int | None = None,
    zero_based: ZeroBased = True,
    labels: bool = True,
    query_id: bool = False,
) -> Iterator[tuple[Any, ...]]:
    r"""Read libsvm text in batches, in the memory that a batch takes.

    Together the batches are what `read_libsvm` returns. Without `n_features`, or with ``zero_based="auto"``, the text
    is read once before the first batch to find out; `scan_text` tells both for later passes.

    Parameters
    ----------
    source : path, binary file object, or bytes
    batch_rows : int, default=65536
        Rows of a batch; the last may have fewer.
    n_features : int, optional
    zero_based : bool or "auto", default=True
    labels : bool, default=True
    query_id : bool, default=False
        As in `read_libsvm`.

    Yields
    ------
    X : float32 csr_array of shape (batch_rows, n_features)
    y : float32 ndarray of shape (batch_rows,), or None
    qid : int64 ndarray of shape (batch_rows,)
        Only with ``query_id=True``.

    Returns
    -------
    iterator

    Raises
    ------
    TextFormatError, OSError
        As from `read_libsvm`, when the line is reached.
    ValueError
        If the text has to be read twice and can't be; for a damaged compressed file.

    Examples
    --------
    >>> from fastfm_ext.text_formats import iter_libsvm
    >>> text = b"1 0:1\n0 2:1\n1 1:1\n"
    >>> [(X.shape, y.tolist()) for X, y in iter_libsvm(text, batch_rows=2)]
    [((2, 3), [1.0, 0.0]), ((1, 3), [1.0])]
    """
    form = Form(has_fields=False, has_labels=labels, wants_qid=query_id)
    return map(with_matrix, batches(TextSource(source), form, checked_ids(zero_based, n_features), batch_rows))


def iter_libffm(
    source: Any,
    *,
    batch_rows: int = 65_536,
    n_features: int | None = None,
    zero_based: ZeroBased = True,
    labels: bool = True,
) -> Iterator[tuple[Any, ...]]:
    r"""Read libffm text in batches, in the memory that a batch takes.

    Parameters
    ----------
    source : path, binary file object, or bytes
    batch_rows : int, default=65536
    n_features : int, optional
    zero_based : bool or "auto", default=True
    labels : bool, default=True
        As in `iter_libsvm`.

    Yields
    ------
    X, y, fields
        As from `read_libffm`.

    Returns
    -------
    iterator

    Raises
    ------
    TextFormatError, ValueError, OSError
        As from `iter_libsvm`.

    Examples
    --------
    >>> from fastfm_ext.text_formats import iter_libffm
    >>> [
    ...     fields.tolist()
    ...     for X, y, fields in iter_libffm(b"1 0:0:1 1:4:1\n0 0:1:1\n", batch_rows=1)
    ... ]
    [[0, 1], [0]]
    """
    form = Form(has_fields=True, has_labels=labels)
    return map(with_matrix, batches(TextSource(source), form, checked_ids(zero_based, n_features), batch_rows))


def scan_text(source: Any, form: Literal["libsvm", "libffm"] = "libsvm", *, labels: bool = True) -> Summary:
    r"""Read text without keeping the rows: how many there are, and which ids and fields occur.

    Parameters
    ----------
    source : path, binary file object, or bytes
    form : {"libsvm", "libffm"}, default="libsvm"
    labels : bool, default=True
        As in `read_libsvm`.

    Returns
    -------
    Summary
        With the attributes ``n_rows``, ``n_values``, ``min_id``, ``max_id``, ``max_field`` and ``is_zero_based``.

    Raises
    ------
    TextFormatError, ValueError, OSError
        As from `read_libsvm`.

    Examples
    --------
    >>> from fastfm_ext.text_formats import scan_text
    >>> scan_text(b"1 1:1 7:1\n")
    Summary(n_rows=1, n_values=2, min_id=1, max_id=7, max_field=-1)
    """
    if form not in ("libsvm", "libffm"):
        raise ValueError(f"form must be 'libsvm' or 'libffm'; got {form!r}.")
    return scan(TextSource(source), Form(has_fields=form == "libffm", has_labels=labels), Ids("auto", None))


def write_libsvm(
    target: Any, X: Any, y: ArrayLike | None = None, *, qid: ArrayLike | None = None, zero_based: bool = True
) -> None:
    r"""Write rows as libsvm text.

    Values are written as the shortest decimals that give the same float32 again, so that reading the text returns the
    very matrix, stored zeros included (give `read_libsvm` its ``n_features`` and ``zero_based``).

    Parameters
    ----------
    target : path or binary file object
        A path that ends in .gz, .xz, .bz2 or .zst is compressed. An existing file is replaced when all rows are
        written, and stays after an error.
    X : {sparse matrix, array-like} of shape (n_rows, n_features)
        Taken as float32. Of a dense matrix, zeros are left out.
    y : array-like of shape (n_rows,), optional
        Labels, taken as float32. None writes none, which most programs refuse in training data.
    qid : array-like of shape (n_rows,), optional
        Query ids, whole numbers of at least 0.
    zero_based : bool, default=True
        Whether the first column has the id 0, as libFM, libffm and xLearn count, or 1, as libsvm does.

    Raises
    ------
    ValueError
        For NaN, infinity, lengths that don't fit, or a row that would be a blank line.
    TypeError
        For another kind of target.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> from io import BytesIO
    >>> from fastfm_ext.text_formats import write_libsvm
    >>> file = BytesIO()
    >>> write_libsvm(file, [[0.0, 0.1], [1.0, 0.0]], [1, -1])
    >>> file.getvalue()
    b'1 1:0.1\n-1 0:1\n'
    """
    X = checked_rows(X)
    y = None if y is None else checked_vector(y, "y", X.shape[0], np.float32)
    qid = None if qid is None else checked_vector(qid, "qid", X.shape[0], np.int64)
    write_rows(target, X, y, qid, None, int(not zero_based))


def write_libffm(
    target: Any, X: Any, y: ArrayLike | None = None, *, fields: ArrayLike, zero_based: bool = True
) -> None:
    r"""Write rows as libffm text.

    Parameters
    ----------
    target : path or binary file object
    X : sparse matrix of shape (n_rows, n_features)
        CSR without duplicates, so that the order of its values is known.
    y : array-like of shape (n_rows,), optional
        As in `write_libsvm`.
    fields : array-like of int of shape (X.nnz,)
        The field of every stored value, as `read_libffm` returns them. Where features have fixed fields, such as an
        encoder's ``fields_``: ``encoder.fields_[X.indices]``.
    zero_based : bool, default=True
        About the ids; fields are written as they are.

    Raises
    ------
    ValueError
        As from `write_libsvm`, and for a matrix that is not CSR or has duplicates.
    TypeError, OSError
        As from `write_libsvm`.

    Examples
    --------
    >>> from io import BytesIO
    >>> from scipy.sparse import csr_array
    >>> from fastfm_ext.text_formats import write_libffm
    >>> file = BytesIO()
    >>> write_libffm(file, csr_array([[1.0, 0.0, 0.5]]), [1], fields=[0, 2])
    >>> file.getvalue()
    b'1 0:0:1 2:2:0.5\n'
    """
    # Checked before SciPy follows its indices to see whether they are sorted.
    rows = checked_rows(X) if sparse.issparse(X) and X.format == "csr" else None
    if rows is None or not X.has_canonical_format:
        raise ValueError(
            "X must be a CSR matrix with sorted indices and no duplicates, since fields has one for each of its values "
            "in their order."
        )
    y = None if y is None else checked_vector(y, "y", rows.shape[0], np.float32)
    write_rows(target, rows, y, None, checked_vector(fields, "fields", rows.nnz, np.int32), int(not zero_based))
