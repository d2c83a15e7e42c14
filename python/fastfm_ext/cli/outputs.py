"""Checks of output files before a command begins: that they can be written, and overwrite none of its inputs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple

from fastfm_ext._common.files import descriptor_of, is_stream
from fastfm_ext.cli.options import FOLDER, PRINTED, READ, STANDARD

# Of the files in a folder that commands read.
_DATA_ENDINGS = {".csv", ".tsv", ".parquet", ".pq", ".libsvm", ".svmlight", ".svm", ".libfm", ".libffm", ".ffm", ".txt"}


class NamedPath(NamedTuple):
    """A path among the settings of a command: setting, option, the path, and what the command does with its file."""

    name: str
    option: str
    path: Path | None
    role: str


def paths_of(settings: Any) -> Iterator[NamedPath]:
    """Yield the paths among the settings of a command, and the outputs to print to without one."""
    for setting in fields(settings):
        value = getattr(settings, setting.name)
        role = setting.metadata.get("role")
        if is_dataclass(value) and not isinstance(value, type):
            yield from paths_of(value)
        elif role is not None and (value is not None or role == PRINTED):
            flags = setting.metadata["flags"]
            yield NamedPath(setting.name, flags[-1] if flags else setting.metadata["metavar"], value, role)


def check_outputs(settings: Any) -> None:
    """Raise ValueError, before anything is read, if an output could not be written or is an input, too."""
    paths = list(paths_of(settings))
    taken = {
        identity: f"{_shown(named)}, which is read and would be lost"
        for named in paths
        if named.role == READ
        for identity in _identities(named.path, standard=0)
    }
    for named in paths:
        if named.role in (READ, FOLDER):
            continue
        name = "standard output" if _is_standard(named.path) else f"{named.option} {named.path}"
        if named.role != PRINTED and _is_standard(named.path):
            raise ValueError(f"{named.option} -: messages go to standard output; name a file")
        if named.path is not None and not _is_standard(named.path) and not is_stream(named.path):
            _check_place(name, named.path)
        for identity in _identities(named.path, standard=1):
            if identity in taken:
                raise ValueError(f"{name}: this is the file {taken[identity]}; name another")
            taken[identity] = f"of {named.option}"


def _is_standard(path: Path | None) -> bool:
    return path is None or str(path) == STANDARD


def _shown(named: NamedPath) -> str:
    return f"{named.option} {named.path}" if named.option.startswith("-") else str(named.path)


def _check_place(name: str, path: Path) -> None:
    if not path.parent.is_dir():
        raise ValueError(f"{name}: there is no folder {path.parent}")
    if path.is_dir():
        raise ValueError(f"{name}: this is a folder, not a file")
    if path.exists() and not os.access(path, os.W_OK):
        raise ValueError(f"{name}: this file is read-only")


def _identities(path: Path | None, *, standard: int) -> list[Any]:
    """Return what tells a file from all others, of a folder that of each file with data; nothing for devices."""
    if path is None or not path.is_dir():
        return _identity(path, standard)
    files = [entry for entry in path.rglob("*") if _DATA_ENDINGS.intersection(entry.suffixes) and entry.is_file()]
    return [identity for file in files for identity in _identity(file, standard)]


def _identity(path: Path | None, standard: int) -> list[Any]:
    descriptor = standard if path is None or str(path) == STANDARD else descriptor_of(path)
    try:
        status = os.stat(str(path)) if descriptor is None else os.fstat(descriptor)
    except OSError:
        # There is no such file yet, but two options may name it.
        return [] if descriptor is not None else [os.path.realpath(str(path))]
    is_file = stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)
    return [(status.st_dev, status.st_ino)] if is_file else []
