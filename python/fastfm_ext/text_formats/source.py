"""Sources of text: plain and compressed files, file objects, bytes; and their lines, a block at a time."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastfm_ext._common.checks import kind_of
from fastfm_ext._common.extras import require
from fastfm_ext._common.files import is_pipe

# Plain files are read, not mapped. It is as fast, and a file that is cut short meanwhile does not kill the process.
BLOCK = 1 << 18


class TextSource:
    """A path, a binary file object, or bytes; can be opened again if it is not a pipe."""

    def __init__(self, source: Any) -> None:
        self._path: Path | None = None
        self._file: Any = None
        if isinstance(source, str | os.PathLike):
            self._path = Path(source)
            self.name = str(source)
        elif isinstance(source, bytes | bytearray | memoryview):
            self._file, self.name = io.BytesIO(source), "text"
        elif hasattr(source, "read"):
            self._file, self.name = source, str(getattr(source, "name", "text"))
        else:
            raise TypeError(f"source must be a path, a file opened in binary mode, or bytes; got {kind_of(source)}.")
        self._start = self._file.tell() if self._file is not None and _is_seekable(self._file) else None

    @property
    def plain_size(self) -> int | None:
        """Bytes of a plain file; None for one whose size is not known before reading."""
        if self._path is None or self._path.suffix in _OPENERS or is_pipe(self._path):
            return None
        return self._path.stat().st_size

    def check_can_be_read_twice(self, why: str) -> None:
        """Raise ValueError for a pipe or the like."""
        if self._start is None if self._path is None else is_pipe(self._path):
            raise ValueError(
                f"{self.name} can be read only once, and {why} takes a look at all of it first. Give n_features and "
                "zero_based, or write it to a file."
            )

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Open for reading from the start; errors of a damaged compression name the file."""
        try:
            if self._path is None:
                if self._start is not None:
                    self._file.seek(self._start)
                yield self._file
            else:
                with _open_to_read(self._path) as file:
                    yield file
        except (lzma.LZMAError, zlib.error, gzip.BadGzipFile, EOFError) as error:
            raise ValueError(f"{self.name}: the compressed file is damaged: {error}") from error
        except Exception as error:
            if type(error).__name__ == "ZstdError":
                raise ValueError(f"{self.name}: the compressed file is damaged: {error}") from error
            raise


def _is_seekable(file: Any) -> bool:
    return bool(getattr(file, "seekable", lambda: False)())


def _open_to_read(path: Path) -> Any:
    """Open a file; the ending of its name (.gz, .xz, .bz2, .zst) tells the compression."""
    opener = _OPENERS.get(path.suffix)
    return path.open("rb", buffering=0) if opener is None else opener(path)


def _open_zstd(path: Path) -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd.open(path)
    zstandard = require("zstandard", "zstd")
    return _ZstdReader(path, zstandard.ZstdDecompressor())


class _ZstdReader(io.RawIOBase):
    """Reader of .zst; that of the package zstandard takes a file that is cut short for a whole one."""

    def __init__(self, path: Path, decompressor: Any) -> None:
        self._file = path.open("rb")
        self._decompressor = decompressor
        self._frame: Any = None
        self._rest = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, target: Any) -> int:
        while not self._ready:
            block = self._rest or self._file.read(BLOCK)
            self._rest = b""
            if not block:
                if self._frame is not None:
                    raise EOFError("the file ends in the middle of a frame")
                return 0
            self._frame = self._frame or self._decompressor.decompressobj()
            self._ready = memoryview(self._frame.decompress(block))
            if self._frame.eof:
                self._rest, self._frame = self._frame.unused_data, None
        n = min(len(target), len(self._ready))
        target[:n] = self._ready[:n]
        self._ready = self._ready[n:]
        return n


_OPENERS: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open, ".zst": _open_zstd}


class LineBuffer:
    """Whole lines of a file, a block at a time: ``text[first:last]`` are the lines not yet taken.

    A line feed is put behind the last line if it has none.
    """

    def __init__(self, file: Any, slack: int) -> None:
        self._file = file
        self._slack = slack
        self.text = bytearray(BLOCK + slack)
        self.first = self.last = self._end = 0

    def refill(self) -> bool:
        """Drop the lines before `first` and read on until there is a whole line; return False at the file's end."""
        kept = self._end - self.first
        self.text[:kept] = self.text[self.first : self._end]
        self.first, self.last, self._end = 0, 0, kept
        searched = 0
        while self.last == 0:
            room = len(self.text) - self._slack - self._end
            if room == 0:
                self.text += bytes(len(self.text))
                continue
            n_read = self._read(room)
            if n_read == 0:
                if self._end:
                    self.text[self._end] = ord("\n")
                    self._end += 1
                self.last = self._end
                return self._end > 0
            self._end += n_read
            self.last = self.text.rfind(b"\n", searched, self._end) + 1
            searched = self._end
        return True

    def _read(self, size: int) -> int:
        if hasattr(self._file, "readinto"):
            with memoryview(self.text) as view:
                return int(self._file.readinto(view[self._end : self._end + size]) or 0)
        block = self._file.read(size)
        if isinstance(block, str):
            raise TypeError("source is a file opened in text mode; open it in binary mode, as in open(path, 'rb').")
        self.text[self._end : self._end + len(block)] = block
        return len(block)
