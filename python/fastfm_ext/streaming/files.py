"""Base of the sources of batches: the files that a path names, and the batches of their rows."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from fastfm_ext._common.checks import is_integer, kind_of
from fastfm_ext._common.files import PathLike, is_pipe
from fastfm_ext._learning.stream.batches import Batch

Paths = PathLike | Iterable[PathLike]
BatchParts = tuple[Any, ...]  # X, y, sample_weight, and the period of each row where a column tells it


class FileSource(ABC):
    """Base of the sources: an iterable of batches that know their file and rows.

    Attributes
    ----------
    paths : list of str
        The files, in the order in which they are read.
    n_rows : int or None
        Rows of all files, where that is known without reading them.
    """

    _suffixes: ClassVar[tuple[str, ...]]
    # Whether a file is opened only once to read it from its beginning to its end.
    _reads_pipes: ClassVar[bool] = False
    n_rows: int | None = None

    def __init__(self, paths: Paths, batch_rows: int) -> None:
        if not is_integer(1)(batch_rows):
            raise ValueError(f"batch_rows must be an integer of at least 1; got {batch_rows!r}.")
        self.batch_rows = int(batch_rows)
        self.paths = _files(paths, self._suffixes)
        self._finished_pipes: set[str] = set()
        pipe = next((path for path in self.paths if is_pipe(path)), None)
        if pipe is not None and not self._reads_pipes:
            raise ValueError(f"{pipe} is a pipe, which {kind_of(self)} cannot read; write it to a file first.")

    def __iter__(self) -> Iterator[Batch]:
        for path in self._unread_paths():
            n_before = 0
            of_file = os.path.basename(path) if len(self.paths) > 1 else None
            for X, y, weight, *period in self._read(path):
                n_rows = X.shape[0]
                where = f"{path}, rows {n_before + 1} to {n_before + n_rows}"
                yield Batch(X, y, weight, where, period[0] if period else of_file)
                n_before += n_rows

    def _unread_paths(self) -> Iterator[str]:
        """Yield the files, and raise ValueError for a pipe that has been read."""
        for path in self.paths:
            if path in self._finished_pipes:
                raise ValueError(
                    f"{path} is a pipe, which can be read only once. Write it to a file first, or give n_features and "
                    "train for one epoch or with a cache."
                )
            if is_pipe(path):
                self._finished_pipes.add(path)
            yield path

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.paths[0]!r}{', ...' if len(self.paths) > 1 else ''})"

    def describe(self) -> str:
        """Return the files' names and sizes, by which a checkpoint recognises its source.

        Returns
        -------
        str
        """
        sizes = ", ".join(f"{os.path.basename(path)} of {os.path.getsize(path)} bytes" for path in self.paths)
        return f"{type(self).__name__}: {sizes}"

    @abstractmethod
    def _read(self, path: str) -> Iterator[BatchParts]:
        """Yield the rows of one file in batches."""


def _files(paths: Paths, suffixes: tuple[str, ...]) -> list[str]:
    """Return the files of these paths, each folder replaced by its files of these suffixes.

    Raises
    ------
    FileNotFoundError
        If a path does not exist, or a folder has no such file.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    files: list[str] = []
    for path in map(Path, given):
        if not path.exists():
            raise FileNotFoundError(f"there is no file or folder {os.fspath(path)!r}.")
        if not path.is_dir():
            files.append(os.fspath(path))
            continue
        # Programs name files of their own with a dot or an underscore in front, such as _SUCCESS.
        found = [p for p in path.rglob("*") if p.name.endswith(suffixes) and p.name[0] not in "._" and p.is_file()]
        if not found:
            raise FileNotFoundError(f"the folder {os.fspath(path)!r} holds no file *{', *'.join(suffixes)}.")
        files += sorted(map(os.fspath, found))
    if not files:
        raise FileNotFoundError("paths names no file.")
    return files


@contextmanager
def errors_of(path: str) -> Iterator[None]:
    """Let the errors of reading a file name it."""
    try:
        yield
    except (ValueError, TypeError, KeyError, NotImplementedError, OSError) as error:
        if path in str(error):
            raise
        kind = next(kind for kind in (TypeError, OSError, ValueError) if isinstance(error, kind) or kind is ValueError)
        raise kind(f"{path}: {error}") from error
