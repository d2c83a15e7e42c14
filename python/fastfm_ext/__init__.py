"""Factorization machines: fast kernels, scikit-learn estimators, user and item vectors for retrieval."""

from importlib.metadata import version

from fastfm_ext._config import show_config
from fastfm_ext._recommend import recommend
from fastfm_ext._training import DivergenceError
from fastfm_ext.encoding import FMEncoder, binned, categorical, crossed, hashed, multi, numeric
from fastfm_ext.evaluation import evaluate
from fastfm_ext.export import export_features, export_vectors
from fastfm_ext.fm import FMClassifier, FMRegressor
from fastfm_ext.model_io import ModelFileError, load_model, save_model
from fastfm_ext.ranking import FMRanker
from fastfm_ext.retrieval import ItemIndex

__version__ = version("fastfm-ext")
__all__ = [
    "DivergenceError",
    "FMClassifier",
    "FMEncoder",
    "FMRanker",
    "FMRegressor",
    "ItemIndex",
    "ModelFileError",
    "binned",
    "categorical",
    "crossed",
    "evaluate",
    "export_features",
    "export_vectors",
    "hashed",
    "load_model",
    "multi",
    "numeric",
    "recommend",
    "save_model",
    "show_config",
]
