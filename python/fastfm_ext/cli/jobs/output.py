"""Output of a job as text, to standard output, a pipe or a device as it comes, to a file all at once."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from fastfm_ext._common.files import is_stream, open_stream, replacing
from fastfm_ext.cli.options import STANDARD


@contextlib.contextmanager
def text_output(path: Path | None) -> Iterator[TextIO]:
    """Open standard output for None and "-", or else the file at the path, which is replaced when all went well."""
    if path is None or str(path) == STANDARD:
        yield sys.stdout
        return
    sys.stdout.flush()  # the path may be /dev/stdout
    with open_stream(path) if is_stream(path) else replacing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        try:
            yield text
            text.flush()
        finally:
            # The file is closed by its own block. After an error, what is left to write may fail once more.
            with contextlib.suppress(OSError):
                text.detach()
