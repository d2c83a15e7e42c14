"""Factorization machines: fast kernels, scikit-learn estimators, user and item vectors for retrieval."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fastfm_ext._common.version import VERSION
from fastfm_ext._names import PUBLIC_MODULES, PUBLIC_NAMES

if TYPE_CHECKING:
    from fastfm_ext._engine.config import show_config
    from fastfm_ext._learning.divergence import DivergenceError
    from fastfm_ext.bayesian import BayesianFMClassifier, BayesianFMOrdinalClassifier, BayesianFMRegressor
    from fastfm_ext.blocks import BlockMatrix
    from fastfm_ext.encoding import FMEncoder, binned, categorical, crossed, hashed, implicit, multi, numeric
    from fastfm_ext.evaluation import evaluate
    from fastfm_ext.explain import top_interactions
    from fastfm_ext.export import export_features, export_vectors, to_onnx, write_onnx
    from fastfm_ext.field_aware.ffm import FFMClassifier, FFMRegressor
    from fastfm_ext.field_aware.fmfm import FmFMClassifier, FmFMRegressor
    from fastfm_ext.field_aware.fvfm import FvFMClassifier, FvFMRegressor
    from fastfm_ext.field_aware.fwfm import FwFMClassifier, FwFMRegressor
    from fastfm_ext.fm import FMClassifier, FMRegressor
    from fastfm_ext.model_io import ModelFileError, load_model, save_model
    from fastfm_ext.ranking import FMRanker
    from fastfm_ext.recommender import FMRecommender, interactions_from_table
    from fastfm_ext.retrieval import ItemIndex, recommend

__all__ = [
    "BayesianFMClassifier",
    "BayesianFMOrdinalClassifier",
    "BayesianFMRegressor",
    "BlockMatrix",
    "DivergenceError",
    "FFMClassifier",
    "FFMRegressor",
    "FMClassifier",
    "FMEncoder",
    "FMRanker",
    "FMRecommender",
    "FMRegressor",
    "FmFMClassifier",
    "FmFMRegressor",
    "FvFMClassifier",
    "FvFMRegressor",
    "FwFMClassifier",
    "FwFMRegressor",
    "ItemIndex",
    "ModelFileError",
    "binned",
    "categorical",
    "crossed",
    "evaluate",
    "export_features",
    "export_vectors",
    "hashed",
    "implicit",
    "interactions_from_table",
    "load_model",
    "multi",
    "numeric",
    "recommend",
    "save_model",
    "show_config",
    "to_onnx",
    "top_interactions",
    "write_onnx",
]


__version__ = VERSION

# A module is loaded when one of its names is asked for: commands and scripts wait only for what they use.
_MODULE_OF = {public.name: public.module for public in PUBLIC_NAMES}


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        value: Any = getattr(import_module(_MODULE_OF[name]), name)
    elif name in PUBLIC_MODULES:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *PUBLIC_MODULES})
