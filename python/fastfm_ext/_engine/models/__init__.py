"""The models that the kernels know, each described in a file of its own under its name in ``models/registry.hpp``."""

from fastfm_ext._engine.models.ffm import FFM
from fastfm_ext._engine.models.fm import FM
from fastfm_ext._engine.models.spec import NO_FIELDS, Fields, ModelSpec, TableSpec

__all__ = ["FFM", "FM", "NO_FIELDS", "Fields", "ModelSpec", "TableSpec"]
