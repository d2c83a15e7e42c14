"""Labels of users and items as they are written."""

import pytest

from fastfm_ext.text_formats import TextFormatError, read_libffm, read_libsvm
from fastfm_ext.text_formats.names import ids_of, split_names

TEXT = b"""123456789012345678 0:1 2:0.5
  ann\tqid:3 1:1 # her 1:1
\xc3\xa9mile
# 9 0:1

007 0:2
1.50 1:2#x
"""


def test_labels_are_kept_and_the_rows_stay_where_they_are():
    names, text = split_names(TEXT)
    assert names == ["123456789012345678", "ann", "émile", "007", "1.50"]
    assert len(text.getvalue()) == len(TEXT)
    X, y = read_libsvm(text)
    assert X.toarray().tolist() == [[1, 0, 0.5], [0, 1, 0], [0, 0, 0], [2, 0, 0], [0, 2, 0]]
    assert y.tolist() == [0.0] * 5


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_fields_and_ends_of_lines_are_left_alone(end):
    names, text = split_names(b"7 0:1:1\r\nnan 1:0:1" + end)
    assert names == ["7", "nan"]
    assert read_libffm(text)[0].indices.tolist() == [1, 0]


def test_errors_are_those_of_the_file(tmp_path):
    (tmp_path / "users.svm").write_bytes(b"ann 0:1\nbob 0:x\n")
    with pytest.raises(TextFormatError, match=r"users\.svm, line 2, column 5: the value of '0:x' is not a number"):
        read_libsvm(split_names(tmp_path / "users.svm")[1])
    with pytest.raises(TextFormatError, match="line 2, column 1: '0:1' stands where the label should"):
        read_libsvm(split_names(b"ann 0:1\n0:1\n")[1])
    with pytest.raises(TextFormatError, match="line 2, column 2: the label is not UTF-8 text"):
        split_names(b"ann 0:1\n \xff 0:1\n")


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["7", "-8", "0"], [7, -8, 0]),
        (["9223372036854775807"], [2**63 - 1]),
        (["9223372036854775808", "1"], ["9223372036854775808", "1"]),
        (["7", "07"], ["7", "07"]),
        (["7", "+7"], ["7", "+7"]),
        (["7", "7.0"], ["7", "7.0"]),
        (["-0"], ["-0"]),
        (["\u0667"], ["\u0667"]),
    ],
)
def test_names_are_numbers_where_all_are_written_so(names, ids):
    assert ids_of(names) == ids
