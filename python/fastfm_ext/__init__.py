"""Factorization machines: fast kernels, scikit-learn estimators, user and item vectors for retrieval."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastfm_ext._engine.config import show_config
    from fastfm_ext._learning.divergence import DivergenceError
    from fastfm_ext.encoding.encoder import FMEncoder, binned, categorical, crossed, hashed, multi, numeric
    from fastfm_ext.evaluation import evaluate
    from fastfm_ext.export.tables import export_features, export_vectors
    from fastfm_ext.fm import FMClassifier, FMRegressor
    from fastfm_ext.model_io.saved import ModelFileError, load_model, save_model
    from fastfm_ext.ranking.ranker import FMRanker
    from fastfm_ext.retrieval.for_users import recommend
    from fastfm_ext.retrieval.index import ItemIndex

    __version__: str

# Where the public names live. A module is loaded when one of its names is asked for, so that commands and scripts wait
# only for what they use.
_NAMES_OF = {
    "_engine.config": ("show_config",),
    "_learning.divergence": ("DivergenceError",),
    "encoding": ("FMEncoder", "binned", "categorical", "crossed", "hashed", "multi", "numeric"),
    "evaluation": ("evaluate",),
    "export": ("export_features", "export_vectors"),
    "fm": ("FMClassifier", "FMRegressor"),
    "model_io": ("ModelFileError", "load_model", "save_model"),
    "ranking": ("FMRanker",),
    "retrieval": ("ItemIndex", "recommend"),
}
_MODULE_OF = {name: module for module, names in _NAMES_OF.items() for name in names}
_MODULES = {
    *("datasets", "encoding", "evaluation", "export", "fm", "metrics", "model_io", "model_selection", "plotting"),
    *("ranking", "retrieval", "streaming", "text_formats"),
}
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


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = import_module("importlib.metadata").version("fastfm-ext")
    elif name in _MODULE_OF:
        value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES, "__version__"})
