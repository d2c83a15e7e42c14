"""Pipes as input files: each is read once and whole into a temporary file, which can be read again and again."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fastfm_ext._common.files import descriptor_of, is_pipe
from fastfm_ext.cli.options import STANDARD

_BLOCK = 1 << 20
_LONGEST_MAGIC = 6
# The first bytes of files, and the ending by which readers know them.
_ENDINGS_OF = {
    b"\x1f\x8b": ".gz",
    b"\xfd7zXZ\x00": ".xz",
    b"BZh": ".bz2",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"PAR1": ".parquet",
}
# What the user called the temporary files of this process.
_NAMES: dict[str, str] = {}


def named_by_user(text: object) -> str:
    """Return a text in which temporary files have the names of the pipes that they were read from."""
    shown = str(text)
    for path, name in _NAMES.items():
        shown = shown.replace(path, name)
    return shown


class Spool:
    """Temporary files of the pipes of one command, below a folder; removed when the `with` block ends."""

    def __init__(self, folder: Path | None) -> None:
        self._below = folder
        self._folder: str | None = None
        self._read: dict[object, str] = {}

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            import shutil

            shutil.rmtree(self._folder, ignore_errors=True)

    def file_of(self, option: str, path: Path) -> Path:
        """Return the path itself, or of a pipe the temporary file with all that came from it.

        Raises
        ------
        ValueError
            If another option has read the pipe.
        """
        if not _is_read_once(path):
            return path
        name = "standard input" if str(path) == STANDARD else str(path)
        key = _identity(path)
        if key in self._read:
            raise ValueError(f"{self._read[key]} and {option} are one pipe, {name}, which can be read only once")
        self._read[key] = option
        with _opened(path) as pipe:
            return self._copy(pipe, path, name)

    def _copy(self, pipe: IO[bytes], path: Path, name: str) -> Path:
        folder = self._new_folder()
        first = pipe.read(_LONGEST_MAGIC)
        target = os.path.join(folder, _name_of(path, first))
        _NAMES[target] = name
        try:
            with open(target, "wb") as file:
                file.write(first)
                while block := pipe.read(_BLOCK):
                    file.write(block)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            place = os.path.dirname(os.path.dirname(folder))
            raise OSError(
                f"{name} does not fit into {place}, where it is kept until the command ends; set TMPDIR to a folder "
                "with more space, or write it to a file first"
            ) from error
        return Path(target)

    def _new_folder(self) -> str:
        import tempfile  # here, so that `--help` need not wait for it

        if self._folder is None:
            below = self._below if self._below is not None and self._below.is_dir() else None
            self._folder = tempfile.mkdtemp(prefix="fastfm-ext-", dir=below)
        # One folder each, since two pipes may have one name.
        return tempfile.mkdtemp(dir=self._folder)


def _is_read_once(path: Path) -> bool:
    if str(path) == STANDARD:
        return True
    descriptor = descriptor_of(path)
    if descriptor is None or is_pipe(path):
        return is_pipe(path)
    # An open file: only Linux opens it anew and at its beginning.
    try:
        return sys.platform != "linux" or os.lseek(descriptor, 0, os.SEEK_CUR) != 0
    except OSError:
        return False


def _identity(path: Path) -> tuple[int, int]:
    descriptor = 0 if str(path) == STANDARD else descriptor_of(path)
    status = os.stat(path) if descriptor is None else os.fstat(descriptor)
    return status.st_dev, status.st_ino


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    descriptor = 0 if str(path) == STANDARD else descriptor_of(path)
    with open(path if descriptor is None else os.dup(descriptor), "rb") as file:
        yield file


def _name_of(path: Path, first: bytes) -> str:
    """Return a name whose ending says what a file with these first bytes is."""
    name = "input" if str(path) == STANDARD or descriptor_of(path) is not None else path.name
    found = next((ending for magic, ending in _ENDINGS_OF.items() if first.startswith(magic)), "")
    root, ending = os.path.splitext(name)
    name = root if ending in _ENDINGS_OF.values() else name
    return name + found
