"""The models that the kernels know, each described in a file of its own under its name in ``models/registry.hpp``."""

from importlib import import_module

from fastfm_ext._engine.models.ffm import FFM
from fastfm_ext._engine.models.fm import FM
from fastfm_ext._engine.models.fmfm import FMFM
from fastfm_ext._engine.models.fvfm import FVFM
from fastfm_ext._engine.models.fwfm import FWFM
from fastfm_ext._engine.models.spec import NO_FIELDS, NUMBERS, Fields, ModelSpec, TableSpec

__all__ = ["FFM", "FM", "FMFM", "FVFM", "FWFM", "NO_FIELDS", "Fields", "ModelSpec", "TableSpec", "model_named"]


def model_named(name: str) -> ModelSpec:
    """Return the description of a model; ValueError for one that the kernels do not know."""
    if name not in NUMBERS:
        raise ValueError(f"no model {name!r}; there are {', '.join(NUMBERS)}")
    spec: ModelSpec = getattr(import_module(f"{__name__}.{name}"), name.upper())
    return spec
