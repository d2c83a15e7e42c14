"""The job behind ``fastfm-ext export``: what a model file holds, for other programs."""

from __future__ import annotations

from typing import Any

from fastfm_ext.cli.jobs.predict import load_fitted
from fastfm_ext.cli.jobs.recommend import read_side
from fastfm_ext.cli.settings import ExportSettings
from fastfm_ext.export.tables import export_features, export_vectors
from fastfm_ext.model_io.saved import SavedModel


def run(settings: ExportSettings) -> None:
    """Do the whole job."""
    saved = load_fitted(settings.model)
    if settings.what == "features":
        if settings.rows is not None:
            raise ValueError("--rows names users or items; the features are in the model (--what users or items)")
        export_features(settings.output, saved.model, saved.encoder)
        n = saved.model.n_features_in_
    else:
        vectors, ids, bias = _vectors(saved, settings)
        export_vectors(settings.output, vectors, ids, bias=bias)
        n = len(vectors)
    if not settings.quiet:
        print(f"{n:,} {settings.what} written to {settings.output}")


def _vectors(saved: SavedModel, settings: ExportSettings) -> tuple[Any, Any, Any]:
    """Return vectors, or an index, their ids and the users' bias."""
    model = saved.model
    if settings.rows is None:
        if settings.what == "users":
            raise ValueError("--what users: name the file of the users with --rows")
        if saved.index is None:
            raise ValueError(f"{settings.model} holds no items; name their file with --rows")
        return saved.index, None, None
    side = read_side(settings.rows, settings.what.removesuffix("s"), saved, settings)
    if settings.what == "items":
        return model.item_vector(side.X), side.ids, None
    return model.user_vector(side.X), side.ids, model.user_bias(side.X)
