"""Import of optional dependencies, with an error that names the extra to install."""

from importlib import import_module
from types import ModuleType


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
        If `module` is not installed; the message names the extra.

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
        message = f'{module.split(".")[0]} is not installed. Install it with: pip install "fastfm-ext[{extra}]"'
        raise ImportError(message, name=error.name) from error
