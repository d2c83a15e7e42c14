"""Import of optional dependencies, with an error that says what to install."""

import re
from importlib import import_module
from types import ModuleType

_DISTRIBUTION = "fastfm-ext"


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency or say how to install it.

    Parameters
    ----------
    module : str
        Name to import, such as ``"faiss"``.
    extra : str
        The extra of this package that installs it, such as ``"retrieval"``.

    Returns
    -------
    ModuleType
        The imported module.

    Raises
    ------
    ImportError
        If `module` is not installed; the message names the extra, and the packages in it.

    Examples
    --------
    >>> from fastfm_ext._common.extras import require
    >>> require("json", "all").dumps([1])
    '[1]'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        # A module that is there but lacks one of its own imports is another fault: installing the extra won't cure it.
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        name = module.split(".")[0]
        # Not the package with its extra, which pip can install only where it finds this package, too.
        packages = " ".join(f'"{package}"' for package in _packages_of(extra)) or name
        message = f'{name} is not installed. Install the extra "{extra}" of {_DISTRIBUTION}: pip install {packages}'
        raise ImportError(message, name=error.name) from error


def _packages_of(extra: str) -> list[str]:
    """Return the requirements of an extra; none where this package runs without being installed."""
    from importlib import metadata  # takes 10 ms

    try:
        requirements = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []
    parts = [requirement.partition(";") for requirement in requirements]
    return [package.strip() for package, _, marker in parts if re.search(rf"""extra == ["']{extra}["']""", marker)]
