"""Text that cannot be read: errors name the place and say what is wrong and what to do."""

import io

import pytest

from fastfm_ext.text_formats import (
    TextFormatError,
    iter_libsvm,
    read_libffm,
    read_libsvm,
    scan_text,
    source,
)

LIBSVM_ERRORS = [
    (b"x 1:1", 1, "the label 'x' is not a number. A line is \"label id:value id:value ...\"."),
    (b"1a 1:1", 1, "the label '1a' is not a number"),
    (b"--1 1:1", 1, "the label '--1' is not a number"),
    (b"1e 1:1", 1, "the label '1e' is not a number"),
    (b". 1:1", 1, "the label '.' is not a number"),
    (b"1:1 2:1", 1, "'1:1' stands where the label should. For text without labels, pass labels=False."),
    (b"1,3 1:1", 1, "'1,3' is more than one label, and a row can have one only."),
    (b"nan 1:1", 1, "'nan' is not finite"),
    (b"-inf 1:1", 1, "'-inf' is not finite"),
    (b"1e39 1:1", 1, "'1e39' is too large for a 32-bit float"),
    (b"1 2 3:1", 3, "'2' has no colon"),
    (b"1 1:1 2:1 7", 11, "'7' has no colon"),
    (b"1 1:1 x", 7, "'x' has no colon"),
    (b"1 x:1", 3, "the id of 'x:1' is not a whole number"),
    (b"1 :1", 3, "the id of ':1' is not a whole number"),
    (b"1 -3:1", 3, "the id of '-3:1' is not a whole number"),
    (b"1 1.5:1", 3, "the id of '1.5:1' is not a whole number"),
    (b"1 1 :1", 3, "'1' has no colon"),
    (b"1 1:", 3, "the value of '1:' is not a number"),
    (b"1 1: 2:1", 3, "the value of '1:' is not a number"),
    (b"1 1:one", 3, "the value of '1:one' is not a number"),
    (b"1 1:1x", 3, "the value of '1:1x' is not a number"),
    (b"1 1:1.5.2", 3, "the value of '1:1.5.2' is not a number"),
    (b"1 1:0x10", 3, "the value of '1:0x10' is not a number"),
    (b"1 1:1_000", 3, "the value of '1:1_000' is not a number"),
    (b"1 1:1\x00", 3, "the value of '1:1\\x00' is not a number"),
    (b"1 1:+-1", 3, "the value of '1:+-1' is not a number"),
    (b"1 1:1e+", 3, "the value of '1:1e+' is not a number"),
    (b"1 1:" + b"1" * 1001, 3, "is not a number"),
    (b"1 1:NaN", 3, "'1:NaN' is not finite. Leave the value out, or fill in a number."),
    (b"1 1:-Infinity", 3, "'1:-Infinity' is not finite"),
    (b"1 1:1e400", 3, "'1:1e400' is too large for a 32-bit float. Scale it down."),
    (b"1 1:3.5e38", 3, "'1:3.5e38' is too large"),
    (b"1 1:" + b"9" * 60, 3, "is too large"),
    (b"1 2147483647:1", 3, "the id of '2147483647:1' is above 2147483646, the last one that fits."),
    (b"1 99999999999999999999999:1", 3, "is above 2147483646, the last one that fits. Renumber or hash the features."),
    (b"1 0:5:1", 3, "'0:5:1' has more than one colon. Is this libffm text?"),
    (b"1 qid:x 1:1", 3, "'qid:x' is not qid: with a whole number"),
    (b"1 qid: 1:1", 3, "'qid:' is not qid: with a whole number"),
    (b"1 quid:1", 3, "'quid:1' is not qid: with a whole number"),
    (b"1 qid:99999999999999999999 1:1", 3, "is not qid: with a whole number"),
    (b"1 1:1 qid:3", 7, "the id of 'qid:3' is not a whole number"),
    ("1 \u00e4:1".encode(), 3, "the id of '\u00e4:1' is not a whole number"),
    (b"1 \xff", 3, "'\ufffd' has no colon"),
    (b"1 " + b"z" * 100, 3, f"'{'z' * 40}...' has no colon"),
]


