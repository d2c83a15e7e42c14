"""Files that are replaced at once: a reader finds the old file or the whole new one."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterator
from typing import IO, Any, cast

PathLike = str | os.PathLike[str]
# A file by its path, or one that is open in binary mode.
FileLike = PathLike | IO[bytes]

_STANDARD_STREAMS = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_FOLDERS_OF_DESCRIPTORS = ("/dev/fd", "/proc/self/fd")


def descriptor_of(path: PathLike) -> int | None:
    """Return the descriptor of the open file that a path such as ``/dev/stdout`` or ``/dev/fd/63`` means, or None."""
    text = os.fsdecode(path)
    folder, name = os.path.split(text)
    if folder in _FOLDERS_OF_DESCRIPTORS and name.isdecimal():
        return int(name)
    return _STANDARD_STREAMS.get(text)


def is_pipe(path: PathLike) -> bool:
    """Whether there is something at the path that is neither a file nor a folder: a pipe, a socket or a device."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def is_stream(path: PathLike) -> bool:
    """Whether what is written to the path goes to a pipe, a device or an open file, and no file can take its place."""
    return descriptor_of(path) is not None or is_pipe(path)


def open_stream(path: PathLike) -> IO[bytes]:
    """Open a path for writing in place, an open file such as ``/dev/stdout`` where it has been written to."""
    descriptor = descriptor_of(path)
    return open(path if descriptor is None else os.dup(descriptor), "wb")


class PendingFile:
    """A new file under another name, which takes the place of `path` when it is complete.

    Where no file can take that place, since `path` is a pipe or a device, or its folder is read-only, what was written
    is copied there in the end.

    Parameters
    ----------
    path : path-like
        Of a link, the file that it leads to is replaced. The new file is given the permissions of the old one.
    temporary : str, optional
        The name until then, in the same folder. By default a new one each time; with one of its own, what a killed
        program has left there is overwritten.

    Attributes
    ----------
    file : binary file object
        Open for writing and reading, until `finish` or `abandon`.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    PermissionError
        If there is a file that must not be written.
    """

    def __init__(self, path: PathLike, temporary: str | None = None) -> None:
        self._path = os.fsdecode(path)
        self._target = os.path.realpath(self._path)
        self._temporary: str | None = None
        self._is_open = True
        # Closed by finish and abandon.
        self.file: IO[bytes]
        if is_stream(path):
            self.file = tempfile.TemporaryFile()  # noqa: SIM115
            return
        folder = os.path.dirname(self._target)
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"Cannot save to {self._path!r}: there is no folder {folder!r}.")
        if os.path.exists(self._target):
            if not os.access(self._target, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), self._path)
            if not os.access(folder, os.W_OK):
                self.file = tempfile.TemporaryFile()  # noqa: SIM115
                return
        # Not tempfile: its files are readable by their owner only, and the new file would inherit that.
        self._temporary = temporary or f"{_temporary_prefix(self._target)}{os.urandom(6).hex()}.tmp"
        try:
            self.file = open(self._temporary, "x+b" if temporary is None else "w+b")  # noqa: SIM115
        except OSError as error:
            raise type(error)(error.errno, error.strerror, self._path) from error
        if os.path.exists(self._target):
            shutil.copymode(self._target, self._temporary)

    def finish(self) -> None:
        """Give the file its name."""
        self.file.flush()
        if self._temporary is None:
            self._copy_over(self.file)
            self.file.close()
        else:
            os.fsync(self.file.fileno())
            self.file.close()
            self._rename(self._temporary)
        self._is_open = False

    def _rename(self, temporary: str) -> None:
        try:
            os.replace(temporary, self._target)
        except OSError as error:
            # A file that is mounted by itself, as into a container, can be written but not replaced.
            if error.errno != errno.EBUSY:
                raise
            with open(temporary, "rb") as written:
                self._copy_over(written)
            os.unlink(temporary)

    def _copy_over(self, written: IO[bytes]) -> None:
        written.seek(0)
        with open_stream(self._path) as target:
            shutil.copyfileobj(written, target)

    def abandon(self) -> None:
        """Remove what has been written, unless the file has its name."""
        if self._is_open:
            self._is_open = False
            with contextlib.suppress(FileNotFoundError):
                try:
                    self.file.close()
                finally:
                    if self._temporary is not None:
                        os.unlink(self._temporary)


def remove_leftovers(path: PathLike) -> None:
    """Remove what killed programs have left of new files that were to take the place of `path`."""
    target = os.path.realpath(os.fsdecode(path))
    folder = os.path.dirname(target)
    if os.path.isdir(folder):
        for entry in (os.path.join(folder, name) for name in os.listdir(folder)):
            if entry.startswith(_temporary_prefix(target)) and entry.endswith(".tmp"):
                os.unlink(entry)


def _temporary_prefix(target: str) -> str:
    """Return how the temporary paths for a file begin: short, since its own name may be as long as names can be."""
    folder, name = os.path.split(target)
    return os.path.join(folder, f".fastfm-ext-{zlib.crc32(os.fsencode(name)):08x}-")


@contextlib.contextmanager
def replacing(path: PathLike) -> Iterator[IO[bytes]]:
    """Open a `PendingFile` that is finished when all went well, and abandoned after an error."""
    pending = PendingFile(path)
    try:
        yield pending.file
        pending.finish()
    finally:
        pending.abandon()


@contextlib.contextmanager
def writing(file: FileLike) -> Iterator[IO[bytes]]:
    """Open a file to write: one that replaces what is at a path, or one whose content a file object gets at the end.

    Raises
    ------
    TypeError
        If `file` is neither a path nor a binary file object.
    """
    if is_path(file):
        with replacing(cast(PathLike, file)) as new:
            yield new
        return
    whole = io.BytesIO()
    yield whole
    given, written = cast(IO[bytes], file), 0
    with whole.getbuffer() as content:
        # A file without a buffer may take less than it is given.
        while written < len(content):
            written += given.write(content[written:])


@contextlib.contextmanager
def reading(file: FileLike) -> Iterator[IO[bytes]]:
    """Open a path to read, or take a binary file object, which stays open; one that cannot seek is read at once.

    Raises
    ------
    TypeError
        If `file` is neither a path nor a binary file object.
    """
    if is_path(file):
        with open(cast(PathLike, file), "rb") as opened:
            yield opened
        return
    given = cast(IO[bytes], file)
    yield given if given.seekable() and hasattr(given, "readinto") else io.BytesIO(given.read())


def name_of(file: FileLike) -> str:
    """Return the path of a file, or what a file object calls itself, for messages."""
    return os.fsdecode(cast(PathLike, file)) if is_path(file) else str(getattr(file, "name", type(file).__name__))


def is_path(file: Any) -> bool:
    """Return whether this is a path, and not a binary file object.

    Raises
    ------
    TypeError
        If it is neither.
    """
    if isinstance(file, str | bytes | os.PathLike):
        return True
    if isinstance(file, io.TextIOBase):
        raise TypeError("The file is open in text mode; open it in binary mode, as open(path, 'wb') and 'rb' do.")
    if not (hasattr(file, "read") or hasattr(file, "write")):
        raise TypeError(f"A file must be a path or a binary file object; got {file!r}.")
    return False
