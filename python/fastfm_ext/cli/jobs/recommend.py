"""Job of ``fastfm-ext recommend``: the best items of each user, as CSV."""

from __future__ import annotations

import csv
import sys
from contextlib import nullcontext
from typing import Any

import numpy as np
from scipy.special import expit

from fastfm_ext.cli.jobs.data import DataFile
from fastfm_ext.cli.jobs.models import LoadedModel, NamedRows
from fastfm_ext.cli.settings import RecommendSettings
from fastfm_ext.fm.classifier import FMClassifier
from fastfm_ext.retrieval.index import ItemIndex

_BLOCK_USERS = 1024


def run(settings: RecommendSettings) -> None:
    """Do the whole job; recommendations go to the output, everything else to stderr."""
    loaded = LoadedModel.load(settings.model)
    if isinstance(loaded.model, FMClassifier) and len(loaded.model.classes_) > 2:
        raise ValueError(f"{settings.model}: a model of more than two classes ranks no items")
    users = loaded.read_side(DataFile.at(settings.users, settings.form), "user")
    index = _index(loaded, settings)
    seen = _seen(loaded, settings)
    with (
        nullcontext(sys.stdout)
        if settings.output is None
        else settings.output.open("w", newline="", encoding="utf-8") as out
    ):
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["user", "rank", "item", "predicted"])
        for first in range(0, len(users), _BLOCK_USERS):
            block = users[first : first + _BLOCK_USERS]
            writer.writerows(_lines(loaded.model, index, block, seen, settings.top))
    if not settings.quiet:
        print(f"recommended out of {len(index):,} items to {len(users):,} users", file=sys.stderr)


def _lines(model: Any, index: ItemIndex, users: NamedRows, seen: dict[Any, list[Any]], n: int) -> list[list[Any]]:
    """Return the lines of the output, user by user and best item first."""
    exclude = [seen.get(user) for user in users.ids] if seen else None
    vectors, bias = model.user_vectors_and_bias(users.X)
    ids, scores = index.search(vectors, n=min(n, len(index)), exclude=exclude)
    predicted = bias[:, None] + scores
    if isinstance(model, FMClassifier):
        predicted = expit(predicted)
    rows = []
    for row, user in enumerate(users.ids):
        # A user who has seen nearly everything gets fewer.
        found = np.flatnonzero(scores[row] > -np.inf)
        rows += [[user, rank + 1, ids[row, rank], f"{predicted[row, rank]:.6g}"] for rank in found.tolist()]
    return rows


def _index(loaded: LoadedModel, settings: RecommendSettings) -> ItemIndex:
    """Return an index of the given items, or else of the items of training."""
    if settings.items is None:
        if loaded.index is None:
            raise ValueError(f"{settings.model} holds no items; name their file with --items")
        index: ItemIndex = loaded.index
        return index
    items = loaded.read_side(DataFile.at(settings.items, settings.form), "item")
    return ItemIndex().fit(loaded.model.item_vector(items.X), ids=items.ids)


def _seen(loaded: LoadedModel, settings: RecommendSettings) -> dict[Any, list[Any]]:
    """Return the items that each user has had already, from a table with the columns that name both."""
    if settings.seen is None:
        return {}
    file = DataFile.at(settings.seen, settings.form)
    encoder = loaded.encoder_for(file)
    if encoder is None:
        raise ValueError(f"--seen {settings.seen}: only tables tell which items a user has had")
    table = file.read_table()
    user, item = (str(getattr(spec, "column", spec)) for spec in ((encoder.user or [""])[0], (encoder.item or [""])[0]))
    for column in (user, item):
        if column not in table.columns:
            raise ValueError(f"--seen {settings.seen}: there is no column {column!r} in it")
    found: dict[Any, list[Any]] = table.groupby(user)[item].agg(list).to_dict()
    return found
