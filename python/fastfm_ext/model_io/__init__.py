"""Model files: save and load estimators, encoders and indexes."""

from fastfm_ext.model_io.container import ModelFileError
from fastfm_ext.model_io.saved import SavedModel, load_model, save_model

__all__ = [
    "ModelFileError",
    "SavedModel",
    "load_model",
    "save_model",
]
