"""Instruction sets of the kernels: which there are, and which is in use."""

from __future__ import annotations

import os

from fastfm_ext._native import core


def use_isa(name: str) -> None:
    """Call the kernels of the instruction set ``name`` from now on, in the whole process."""
    core.use_isa(name)


def supported_isas() -> list[str]:
    """Return the instruction sets that this build holds and this machine runs, fastest first."""
    return core.supported_isas()


def isa_in_use() -> str:
    """Return the instruction set whose kernels are called."""
    return core.isa_in_use()


def compiler() -> str:
    """Return the name and version of the compiler that built the core."""
    return core.compiler()


if _wanted_isa := os.environ.get("FASTFM_EXT_ISA"):
    use_isa(_wanted_isa)
