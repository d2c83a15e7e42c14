"""Reading undoes writing to the bit, batches add up to the whole, numbers are rounded as Python rounds them."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import sparse

from fastfm_ext._native import text as _io
from fastfm_ext.text_formats import (
    TextFormatError,
    iter_libffm,
    iter_libsvm,
    read_libffm,
    read_libsvm,
    write_libffm,
    write_libsvm,
)
from text_cases import CASES
from text_rows import OnlyRead, assert_same_csr

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
DECIMALS = st.from_regex(r"[+-]?([0-9]{1,24}(\.[0-9]{0,24})?|\.[0-9]{1,24})([eE][+-]?[0-9]{1,3})?", fullmatch=True)


@st.composite
def matrices(draw):
    """CSR with rows of any length, stored zeros, large ids, and what belongs to it."""
    n_features = draw(st.sampled_from([1, 7, 100_000, 2**31 - 1]))
    rows = draw(st.lists(st.dictionaries(st.integers(0, n_features - 1), FLOATS, max_size=12), min_size=1, max_size=12))
    indices = np.array([i for row in rows for i in sorted(row)], dtype=np.int32)
    data = np.array([row[i] for row in rows for i in sorted(row)], dtype=np.float32)
    indptr = np.cumsum([0, *map(len, rows)])
    y = np.array(draw(st.lists(FLOATS, min_size=len(rows), max_size=len(rows))), dtype=np.float32)
    return sparse.csr_array((data, indices, indptr), shape=(len(rows), n_features)), y


def stacked(batches):
    return sparse.csr_array(sparse.vstack(list(batches), format="csr"))


@given(matrices(), st.booleans(), st.integers(1, 13))
def test_reading_undoes_writing_at_once_and_in_batches(rows, zero_based, batch_rows):
    X, y = rows
    if not zero_based and X.shape[1] == 2**31 - 1:
        X = sparse.csr_array((X.data, np.minimum(X.indices, 2**31 - 2), X.indptr), shape=X.shape)
    file = io.BytesIO()
    write_libsvm(file, X, y, zero_based=zero_based)
    options = {"n_features": X.shape[1], "zero_based": zero_based}
    X_read, y_read = read_libsvm(file.getvalue(), **options)
    assert_same_csr(X_read, X)
    assert y_read.tobytes() == y.tobytes()
    batches = list(iter_libsvm(file.getvalue(), batch_rows=batch_rows, **options))
    assert all(len(y_batch) == batch_rows for _, y_batch in batches[:-1])
    assert_same_csr(stacked(X_batch for X_batch, _ in batches), X)


@given(matrices(), st.integers(1, 13), st.data())
def test_reading_undoes_writing_with_fields(rows, batch_rows, data):
    X, y = rows
    fields = data.draw(npst.arrays(np.int32, X.nnz, elements=st.integers(0, 2**31 - 1)))
    file = io.BytesIO()
    write_libffm(file, X, y, fields=fields)
    X_read, y_read, fields_read = read_libffm(file.getvalue(), n_features=X.shape[1], zero_based=True)
    assert_same_csr(X_read, X)
    np.testing.assert_array_equal(fields_read, fields)
    assert y_read.tobytes() == y.tobytes()
    batches = list(iter_libffm(file.getvalue(), batch_rows=batch_rows, n_features=X.shape[1], zero_based=True))
    assert_same_csr(stacked(X_batch for X_batch, _, _ in batches), X)
    np.testing.assert_array_equal(np.concatenate([f for _, _, f in batches]), fields)


@given(st.lists(DECIMALS, min_size=1, max_size=20))
def test_numbers_are_rounded_as_python_and_numpy_round_them(decimals):
    with np.errstate(over="ignore"):
        expected = [np.float32(float(text)) for text in decimals]
    kept = [(text, value) for text, value in zip(decimals, expected, strict=True) if np.isfinite(value)]
    text = " ".join(f"{i}:{text}" for i, (text, _) in enumerate(kept))
    X, _ = read_libsvm(f"1 {text}".encode(), n_features=len(decimals), zero_based=True)
    assert X.data.tobytes() == np.array([value for _, value in kept], dtype=np.float32).tobytes()


@given(st.lists(st.lists(st.tuples(st.integers(0, 20), FLOATS), max_size=30), min_size=1, max_size=5))
def test_unsorted_and_repeated_ids_are_summed_as_scipy_sums_them(rows):
    lines = [" ".join(["1", *(f"{i}:{value!r}" for i, value in row)]) for row in rows]
    columns = [i for row in rows for i, _ in row]
    values = np.array([value for row in rows for _, value in row], dtype=np.float64)
    row_numbers = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    with np.errstate(over="ignore"):
        expected = (
            sparse.coo_array((values, (row_numbers, columns)), shape=(len(rows), 21)).toarray().astype(np.float32)
        )
    X, _ = read_libsvm("\n".join(lines).encode(), n_features=21, zero_based=True)
    assert X.has_sorted_indices
    for r in range(len(rows)):
        row = X.indices[X.indptr[r] : X.indptr[r + 1]]
        assert (np.diff(row) > 0).all()
    # The order of the terms of a sum is ours or SciPy's: they may differ in the last bit where terms cancel.
    np.testing.assert_allclose(X.toarray(), expected, rtol=1e-6, atol=1e-6 * float(np.abs(values).max(initial=0)))


@given(st.binary(max_size=200))
@settings(max_examples=500)
def test_any_bytes_are_rows_or_a_named_error(text):
    for read in (read_libsvm, read_libffm):
        try:
            X = read(text)[0]
        except TextFormatError as error:
            lines = text.split(b"\n")
            in_text = 1 <= error.line <= len(lines) and 1 <= error.column <= len(lines[error.line - 1]) + 1
            if not in_text:
                pytest.fail(f"{text!r}: there is no such place: {error}")
        else:
            X.check_format(full_check=True)
            assert np.isfinite(X.data).all()


@pytest.mark.parametrize("capacity", [1, 2, 3, 10])
def test_the_parser_goes_on_where_an_array_was_full(capacity):
    text = bytearray(b"1 0:1 1:2\n# c\n0\n1 4:1\n" + bytes(_io.slack))
    ids = SimpleNamespace(min_id=0, max_id=9, base=0)
    position, lines, found = 0, 0, []
    while position < len(text) - _io.slack:
        y, indptr = np.empty(capacity, np.float32), np.zeros(capacity + 1, np.int64)
        indices, data = np.empty(capacity + 1, np.int32), np.empty(capacity + 1, np.float32)
        arrays = SimpleNamespace(y=y, qid=None, indptr=indptr, indices=indices, fields=None, data=data, n_rows=0)
        result = _io.read_rows(text, position, len(text) - _io.slack, ids, arrays)
        assert result.code in (_io.ReadCode.done, _io.ReadCode.rows_full, _io.ReadCode.values_full)
        position, lines = result.position, lines + result.lines
        found += [(float(y[r]), indices[indptr[r] : indptr[r + 1]].tolist()) for r in range(result.n_rows)]
    assert lines == 4
    assert found == [(1.0, [0, 1]), (0.0, []), (1.0, [4])]


def as_read(text, case_options):
    """The rows, or the place and reason of the error."""
    flags = case_options[0]
    zero_based, n_features = not flags & 8, 99 if flags & 32 else None
    labels = {"labels": not flags & 2}
    try:
        if flags & 1:
            return read_libffm(text, zero_based=zero_based, n_features=n_features, **labels)
        return read_libsvm(text, zero_based=zero_based, n_features=n_features, query_id=bool(flags & 4), **labels)
    except TextFormatError as error:
        return str(error)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.hex())
def test_what_the_fuzzer_found_reads_the_same_in_pieces_of_any_size(case):
    text = case[2:]
    at_once = as_read(text, case)
    for size in (1, 3):
        in_pieces = as_read(OnlyRead(text, size), case)
        if isinstance(at_once, str):
            assert in_pieces == at_once
            continue
        assert_same_csr(in_pieces[0], at_once[0])
        for own, other in zip(in_pieces[1:], at_once[1:], strict=True):
            assert (own is None) == (other is None)
            assert own is None or own.tobytes() == other.tobytes()
