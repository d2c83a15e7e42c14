"""Factorization machines on Spark: the estimators of `pyspark.ml`, trained and applied by the kernels of this package.

Needs the extra ``spark``, and Java for a Spark of one's own.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fastfm_ext._common.extras import require

if TYPE_CHECKING:
    from fastfm_ext.spark.ml.classification import FMClassificationModel, FMClassifier
    from fastfm_ext.spark.ml.encoder import FMEncoder, FMEncoderModel
    from fastfm_ext.spark.ml.regression import FMRegressionModel, FMRegressor
    from fastfm_ext.spark.serving.recommend import recommend_for_all
    from fastfm_ext.spark.serving.vectors import vectors_for_all

__all__ = [
    "FMClassificationModel",
    "FMClassifier",
    "FMEncoder",
    "FMEncoderModel",
    "FMRegressionModel",
    "FMRegressor",
    "recommend_for_all",
    "vectors_for_all",
]

# These modules define classes of Spark's, and so need it when they are loaded.
_MODULE_OF = {
    "FMClassificationModel": "fastfm_ext.spark.ml.classification",
    "FMClassifier": "fastfm_ext.spark.ml.classification",
    "FMEncoder": "fastfm_ext.spark.ml.encoder",
    "FMEncoderModel": "fastfm_ext.spark.ml.encoder",
    "FMRegressionModel": "fastfm_ext.spark.ml.regression",
    "FMRegressor": "fastfm_ext.spark.ml.regression",
    "recommend_for_all": "fastfm_ext.spark.serving.recommend",
    "vectors_for_all": "fastfm_ext.spark.serving.vectors",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for module in ("pyspark.ml", "pyarrow"):
        require(module, "spark")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
