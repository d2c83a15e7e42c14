"""Files that are replaced at once: a reader finds the old file or the whole new one."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from typing import IO

PathLike = str | os.PathLike[str]


class PendingFile:
    """A new file under another name, which takes the place of `path` when it is complete.

    Parameters
    ----------
    path : path-like
        Of a link, the file that it leads to is replaced.
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
    """

    def __init__(self, path: PathLike, temporary: str | None = None) -> None:
        self._target = os.path.realpath(os.fsdecode(path))
        folder, name = os.path.split(self._target)
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"Cannot save to {os.fsdecode(path)!r}: there is no folder {folder!r}.")
        # Not tempfile: its files are readable by their owner only, and the new file would inherit that.
        self._temporary = temporary or os.path.join(folder, f".{name}.{secrets.token_hex(6)}.tmp")
        # Closed by finish and abandon.
        self.file: IO[bytes] = open(self._temporary, "x+b" if temporary is None else "w+b")  # noqa: SIM115
        self._is_open = True

    def finish(self) -> None:
        """Give the file its name."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        os.replace(self._temporary, self._target)
        self._is_open = False

    def abandon(self) -> None:
        """Remove what has been written, unless the file has its name."""
        if self._is_open:
            self._is_open = False
            with contextlib.suppress(FileNotFoundError):
                try:
                    self.file.close()
                finally:
                    os.unlink(self._temporary)


@contextlib.contextmanager
def replacing(path: PathLike) -> Iterator[IO[bytes]]:
    """Open a `PendingFile` that is finished when all went well, and abandoned after an error."""
    pending = PendingFile(path)
    try:
        yield pending.file
        pending.finish()
    finally:
        pending.abandon()
