"""Options of the commands: the metadata by which a setting says what sets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

STANDARD = "-"  # standard input or output in place of a path

# What a command does with the file that a setting names.
READ = "read"
WRITTEN = "written"
PRINTED = "printed"  # written line by line, to standard output where no file is named
KEPT = "kept"  # read if it is there, and written
FOLDER = "folder"

# Metadata of a setting: the words of `argparse` for the option that sets it, and of a path its role.
Option = dict[str, Any]


def argument(metavar: str, what: str, role: str = READ) -> Option:
    """Declare a path that a command needs, given by its place."""
    return {"flags": (), "type": Path, "metavar": metavar, "help": what, "role": role}


def option(*flags: str, what: str, **of_argparse: Any) -> Option:
    """Declare an option with a value."""
    return {"flags": flags, "help": what, **of_argparse}


def path(*flags: str, metavar: str, what: str, role: str) -> Option:
    """Declare an option with a path, and what the command does with the file there."""
    return option(*flags, what=what, type=Path, metavar=metavar, role=role)


def number_option(*flags: str, kind: Any, metavar: str = "N", what: str) -> Option:
    """Declare an option with a number."""
    return option(*flags, what=what, type=kind, metavar=metavar)


def switch(flag: str, what: str) -> Option:
    """Declare an option without a value."""
    return option(flag, what=what, action="store_true")
