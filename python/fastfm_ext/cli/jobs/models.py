"""Saved models of the jobs, and the users or items of a file as such a model reads them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from fastfm_ext._common.arrays import AnyArray
from fastfm_ext.cli.jobs.data import DataFile
from fastfm_ext.cli.jobs.tables import check_ids, refused
from fastfm_ext.model_io.saved import SavedModel, load_model, load_plain


def taken_apart(saved: SavedModel) -> SavedModel:
    """Return the parts of a Pipeline or a recommender each by itself, and others as they are."""
    if is_recommender(saved.model):
        return SavedModel(saved.model.model, saved.model.encoder, saved.model.index)
    steps = [step for _, step in getattr(saved.model, "steps", []) if step not in (None, "passthrough")]
    if not steps:
        return saved
    encoder = next((step for step in steps if hasattr(step, "transform")), None)
    model = next((step for step in steps if hasattr(step, "predict")), None)
    return saved._replace(model=model, encoder=encoder)


def is_recommender(model: Any) -> bool:
    """Return whether a model is an FMRecommender."""
    # By its method: most commands need not wait for the import of its class.
    return hasattr(model, "recommend_to")


def is_bayesian(model: Any) -> bool:
    """Return whether a model is of draws."""
    return hasattr(model, "n_sweeps_")


@dataclass(frozen=True)
class NamedRows:
    """Rows of users or items: features, (n_rows, n_features), and the id of each."""

    X: Any
    ids: list[Hashable]


@dataclass(frozen=True)
class LoadedModel:
    """A model file and its content; encoder, index and recommender are None if the file has none."""

    path: Path
    model: Any
    encoder: Any
    index: Any
    recommender: Any = None

    @classmethod
    def load(cls, path: Path, *, plain: bool = False) -> Self:
        """Load a model file; if it may be `plain`, without scikit-learn where that has no part in the model.

        Raises
        ------
        ValueError
            If the file holds no model.
        """
        saved = (load_plain if plain else load_model)(path)
        model, encoder, index = taken_apart(saved)
        if model is None:
            raise ValueError(f"{path}: there is no model in this file, only an encoder or an index")
        return cls(path, model, encoder, index, saved.model if is_recommender(saved.model) else None)

    def encoder_for(self, file: DataFile) -> Any:
        """Return the encoder for a table, None for text.

        Raises
        ------
        ValueError
            If the model was trained on the other kind of file.
        """
        if file.is_text and self.encoder is not None:
            raise ValueError(f"{file.path} is {file.form} text, and {self.path} was trained on columns of a table")
        if not file.is_text and self.encoder is None:
            raise ValueError(
                f"{file.path} is a table, and {self.path} was trained on numbered features, without columns"
            )
        return self.encoder

    def encoded(self, file: DataFile, side: str | None = None) -> tuple[Any, Any]:
        """Read a table; return its features, (n_rows, n_features), of a side or of all, and its columns."""
        source = file.source(self.encoder)
        wanted = set(map(str, self.encoder.feature_names_in_))
        table = source.read([name for name in source.column_names() if name in wanted] or None)
        with refused(file.path):
            return self.encoder.transform(source.for_encoder(table), side=side), table

    def read_side(self, file: DataFile, side: str) -> NamedRows:
        """Read the users ("user") or items ("item") of a file.

        Their ids are in the first column of the side, or the labels of text as they are written there, or else the
        numbers of the rows.

        Raises
        ------
        ValueError
            If the file does not fit the model or has no rows.
        """
        from fastfm_ext.retrieval.ids import plain_ids

        encoder = self.encoder_for(file)
        if encoder is not None:
            names = [getattr(spec, "column", spec) for spec in getattr(encoder, side) or []]
            if not names:
                raise ValueError(f"{self.path} was trained without columns of the {side}'s side (--{side} of fit)")
            X, table = self.encoded(file, side)
            check_ids(table.column(names[0]), names[0], side)
            return NamedRows(X, plain_ids(table.column(names[0]).to_pylist()))
        return NamedRows(*file.read_named_rows(self.model.n_features_in_))


def plain_classes(classes: AnyArray) -> list[Any]:
    """Return classes, (n_classes,), as the files of targets write them: whole numbers of text without a point."""
    is_of_text = classes.dtype == np.float32
    return [int(label) if is_of_text and label.is_integer() else label for label in classes.tolist()]
