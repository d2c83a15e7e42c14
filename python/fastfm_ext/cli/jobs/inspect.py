"""Job of ``fastfm-ext inspect``: facts about a model file or a data file."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from fastfm_ext._common.checks import public_name
from fastfm_ext._common.extras import require
from fastfm_ext._estimators.hyperparameters import values_of
from fastfm_ext.cli.jobs.data import DataFile
from fastfm_ext.cli.jobs.models import is_recommender, plain_classes, taken_apart
from fastfm_ext.cli.settings import InspectSettings
from fastfm_ext.model_io.saved import SavedModel, load_plain
from fastfm_ext.text_formats.whole_files import scan_text

_ZIP = b"PK\x03\x04"  # model files are zip archives
_LISTED_CLASSES = 10


def run(settings: InspectSettings) -> None:
    """Print the facts as lines or as one JSON object."""
    with settings.file.open("rb") as file:
        is_model = file.read(len(_ZIP)) == _ZIP
    facts = _file_facts(settings) if is_model else _data_facts(settings)
    if settings.as_json:
        print(json.dumps(facts))
        return
    width = max(map(len, facts)) + 2
    for name, value in facts.items():
        print(f"{name:{width}}{_shown(value)}".rstrip())


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(number)}" for name, number in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


def _file_facts(settings: InspectSettings) -> dict[str, Any]:
    """Return facts about a model file; those of a recommender are its users and items, and those of its parts."""
    saved = load_plain(settings.file)
    facts = {}
    if is_recommender(saved.model):
        n_users, n_items = saved.model.interactions_.shape
        pairs = int(saved.model.interactions_.nnz)
        facts = {"users": n_users, "items": n_items, "pairs of a user and an item": pairs}
    return facts | _model_facts(taken_apart(saved), settings.top)


def _model_facts(saved: SavedModel, top: int) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    model, encoder, index = saved
    if model is not None:
        facts |= {
            "model": public_name(type(model)),
            "features": int(model.n_features_in_),
            "factors": int(model.n_factors),
            **{name: value for name, value in sorted(values_of(model).items()) if name in ("loss", "solver", "dtype")},
        }
        if hasattr(model, "n_sweeps_"):
            facts |= {"sweeps": model.n_sweeps_, "burn-in": model.burn_in_, "draws kept": model.n_samples_}
        else:
            facts |= {"epochs": int(model.n_iter_), "best epoch": int(model.best_epoch_)}
        classes = getattr(model, "classes_", None)
        if classes is not None:
            facts["classes"] = plain_classes(classes[:_LISTED_CLASSES])
        if hasattr(model, "field_names_"):
            facts["fields"] = len(model.field_names_)
        if model.w_.ndim == 1:
            w = np.ravel(model.w_)
            facts["intercept"] = float(np.ravel(model.w0_)[0])
            facts["weights other than 0"] = int(np.count_nonzero(w))
            facts["mean length of the factors"] = float(np.linalg.norm(model.V_, axis=-1).mean())
            facts["largest weights"] = _largest(w, encoder, top)
    if encoder is not None:
        counts = np.bincount(encoder.fields_, minlength=len(encoder.field_names_)).tolist()
        facts["features of the columns"] = dict(zip(encoder.field_names_, counts, strict=True))
        facts |= {f"values of {name}, hashed": str(found) for name, found in encoder.collisions_.items()}
    if index is not None:
        facts["items in the index"] = len(index)
    return facts


def _largest(w: Any, encoder: Any, top: int) -> dict[str, float]:
    """Return the features with the largest absolute weights, (n_features,), by name."""
    order = np.argsort(-np.abs(w), kind="stable")[:top]
    names = np.arange(len(w)).astype(str) if encoder is None else encoder.get_feature_names_out()
    return {str(names[i]): float(w[i]) for i in order}


def _n_distinct(column: Any) -> str:
    """Return how many distinct values an Arrow column has, or how many rows have one if they can't be compared."""
    arrow, compute = require("pyarrow", "arrow"), require("pyarrow.compute", "arrow")
    try:
        return f"{compute.count_distinct(column).as_py():,} values"
    except arrow.ArrowNotImplementedError:
        return f"{compute.count(column).as_py():,} rows"


def _data_facts(settings: InspectSettings) -> dict[str, Any]:
    file = DataFile.at(settings.file, settings.form, settings.csv)
    if not file.is_text:
        table = file.source().read()
        kinds = {field.name: f"({field.type}, {_n_distinct(table.column(field.name))})" for field in table.schema}
        return {"form": file.form, "rows": len(table), "columns": kinds}
    seen = scan_text(file.path, "libffm" if file.form == "libffm" else "libsvm", labels=file.has_labels())
    facts = {
        "form": file.form,
        "rows": seen.n_rows,
        "values": seen.n_values,
        "least id": seen.min_id,
        "largest id": seen.max_id,
    }
    return facts | ({"fields": seen.max_field + 1} if file.form == "libffm" else {})
