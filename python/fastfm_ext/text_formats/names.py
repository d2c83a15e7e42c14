"""Names of the rows of libsvm and libffm text: labels as they are written, where these are ids and no targets."""

from __future__ import annotations

import io
import re
from typing import Any

from fastfm_ext.text_formats.reading import TextFormatError
from fastfm_ext.text_formats.source import TextSource

_MAX_INT64 = 2**63 - 1
_WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,18}")


class _Text(io.BytesIO):
    """Text in memory that messages call by the name of its file."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def split_names(source: Any) -> tuple[list[str], io.BytesIO]:
    """Return the label of each row as it is written, and the same text with 0 for each label, at the same places.

    Labels may be any words, and are not rounded as targets are.

    Raises
    ------
    TextFormatError
        For a label that is not UTF-8.
    """
    opened = TextSource(source)
    with opened.open() as file:
        lines = file.read().split(b"\n")
    names = []
    for number, line in enumerate(lines):
        words = line.partition(b"#")[0].split(maxsplit=1)
        # A row without a label is left as it is, for the reader to complain of.
        if not words or b":" in words[0]:
            continue
        begin = line.index(words[0])
        end = begin + len(words[0])
        try:
            names.append(words[0].decode())
        except UnicodeDecodeError as error:
            raise TextFormatError(opened.name, number + 1, begin + 1, "the label is not UTF-8 text") from error
        lines[number] = line[:begin] + b"0".ljust(end - begin) + line[end:]
    return names, _Text(b"\n".join(lines), opened.name)


def ids_of(names: list[str]) -> list[int] | list[str]:
    """Return names as integers if each of them is one that is written so, and else as text."""
    if all(_WHOLE_NUMBER.fullmatch(name) and abs(int(name)) <= _MAX_INT64 for name in names):
        return [int(name) for name in names]
    return names
