"""Files that are replaced at once."""

import errno
import os
import stat
import subprocess

import pytest

from fastfm_ext._common.files import PendingFile, descriptor_of, replacing


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


def test_a_new_file_has_the_permissions_of_the_old_one(tmp_path):
    path = tmp_path / "a"
    path.touch(mode=0o600)
    with replacing(path) as file:
        file.write(b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_must_not_be_written_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda place, mode: place != str(path.resolve()))
    with pytest.raises(PermissionError), replacing(path):
        pass
    assert path.read_bytes() == b"old"


def test_a_new_file_in_a_folder_that_must_not_change_is_named_in_the_error(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "another")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(PermissionError) as caught:
        PendingFile(tmp_path / "a")
    assert caught.value.filename == str(tmp_path / "a")


def test_the_longest_name_can_be_written(tmp_path):
    path = tmp_path / ("a" * 255)
    with replacing(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_a_file_in_a_folder_that_must_not_change_is_written_in_place(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"old and longer")
    inode = path.stat().st_ino
    monkeypatch.setattr(os, "access", lambda place, mode: place != str(tmp_path.resolve()))
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old and longer"
    assert (path.read_bytes(), path.stat().st_ino) == (b"new", inode)


def test_a_file_that_cannot_be_renamed_over_is_written_in_place(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    path = tmp_path / "a"
    path.write_bytes(b"old and longer")
    monkeypatch.setattr(os, "replace", refuse)
    with replacing(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_given_the_whole_file_and_stays(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as cat:
        with replacing(path) as file:
            file.write(b"abc")
            file.seek(0)
            file.write(b"x")
        assert cat.communicate()[0] == b"xbc"
    assert path.is_fifo()


def test_an_open_file_is_written_on(tmp_path):
    with (tmp_path / "a").open("w+b", buffering=0) as opened:
        opened.write(b"first ")
        with replacing(f"/dev/fd/{opened.fileno()}") as file:
            file.write(b"second")
        opened.write(b" third")
    assert (tmp_path / "a").read_bytes() == b"first second third"
    assert (descriptor_of("/dev/stdout"), descriptor_of("/dev/fd/12"), descriptor_of("/dev/fd/x")) == (1, 12, None)
