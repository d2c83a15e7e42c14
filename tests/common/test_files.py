"""Files that are replaced at once."""

import pytest

from fastfm_ext._common.files import PendingFile, replacing


def test_a_file_is_replaced_when_the_new_one_is_complete(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_after_an_error_the_old_file_is_there_alone(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(TypeError), replacing(path) as file:
        file.writelines([b"new", None])
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_temporary_name_of_its_own_overwrites_what_was_left_there(tmp_path):
    path, temporary = tmp_path / "a", tmp_path / "a.partial"
    temporary.write_bytes(b"left by a killed program")
    pending = PendingFile(path, str(temporary))
    pending.file.write(b"new")
    pending.finish()
    pending.abandon()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"), replacing(tmp_path / "none" / "a"):
        pass


def test_a_temporary_file_that_somebody_has_removed_hides_no_error(tmp_path):
    pending = PendingFile(tmp_path / "a", str(tmp_path / "a.partial"))
    (tmp_path / "a.partial").unlink()
    pending.abandon()
    assert list(tmp_path.iterdir()) == []
