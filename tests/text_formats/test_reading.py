"""libsvm and libffm text becomes the matrix that it describes, wherever it comes from."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import re
import sys
import threading

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from fastfm_ext.text_formats import (
    Summary,
    TextFormatError,
    iter_libffm,
    iter_libsvm,
    read_libffm,
    read_libsvm,
    scan_text,
    source,
    write_libsvm,
)
from text_rows import OnlyRead, assert_same_csr

TEXT = b"1 0:1 3:0.5\n-1 2:-4e-1\n+1 1:1\n"
MATRIX = np.array([[1, 0, 0, 0.5], [0, 0, np.float32(-0.4), 0], [0, 1, 0, 0]], dtype=np.float32)


def test_rows_labels_and_types():
    X, y = read_libsvm(TEXT)
    assert isinstance(X, sparse.csr_array)
    assert (X.dtype, X.indices.dtype, y.dtype) == (np.float32, np.int32, np.float32)
    assert X.has_canonical_format
    np.testing.assert_array_equal(X.toarray(), MATRIX)
    assert y.tolist() == [1, -1, 1]


@pytest.mark.parametrize(
    "text",
    [
        TEXT[:-1],
        TEXT.replace(b"\n", b"\r\n"),
        b"\n\n  \n" + TEXT.replace(b"\n", b"\n\n") + b"\n",
        TEXT.replace(b" ", b"\t  "),
        TEXT.replace(b"\n", b" \n"),
        b"# a comment\n   # another\n" + TEXT.replace(b"\n", b"  # 7:7 x\n"),
        TEXT.replace(b"\n", b"#7:7\n"),
        TEXT.replace(b"\n", b" #\r\n"),
        TEXT.replace(b"1 0:", b"1 qid:12 0:"),
        b"1.0 3:0.5 0:1\n-1.e0 2:-0.4000\n1e0 1:0.25 1:0.75\n",
        b"1 0:0.25 3:.5 0:.75\n-1 2:-.4\n1 000000000001:+1.\n",
    ],
    ids=[
        "no last line feed",
        "CRLF",
        "blank lines",
        "tabs",
        "spaces at the end",
        "comments",
        "comment at once",
        "comment and CRLF",
        "a qid",
        "unsorted and repeated ids",
        "short decimals",
    ],
)
def test_ways_to_write_the_same_rows(text):
    X, y = read_libsvm(text)
    np.testing.assert_array_equal(X.toarray(), MATRIX)
    assert y.tolist() == [1, -1, 1]
    assert X.nnz == 4


@pytest.mark.parametrize("read", [read_libsvm, lambda text, **options: next(iter_libsvm(text, **options))])
def test_an_id_is_the_number_of_its_column_unless_told(read):
    text = b"1 1:1 4:0.5\n0 3:1\n"
    assert read(text)[0].indices.tolist() == [1, 4, 3]
    assert read(text)[0].shape == (2, 5)
    assert read(text, zero_based=False)[0].indices.tolist() == [0, 3, 2]
    assert read(text, zero_based=False)[0].shape == (2, 4)
    with pytest.warns(UserWarning, match=r"text: ids are taken to begin at 1, since none is 0 .*Pass zero_based=False"):
        assert read(text, zero_based="auto")[0].indices.tolist() == [0, 3, 2]
    assert read(b"1 1:1 0:0.5\n", zero_based="auto")[0].indices.tolist() == [0, 1]


@pytest.mark.parametrize("read", [read_libffm, lambda text, **options: next(iter_libffm(text, **options))])
def test_an_id_of_libffm_text_is_the_number_of_its_column_unless_told(read):
    assert read(b"1 0:3:1\n")[0].indices.tolist() == [3]
    assert read(b"1 0:3:1\n", zero_based=False)[0].indices.tolist() == [2]
    with pytest.warns(UserWarning, match="ids are taken to begin at 1"):
        assert read(b"1 0:3:1\n", zero_based="auto")[0].indices.tolist() == [2]


@pytest.mark.parametrize("read", [read_libsvm, iter_libsvm, read_libffm, iter_libffm])
def test_a_guess_of_one_file_is_refused_beside_others(read):
    with pytest.raises(ValueError, match=r'zero_based="auto" guesses from one text .* Pass zero_based=True or'):
        read(b"", zero_based="auto", n_features=9)


def test_a_test_file_without_the_first_feature_keeps_the_columns_of_training():
    train, n_features = read_libsvm(b"1 0:1 2:1\n0 1:1\n")[0], 3
    test = read_libsvm(b"1 2:1\n0 1:1\n", n_features=n_features)[0]
    assert train.shape[1] == test.shape[1]
    assert test.indices.tolist() == [2, 1]


def test_an_id_of_zero_far_into_the_text_counts():
    n = 3 * source.BLOCK // 8
    text = b"1 3:1 2:1\n" * n + b"1 0:1 7:2\n" + b"0 5:1\n" * n
    X, _ = read_libsvm(text, zero_based="auto")
    assert X.indices[:2].tolist() == [2, 3]
    assert X[n].nonzero()[0].tolist() == [0, 7]
    assert X.shape == (2 * n + 1, 8)
    assert X.sum() == 2 * n + 3 + n


def test_the_width_can_be_given():
    assert read_libsvm(TEXT, n_features=10)[0].shape == (3, 10)
    assert read_libsvm(b"1 1:1 4:1\n", n_features=4, zero_based=False)[0].shape == (1, 4)


def test_rows_without_values_are_rows():
    X, y = read_libsvm(b"1\n0 1:1\n2 # nothing\n")
    assert (X.shape, X.nnz, y.tolist()) == ((3, 2), 1, [1, 0, 2])


@pytest.mark.parametrize("text", [b"", b"\n", b"# only a comment"])
def test_text_without_rows_is_an_empty_matrix(text):
    X, y = read_libsvm(text)
    assert X.shape == (0, 0)
    assert y.shape == (0,)
    assert list(iter_libsvm(text, n_features=3, zero_based=True)) == []
    assert scan_text(text) == Summary(min_id=-1)


def test_text_without_labels():
    X, y = read_libsvm(b"0:1 3:0.5\n2:-0.4\n1:1\n", labels=False)
    np.testing.assert_array_equal(X.toarray(), MATRIX)
    assert y is None
    assert read_libffm(b"0:1:1\n", labels=False)[1] is None


def test_query_ids():
    X, y, qid = read_libsvm(b"1 qid:3 0:1\n0 qid:3 1:1\n1 qid:10000000000\n", query_id=True)
    assert (X.shape, y.tolist(), qid.tolist(), qid.dtype) == ((3, 2), [1, 0, 1], [3, 3, 10**10], np.int64)


def test_the_values_of_a_repeated_id_are_added_in_double_precision():
    # In float32, 1e8 + 3 is 1e8.
    X, _ = read_libsvm(b"1 5:1e8 2:1 5:3 5:3\n", zero_based=True)
    assert X.indices.tolist() == [2, 5]
    assert X.data.tolist() == [1, np.float32(100000006)]


def test_zeros_in_the_text_are_stored():
    X, _ = read_libsvm(b"1 0:0 1:-0 2:1\n")
    assert X.nnz == 3
    assert np.signbit(X.data).tolist() == [False, True, False]


def test_fields_go_with_their_values():
    X, y, fields = read_libffm(b"1 0:5:1 1:0:0.5 2:7:1\n0 3:1:2\n")
    assert X.indices.tolist() == [0, 5, 7, 1]
    assert X.data.tolist() == [0.5, 1, 1, 2]
    assert (fields.tolist(), fields.dtype) == ([1, 0, 2, 3], np.int32)
    assert y.tolist() == [1, 0]


def test_a_feature_in_two_fields_of_a_row_keeps_the_first():
    X, _, fields = read_libffm(b"1 3:5:1 1:0:1 2:5:0.5\n")
    assert (X.indices.tolist(), X.data.tolist(), fields.tolist()) == ([0, 5], [1, 1.5], [1, 3])


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress, bz2.compress, None], ids=["gz", "xz", "bz2", "zst"])
@pytest.mark.parametrize("as_text", [str, lambda path: path], ids=["str", "Path"])
def test_compressed_files(tmp_path, compress, as_text, request):
    suffix = request.node.callspec.id.split("-")[-1]
    if compress is None:
        compress = pytest.importorskip("zstandard").compress
    path = tmp_path / f"rows.svm.{suffix}"
    path.write_bytes(compress(TEXT))
    np.testing.assert_array_equal(read_libsvm(as_text(path))[0].toarray(), MATRIX)
    path.write_bytes(compress(TEXT * 5000)[:-40])
    with pytest.raises(ValueError, match=rf"rows\.svm\.{suffix}: the compressed file is damaged"):
        read_libsvm(path)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python reads .zst itself")
def test_the_extra_for_zst_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    (tmp_path / "rows.zst").write_bytes(b"")
    with pytest.raises(ImportError, match=re.escape('the extra "zstd" of fastfm-ext: pip install "zstandard>=')):
        read_libsvm(tmp_path / "rows.zst")


def test_file_objects_are_read_from_where_they_stand(tmp_path):
    file = io.BytesIO(b"no libsvm text\n" + TEXT)
    file.readline()
    np.testing.assert_array_equal(read_libsvm(file)[0].toarray(), MATRIX)
    (tmp_path / "rows").write_bytes(TEXT)
    with (tmp_path / "rows").open("rb") as file:
        np.testing.assert_array_equal(read_libsvm(file)[0].toarray(), MATRIX)


def test_a_pipe_is_read_once():
    for options, works in (({}, False), ({"n_features": 4, "zero_based": True}, True)):
        reading, writing = os.pipe()
        with open(reading, "rb") as file, open(writing, "wb") as end:
            end.write(TEXT)
            end.close()
            if works:
                assert [y.tolist() for _, y in iter_libsvm(file, batch_rows=2, **options)] == [[1, -1], [1]]
            else:
                with pytest.raises(ValueError, match="can be read only once"):
                    iter_libsvm(file, **options)
                assert read_libsvm(file)[0].shape == (3, 4)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_read_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match=r"can be read only once, .* write it to a file"):
        iter_libsvm(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(TEXT * 50_000,))
    writer.start()
    assert read_libsvm(tmp_path / "pipe")[0].shape == (150_000, 4)
    writer.join()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pieces_of_any_size_make_the_same_rows(size):
    np.testing.assert_array_equal(read_libsvm(OnlyRead(TEXT, size))[0].toarray(), MATRIX)


def test_lines_longer_than_a_block():
    n = source.BLOCK
    text = b"1 " + b" ".join(b"%d:0.5" % i for i in range(n)) + b"\n0 3:1\n"
    assert len(text) > 8 * n
    X, y = read_libsvm(text)
    assert (X.shape, X.nnz, y.tolist()) == ((2, n), n + 1, [1, 0])
    batches = list(iter_libsvm(text, batch_rows=1))
    assert_same_csr(sparse.csr_array(sparse.vstack([X for X, _ in batches])), X)


def test_batches_have_one_width_and_add_up(tmp_path):
    rng = np.random.default_rng(0)
    X = sparse.random_array((1000, 50), density=0.1, format="csr", dtype=np.float32, rng=rng)
    write_libsvm(tmp_path / "rows", X, np.arange(1000), zero_based=False)
    batches = list(iter_libsvm(tmp_path / "rows", batch_rows=300, zero_based=False))
    assert [batch.shape for batch, _ in batches] == [(300, 50)] * 3 + [(100, 50)]
    whole, _ = read_libsvm(tmp_path / "rows", zero_based=False)
    assert_same_csr(sparse.csr_array(sparse.vstack([batch for batch, _ in batches])), whole)
    assert np.concatenate([y for _, y in batches]).tolist() == list(range(1000))
    (fields,) = {f.tobytes() for _, _, f in iter_libffm(b"1 4:0:1\n" * 5, batch_rows=5)}
    assert np.frombuffer(fields, np.int32).tolist() == [4] * 5


def test_a_scan_counts():
    assert scan_text(b"1 4:1 2:1\n\n0\n1 3:1\n") == Summary(n_rows=3, n_values=3, min_id=2, max_id=4)
    summary = scan_text(b"1 9:0:1\n", "libffm")
    assert (summary.max_field, summary.is_zero_based) == (9, True)


def test_threads_read_at_the_same_time():
    text = TEXT * 20_000
    found = []
    threads = [threading.Thread(target=lambda: found.append(read_libsvm(text)[0].sum())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 4


@pytest.mark.parametrize("zero_based", [True, False])
@pytest.mark.parametrize("comment", [None, "a note"])
def test_what_scikit_learn_writes(zero_based, comment):
    rng = np.random.default_rng(1)
    X = sparse.random_array((200, 30), density=0.2, format="csr", dtype=np.float64, rng=rng)
    file = io.BytesIO()
    dump_svmlight_file(X, rng.normal(size=200), file, zero_based=zero_based, comment=comment, query_id=np.arange(200))
    X_own, y_own, qid = read_libsvm(file.getvalue(), n_features=30, zero_based=zero_based, query_id=True)
    file.seek(0)
    X_theirs, y_theirs = load_svmlight_file(file, n_features=30, zero_based=zero_based, dtype=np.float32)
    assert_same_csr(X_own, sparse.csr_array(X_theirs))
    np.testing.assert_array_equal(y_own, y_theirs.astype(np.float32))
    np.testing.assert_array_equal(qid, np.arange(200))


def test_what_xlearn_comes_with(data_dir):
    path = data_dir / "ctr" / "xlearn-criteo-400" / "small_train.txt.xz"
    X, y, fields = read_libffm(path, zero_based=True)
    lines = [line.split() for line in lzma.decompress(path.read_bytes()).decode().splitlines()]
    assert y.tolist() == [float(line[0]) for line in lines]
    assert X.shape[0] == 200
    for r, line in enumerate(lines):
        # Some rows have the same hash in two fields; the first counts.
        entries = {int(e.split(":")[1]): e.split(":") for e in reversed(line[1:])}
        row = slice(X.indptr[r], X.indptr[r + 1])
        assert X.indices[row].tolist() == sorted(entries)
        assert fields[row].tolist() == [int(entries[i][0]) for i in sorted(entries)]
    # Its own reader takes libsvm text for libffm text and the other way round; ours says what is wrong.
    with pytest.raises(TextFormatError, match=r"more than one colon\. Is this libffm text\?"):
        read_libsvm(path)


def test_frappe_as_libfm_reads_it(data_dir):
    path = data_dir / "frappe-nfm" / "frappe.test.libfm.xz"
    X, y = read_libsvm(path, n_features=5382, zero_based=True)
    with lzma.open(path) as file:
        X_theirs, y_theirs = load_svmlight_file(file, n_features=5382, zero_based=True, dtype=np.float32)
    assert_same_csr(X, sparse.csr_array(X_theirs))
    np.testing.assert_array_equal(y, y_theirs)
    assert set(y.tolist()) == {-1.0, 1.0}


def test_errors_survive_pickling():
    with pytest.raises(TextFormatError) as caught:
        read_libsvm(b"1 x\n")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.line, again.column) == (str(caught.value), 1, 3)
