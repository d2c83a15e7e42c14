"""Public names of the package, with the modules that define them.

A tuple in one file, with strings for classes: it is read by `fastfm_ext` itself, which loads a module when one of its
names is asked for, and by `fastfm_ext.model_io`, which finds the classes of a model file in it.
"""

from typing import NamedTuple


class PublicName(NamedTuple):
    """A name that ``from fastfm_ext import name`` finds.

    Attributes
    ----------
    name : str
    module : str
        The module to import it from.
    kind : {"model", "encoder", "index", "recommender", "matrix", "function", "error"}
        What it is. The first four are also the parts of a model file, where objects of these classes can stand.
    """

    name: str
    module: str
    kind: str


PUBLIC_NAMES = (
    PublicName("BayesianFMClassifier", "fastfm_ext.bayesian", "model"),
    PublicName("BayesianFMOrdinalClassifier", "fastfm_ext.bayesian", "model"),
    PublicName("BayesianFMRegressor", "fastfm_ext.bayesian", "model"),
    PublicName("BlockMatrix", "fastfm_ext.blocks", "matrix"),
    PublicName("DivergenceError", "fastfm_ext._learning.divergence", "error"),
    PublicName("FFMClassifier", "fastfm_ext.field_aware.ffm", "model"),
    PublicName("FFMRegressor", "fastfm_ext.field_aware.ffm", "model"),
    PublicName("FMClassifier", "fastfm_ext.fm", "model"),
    PublicName("FMEncoder", "fastfm_ext.encoding", "encoder"),
    PublicName("FMRanker", "fastfm_ext.ranking", "model"),
    PublicName("FMRecommender", "fastfm_ext.recommender", "recommender"),
    PublicName("FMRegressor", "fastfm_ext.fm", "model"),
    PublicName("FmFMClassifier", "fastfm_ext.field_aware.fmfm", "model"),
    PublicName("FmFMRegressor", "fastfm_ext.field_aware.fmfm", "model"),
    PublicName("FvFMClassifier", "fastfm_ext.field_aware.fvfm", "model"),
    PublicName("FvFMRegressor", "fastfm_ext.field_aware.fvfm", "model"),
    PublicName("FwFMClassifier", "fastfm_ext.field_aware.fwfm", "model"),
    PublicName("FwFMRegressor", "fastfm_ext.field_aware.fwfm", "model"),
    PublicName("ItemIndex", "fastfm_ext.retrieval", "index"),
    PublicName("ModelFileError", "fastfm_ext.model_io", "error"),
    PublicName("binned", "fastfm_ext.encoding", "function"),
    PublicName("categorical", "fastfm_ext.encoding", "function"),
    PublicName("crossed", "fastfm_ext.encoding", "function"),
    PublicName("evaluate", "fastfm_ext.evaluation", "function"),
    PublicName("export_features", "fastfm_ext.export", "function"),
    PublicName("export_vectors", "fastfm_ext.export", "function"),
    PublicName("hashed", "fastfm_ext.encoding", "function"),
    PublicName("implicit", "fastfm_ext.encoding", "function"),
    PublicName("interactions_from_table", "fastfm_ext.recommender", "function"),
    PublicName("load_model", "fastfm_ext.model_io", "function"),
    PublicName("multi", "fastfm_ext.encoding", "function"),
    PublicName("numeric", "fastfm_ext.encoding", "function"),
    PublicName("recommend", "fastfm_ext.retrieval", "function"),
    PublicName("save_model", "fastfm_ext.model_io", "function"),
    PublicName("show_config", "fastfm_ext._engine.config", "function"),
    PublicName("to_onnx", "fastfm_ext.export", "function"),
    PublicName("top_interactions", "fastfm_ext.explain", "function"),
    PublicName("write_onnx", "fastfm_ext.export", "function"),
)
# What these estimators are without scikit-learn, which some programs have no other use for; the same files hold both.
# A field-aware model has them in a file of the same name.
PLAIN_CLASSES = {
    "FMClassifier": ("fastfm_ext._estimators.plain_classifier", "PlainClassifier"),
    "FMRegressor": ("fastfm_ext._estimators.plain_regressor", "PlainRegressor"),
} | {
    public.name: (public.module.replace(".field_aware.", "._estimators."), f"Plain{public.name}")
    for public in PUBLIC_NAMES
    if ".field_aware." in public.module
}
PUBLIC_MODULES = (
    "bayesian",
    "blocks",
    "datasets",
    "encoding",
    "evaluation",
    "explain",
    "export",
    "fm",
    "metrics",
    "model_io",
    "model_selection",
    "plotting",
    "ranking",
    "recommender",
    "retrieval",
    "spark",
    "streaming",
    "text_formats",
)