@pytest.mark.parametrize(("line", "column", "reason"), LIBSVM_ERRORS, ids=[repr(e[0][:20]) for e in LIBSVM_ERRORS])
def test_a_bad_line_is_named_with_its_place(line, column, reason):
    text = b"1 0:1\n# comment\n\n1 1:1\n" + line + b"\n1 1:1\n"
    with pytest.raises(TextFormatError) as caught:
        read_libsvm(text)
    assert (caught.value.source, caught.value.line, caught.value.column) == ("text", 5, column)
    message = str(caught.value)
    assert message.startswith(f"text, line 5, column {column}: ")
    assert reason in message
    assert message.endswith((".", '."'))
    with pytest.raises(TextFormatError, match="line 1,"):
        read_libsvm(line)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            b"1 0:1",
            "'0:1' has one colon only. Is this libsvm text? A line is \"label field:id:value field:id:value ...\".",
        ),
        (b"1 x:1:1", "the field of 'x:1:1' is not a whole number"),
        (b"1 -1:1:1", "the field of '-1:1:1' is not a whole number"),
        (b"1 2147483648:1:1", "the field of '2147483648:1:1' is above 2147483647"),
        (b"1 99999999999999999999:1:1", "is above 2147483647"),
        (b"1 1:x:1", "the id of '1:x:1' is not a whole number"),
        (b"1 1::1", "the id of '1::1' is not a whole number"),
        (b"1 1:1:x", "the value of '1:1:x' is not a number"),
        (b"1 1:1:1:1", "the value of '1:1:1:1' is not a number"),
        (b"1 1:1:nan", "'1:1:nan' is not finite"),
        (b"1 12", "'12' has no colon"),
        (b"1 12:", "'12:' has one colon only"),
    ],
)
def test_a_bad_line_of_libffm_text(line, reason):
    with pytest.raises(TextFormatError, match=r"^text, line 2, column 3: ") as caught:
        read_libffm(b"1 0:0:1\n" + line)
    assert reason in str(caught.value)


def test_the_file_is_named(tmp_path):
    path = tmp_path / "train.txt"
    path.write_bytes(b"1 0:1\n1 broken\n")
    for read in (read_libsvm, scan_text, lambda path: list(iter_libsvm(path, n_features=2, zero_based=True))):
        with pytest.raises(TextFormatError, match=r"train\.txt, line 2, column 3: 'broken' has no colon"):
            read(path)


@pytest.mark.parametrize("batch_rows", [1, 1000, 10**6])
def test_the_line_is_right_beyond_blocks_and_batches(batch_rows):
    n = source.BLOCK // 16
    text = b"1 0:1 5:0.25\n# x\n" * n + b"1 3:x\n"
    with pytest.raises(TextFormatError, match=f"line {2 * n + 1}, column 3"):
        for _ in iter_libsvm(text, n_features=9, zero_based=True, batch_rows=batch_rows):
            pass


def test_batches_before_the_bad_line_are_given():
    batches = iter_libsvm(b"1 0:1\n1 1:1\n1 x\n", n_features=2, zero_based=True, batch_rows=2)
    assert next(batches)[0].shape == (2, 2)
    with pytest.raises(TextFormatError, match="line 3"):
        next(batches)


@pytest.mark.parametrize(
    ("options", "text", "reason"),
    [
        ({"n_features": 3, "zero_based": True}, b"1 3:1", "the id of '3:1' is above 2, the last one that n_features"),
        ({"n_features": 3, "zero_based": False}, b"1 4:1", "the id of '4:1' is above 3, the last one that n_features"),
        ({"n_features": 3}, b"1 3:1", "leaves room for. If the ids begin at 1, pass zero_based=False."),
        ({"zero_based": False}, b"1 0:1", "the id of '0:1' is 0, and with zero_based=False ids begin at 1."),
        ({"labels": False}, b"1 0:1", "'1' has no colon. A line is \"id:value id:value ...\"."),
        ({"query_id": True}, b"1 0:1", "there is no qid behind the label, and query_id=True asks for one"),
        ({"query_id": True}, b"1", "there is no qid behind the label"),
    ],
)
def test_what_the_options_forbid_is_an_error(options, text, reason):
    with pytest.raises(TextFormatError, match="line 1") as caught:
        read_libsvm(text, **options)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: read_libsvm(3),
            TypeError,
            "source must be a path, .* or bytes; got an int",
        ),
        (lambda: read_libsvm(io.StringIO("1 1:1")), TypeError, "binary mode"),
        (lambda: read_libsvm(b"", n_features=0), ValueError, "n_features must be an integer from 1 to 2147483647"),
        (lambda: read_libsvm(b"", n_features=2**31), ValueError, "n_features must be an integer from 1 to 2147483647"),
        (lambda: read_libsvm(b"", zero_based="no"), ValueError, "zero_based must be True, False or \"auto\"; got 'no'"),
        (lambda: iter_libsvm(b"", batch_rows=0), ValueError, "batch_rows must be an integer of at least 1; got 0"),
        (lambda: scan_text(b"", "csv"), ValueError, "form must be 'libsvm' or 'libffm'; got 'csv'"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_libsvm(tmp_path / "nowhere.gz")
    (tmp_path / "rows.gz").write_bytes(b"1 1:1\n")
    with pytest.raises(ValueError, match=r"rows\.gz: the compressed file is damaged"):
        read_libsvm(tmp_path / "rows.gz")
