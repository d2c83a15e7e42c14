"""Model files: a fitted model, its encoder and its item index, saved and loaded as one file.

The format is described in `fastfm_ext.model_io.container`.
"""

from fastfm_ext.model_io.container import ModelFileError
from fastfm_ext.model_io.saved import SavedModel, load_model, save_model

__all__ = [
    "ModelFileError",
    "SavedModel",
    "load_model",
    "save_model",
]
