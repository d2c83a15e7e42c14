"""Job of ``fastfm-ext export``: the content of a model file for other programs."""

from __future__ import annotations

from typing import Any

from fastfm_ext.cli.counts import counted
from fastfm_ext.cli.jobs.data import DataFile
from fastfm_ext.cli.jobs.models import LoadedModel
from fastfm_ext.cli.jobs.recommenders import users_with_histories
from fastfm_ext.cli.settings import ExportSettings
from fastfm_ext.export.onnx.models import write_onnx
from fastfm_ext.export.onnx.outputs import GraphKind
from fastfm_ext.export.tables import export_features, export_vectors

# What a graph computes, by what a table would hold.
_GRAPHS: dict[str, GraphKind] = {"features": "prediction", "items": "item_vector", "users": "user_vector"}


def run(settings: ExportSettings) -> None:
    """Do the whole job."""
    loaded = LoadedModel.load(settings.model)
    if settings.output.suffix.lower() == ".onnx":
        if settings.rows is not None:
            raise ValueError("--rows names users or items for a table of vectors; a graph computes those of any")
        what = _GRAPHS[settings.what]
        if what != "item_vector" and loaded.encoder is not None and getattr(loaded.model, "user_history", False):
            raise ValueError(
                f"{settings.model} has users who are what they chose (user_history=True), and no column holds that. "
                "--what items writes the graph of the items; --what users --rows FILE, to a table such as users.npz, "
                "the vectors of the users in a file. In Python, write_onnx(path, model) without the encoder makes a "
                "graph of ids and values."
            )
        write_onnx(settings.output, loaded.model, loaded.encoder, what=what)
        if not settings.quiet:
            print(f"graph of {what.replace('_', ' ')}s written to {settings.output}")
        return
    if settings.what == "features":
        if settings.rows is not None:
            raise ValueError("--rows names users or items; the features are in the model (--what users or items)")
        export_features(settings.output, loaded.model, loaded.encoder)
        n = loaded.model.n_features_in_
    else:
        vectors, ids, bias = _vectors(loaded, settings)
        export_vectors(settings.output, vectors, ids, bias=bias)
        n = len(vectors)
    if not settings.quiet:
        print(f"{counted(n, settings.what.removesuffix('s'))} written to {settings.output}")


def _vectors(loaded: LoadedModel, settings: ExportSettings) -> tuple[Any, Any, Any]:
    """Return vectors, (n_rows, d), or an index; the ids of vectors, and the biases of users, (n_rows,)."""
    if settings.rows is None:
        if settings.what == "users":
            raise ValueError("--what users: name the file of the users with --rows")
        if loaded.index is None:
            raise ValueError(f"{settings.model} holds no items; name their file with --rows")
        return loaded.index, None, None
    recommender = loaded.recommender
    if settings.what == "users" and recommender is not None and recommender.model.user_history:
        # What represents them is in the recommender, and only their ids are in the file.
        ids, X = users_with_histories(recommender, settings)
        vectors, bias = recommender.model.user_vectors_and_bias(X)
        return vectors, ids, bias
    rows = loaded.read_side(DataFile.at(settings.rows, settings.form, settings.csv), settings.what.removesuffix("s"))
    if settings.what == "items":
        return loaded.model.item_vector(rows.X), rows.ids, None
    vectors, bias = loaded.model.user_vectors_and_bias(rows.X)
    return vectors, rows.ids, bias
