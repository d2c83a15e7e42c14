"""An installation of the package, and why the tests may be unable to use it."""

import importlib
from collections.abc import Callable
from types import ModuleType

from repository import ROOT

INSTALL = 'Install it from the root of the repository: python -m pip install -e ".[test]"'


def installation_problem(load: Callable[[str], ModuleType] = importlib.import_module) -> str | None:
    """Why the tests cannot run, or None."""
    try:
        package = load("fastfm_ext")
        # The folder of native sources has the package's name. Without an __init__.py it can't hide an installed
        # package, but it is imported, as an empty namespace, when none is installed.
        if package.__file__ is None:
            return (
                f"fastfm_ext is not installed: Python found only the native sources in {ROOT / 'fastfm_ext'}. {INSTALL}"
            )
        load("fastfm_ext._native.core")
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "fastfm_ext":
            return f"fastfm_ext is not installed. {INSTALL}"
        # `from fastfm_ext._native import core` raises the first, `import fastfm_ext._native.core` the second.
        if "import name 'core'" in str(error) or "No module named 'fastfm_ext._native.core'" in str(error):
            return f"fastfm_ext is here, but its compiled core is missing. {INSTALL}"
        raise
    return None
