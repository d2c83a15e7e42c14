"""Public modules of the package, those of another library where it is installed."""

import importlib
import re
from types import ModuleType

import pytest

# Their names are listed without this library, and need it when they are asked for.
LIBRARIES = {"fastfm_ext.spark": "pyspark"}


def public_module(name: str) -> ModuleType:
    """A module whose names can be asked for; the test is skipped where the library that they need is not installed."""
    if name in LIBRARIES:
        pytest.importorskip(LIBRARIES[name], reason=f"{name} needs {LIBRARIES[name]}")
    return importlib.import_module(name)


def reference_entries(page: str) -> list[tuple[str, str]]:
    """Module and name of each line in the lists of the reference, a page in Markdown."""
    blocks = re.findall(r"^\.\. autosummary::\n(?:   :.+\n)+\n((?:   \S+\n)+)", page, re.M)
    lines = [line.rpartition(".") for line in " ".join(blocks).split()]
    return [(module, name) for module, _, name in lines]
