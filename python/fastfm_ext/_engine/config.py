"""What this installation is made of, for bug reports."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from fastfm_ext._common.version import VERSION
from fastfm_ext._engine import isa

_REQUIRED = ("numpy", "scipy", "scikit-learn")
_OPTIONAL = ("pandas", "polars", "faiss-cpu", "matplotlib", "tqdm")


def show_config() -> None:
    """Print the version, the instruction set in use, the compiler and the versions of related packages.

    The instruction set is the fastest that the machine has; the environment variable ``FASTFM_EXT_ISA`` (read when the
    package is imported) chooses another.

    Examples
    --------
    >>> import fastfm_ext
    >>> fastfm_ext.show_config()  # doctest: +ELLIPSIS
    fastfm-ext          ...
    """
    supported = ", ".join(isa.supported_isas())
    lines = {
        "fastfm-ext": VERSION,
        "instruction set": f"{isa.isa_in_use()} (this machine runs: {supported})",
        "compiler": isa.compiler(),
        "cores": str(os.cpu_count()),
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
    }
    lines |= {name: version(name) for name in _REQUIRED}
    lines |= {name: _version_of(name) for name in _OPTIONAL}
    for name, value in lines.items():
        print(f"{name:18}  {value}")


def _version_of(optional_package: str) -> str:
    try:
        return version(optional_package)
    except PackageNotFoundError:
        return "not installed"
