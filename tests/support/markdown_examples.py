"""What a page in Markdown shows: its Python blocks, which can be run one after the other, and its commands.

Cells of executed pages are blocks, too: ```` ```{code-cell} ````, perhaps with options at their top.
"""

import contextlib
import io
import re
import shlex
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

_OPTIONS = r"(?:---\n.*?^---\n|(?::[\w-]+:[^\n]*\n)+)?"
_BLOCK = re.compile(rf"^```(?:python|\{{code-cell\}}[^\n]*)\n{_OPTIONS}(.+?)^```", re.M | re.S)


class Result(NamedTuple):
    """What the examples below one heading leave behind."""

    names: dict[str, Any]
    printed: str


def examples(page: Path) -> list[tuple[str, str]]:
    """The Python blocks, each with the heading above it."""
    sections = re.findall(r"^#+ (.+?)\n(.*?)(?=^#+ |\Z)", _without_comments_in_code(page), re.M | re.S)
    return [(title, block) for title, text in sections for block in _BLOCK.findall(text)]


def fenced_lines(page: Path) -> Iterator[tuple[str, str]]:
    """Yield each line of each block of code, with the word behind the block's first fence."""
    fence = word = None
    for line in page.read_text(encoding="utf-8").splitlines():
        mark = re.match(r"(`{3,})(\S*)", line)
        if fence is None and mark:
            fence, word = mark.groups()
        elif fence is not None and line == fence:
            fence = None
        elif fence is not None:
            yield str(word), line


def _without_comments_in_code(page: Path) -> str:
    """The text, with the comments that start a line of code gone: they look like headings."""
    text = page.read_text(encoding="utf-8")
    return re.sub(
        r"^```.+?^```", lambda block: re.sub(r"^#.*\n", "", block.group(), flags=re.M), text, flags=re.M | re.S
    )


def run_examples(page: Path, folder: Path, given: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Result]:
    """Run the blocks in this folder, each going on from those above it; the results by heading.

    The first block may use the names that are given.
    """
    names = dict(given)
    found: dict[str, Result] = {}
    with contextlib.chdir(folder):
        for title, block in examples(page):
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(compile(block, f"{page.name}, {title}", "exec"), names)
            before = found[title].printed if title in found else ""
            found[title] = Result(dict(names), before + output.getvalue())
    return found


def commands(page: Path) -> list[list[str]]:
    """Every `fastfm-ext ...` in a block of shell commands or between backticks."""
    text = page.read_text(encoding="utf-8")
    words = [*shell_commands(text), *map(shlex.split, re.findall(r"`([^`\n]+)`", text))]
    return [command for command in words if command and command[0] == "fastfm-ext" and len(command) > 1]


def shell_commands(text: str) -> list[list[str]]:
    """The commands in blocks of a shell, as their words."""
    blocks = re.findall(r"^```sh\n(.+?)^```", text, re.M | re.S)
    commands = [command for block in blocks for command in re.split(r"&&|\n", block.replace("\\\n", " "))]
    return [words for words in map(shlex.split, commands) if words]


def fences(text: str) -> list[tuple[str, str]]:
    """Language and text of every fenced block; of Python without comments, and cells are Python."""
    found = []
    for language, block in re.findall(rf"^```(\S+)[^\n]*\n{_OPTIONS}(.*?)^```$", text, re.M | re.S):
        is_python = language in ("python", "{code-cell}")
        found.append(("python", _without_comments(block)) if is_python else (language, block.strip()))
    return found


def without_fences(text: str) -> str:
    """The text that is no fenced block."""
    return re.sub(r"^```.+?^```$", "", text, flags=re.M | re.S)


def _without_comments(code: str) -> str:
    lines = code.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    return "\n".join(line for line in lines if line)
