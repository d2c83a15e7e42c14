"""The job behind ``fastfm-ext recommend``: the best items of each user, as CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Hashable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from scipy import sparse
from scipy.special import expit

from fastfm_ext.cli.jobs.data import DataFile
from fastfm_ext.cli.jobs.predict import encoder_for, load_fitted
from fastfm_ext.cli.settings import RecommendSettings
from fastfm_ext.fm.classifier import FMClassifier
from fastfm_ext.model_io.saved import SavedModel
from fastfm_ext.retrieval.index import ItemIndex

_BLOCK_USERS = 1024


class HasModel(Protocol):
    """Settings that name a model, and the form of the files that go with it."""

    @property
    def model(self) -> Path:
        """The model file."""

    @property
    def form(self) -> str | None:
        """The form of the data, or None for the one that the file name says."""


@dataclass
class Side:
    """Rows of users or items: their features, and what names each."""

    X: Any
    ids: list[Hashable]


def run(settings: RecommendSettings) -> None:
    """Do the whole job; recommendations go to the output, everything else to stderr."""
    saved = load_fitted(settings.model)
    if isinstance(saved.model, FMClassifier) and len(saved.model.classes_) > 2:
        raise ValueError(f"{settings.model}: a model of more than two classes ranks no items")
    users = read_side(settings.users, "user", saved, settings)
    index = _index(saved, settings)
    seen = _seen(saved, settings)
    with (
        nullcontext(sys.stdout)
        if settings.output is None
        else settings.output.open("w", newline="", encoding="utf-8") as out
    ):
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["user", "rank", "item", "predicted"])
        for first in range(0, len(users.ids), _BLOCK_USERS):
            block = slice(first, first + _BLOCK_USERS)
            writer.writerows(
                _recommendations(saved.model, index, Side(users.X[block], users.ids[block]), seen, settings.top)
            )
    if not settings.quiet:
        print(f"recommended out of {len(index):,} items to {len(users.ids):,} users", file=sys.stderr)


def _recommendations(model: Any, index: ItemIndex, users: Side, seen: dict[Any, list[Any]], n: int) -> list[list[Any]]:
    exclude = [seen.get(user) for user in users.ids] if seen else None
    ids, scores = index.search(model.user_vector(users.X), n=min(n, len(index)), exclude=exclude)
    predicted = model.user_bias(users.X)[:, None] + scores
    if isinstance(model, FMClassifier):
        predicted = expit(predicted)
    rows = []
    for row, user in enumerate(users.ids):
        # A user who has seen nearly everything gets fewer.
        found = np.flatnonzero(scores[row] > -np.inf)
        rows += [[user, rank + 1, ids[row, rank], f"{predicted[row, rank]:.6g}"] for rank in found.tolist()]
    return rows


def _index(saved: SavedModel, settings: RecommendSettings) -> ItemIndex:
    """Return an index of the items that are given, or else of those that the model was trained on."""
    if settings.items is None:
        if saved.index is None:
            raise ValueError(f"{settings.model} holds no items; name their file with --items")
        index: ItemIndex = saved.index
        return index
    items = read_side(settings.items, "item", saved, settings)
    return ItemIndex().fit(saved.model.item_vector(items.X), ids=items.ids)


def read_side(path: Path, side: str, saved: SavedModel, settings: HasModel) -> Side:
    """Read users or items: named by the first column of their side in a table, in text by the line's label."""
    file = DataFile.at(path, settings.form)
    encoder = encoder_for(saved, file, settings.model)
    if encoder is not None:
        table = file.read_table()
        names = [getattr(spec, "column", spec) for spec in getattr(encoder, side) or []]
        if not names:
            raise ValueError(f"{settings.model} was trained without columns of the {side}'s side (--{side} of fit)")
        return Side(encoder.transform(table, side=side), table[names[0]].tolist())
    blocks = [(rows.X, rows.y) for rows, _ in file.iter_rows(saved.model.n_features_in_)]
    if not blocks:
        raise ValueError(f"{path}: there are no rows in this file")
    X = sparse.csr_array(sparse.vstack([X for X, _ in blocks], format="csr"))
    if blocks[0][1] is None:
        return Side(X, list(range(X.shape[0])))
    labels = np.concatenate([y for _, y in blocks])
    return Side(X, [int(label) if label.is_integer() else label for label in labels.tolist()])


def _seen(saved: SavedModel, settings: RecommendSettings) -> dict[Any, list[Any]]:
    """Return which items each user has had already, from a table with the columns that name both."""
    if settings.seen is None:
        return {}
    file = DataFile.at(settings.seen, settings.form)
    encoder = encoder_for(saved, file, settings.model)
    if encoder is None:
        raise ValueError(f"--seen {settings.seen}: only tables tell which items a user has had")
    table = file.read_table()
    user, item = (str(getattr(spec, "column", spec)) for spec in ((encoder.user or [""])[0], (encoder.item or [""])[0]))
    for column in (user, item):
        if column not in table.columns:
            raise ValueError(f"--seen {settings.seen}: there is no column {column!r} in it")
    found: dict[Any, list[Any]] = table.groupby(user)[item].agg(list).to_dict()
    return found
