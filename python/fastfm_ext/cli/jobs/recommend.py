"""Job of ``fastfm-ext recommend``: the best items of each user, as CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
from scipy.special import expit, ndtr

from fastfm_ext._common.arrays import Float32
from fastfm_ext.bayesian.classifier import BayesianFMClassifier
from fastfm_ext.cli.counts import counted
from fastfm_ext.cli.jobs.data import DataFile
from fastfm_ext.cli.jobs.models import LoadedModel
from fastfm_ext.cli.jobs.output import text_output
from fastfm_ext.cli.jobs.recommenders import write_recommendations
from fastfm_ext.cli.jobs.tables import check_ids
from fastfm_ext.cli.settings import RecommendSettings
from fastfm_ext.retrieval.for_users import Recommended, recommend
from fastfm_ext.retrieval.ids import as_id_array, plain_ids, positions_by_id
from fastfm_ext.retrieval.index import ItemIndex

_BATCH_USERS = 1024


def run(settings: RecommendSettings) -> None:
    """Do the whole job; recommendations go to the output, everything else to stderr."""
    loaded = LoadedModel.load(settings.model)
    if loaded.recommender is not None:
        write_recommendations(loaded.recommender, settings)
        return
    if settings.users is None or settings.user:
        raise ValueError(f"{settings.model} is no ranking of events: name the file of the users, without --user")
    is_bayesian = isinstance(loaded.model, BayesianFMClassifier)
    is_classifier = hasattr(loaded.model, "classes_")
    if is_classifier and len(loaded.model.classes_) > 2:
        raise ValueError(f"{settings.model}: a model of more than two classes ranks no items")
    users = loaded.read_side(DataFile.at(settings.users, settings.form, settings.csv), "user")
    index = _index(loaded, settings)
    exclude = _seen(loaded, settings, users.ids)
    link = ndtr if is_bayesian else expit
    with text_output(settings.output) as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["user", "rank", "item", "predicted"])
        n = min(settings.top, len(index))
        for batch in recommend(loaded.model, index, users.X, n, exclude=exclude, batch_size=_BATCH_USERS):
            predicted = link(batch.scores) if is_classifier else batch.scores
            writer.writerows(_lines(users.ids, batch, predicted))
    if not settings.quiet:
        found = f"{counted(len(index), 'item')} to {counted(len(users.ids), 'user')}"
        print(f"recommended out of {found}", file=sys.stderr)


def _lines(users: list[Hashable], batch: Recommended, predicted: Float32) -> Iterator[list[Any]]:
    """Yield the lines of the output, user by user and best item first; `predicted` is of shape (n_users, n)."""
    for row, user in enumerate(batch.users):
        # A user who has seen nearly everything gets fewer items.
        for rank in np.flatnonzero(batch.scores[row] > -np.inf).tolist():
            yield [users[user], rank + 1, batch.ids[row, rank], f"{predicted[row, rank]:.6g}"]


def _index(loaded: LoadedModel, settings: RecommendSettings) -> ItemIndex:
    """Return an index of the given items, or else of the items of training."""
    if settings.items is None:
        if loaded.index is None:
            raise ValueError(f"{settings.model} holds no items; name their file with --items")
        index: ItemIndex = loaded.index
        return index
    items = loaded.read_side(DataFile.at(settings.items, settings.form, settings.csv), "item")
    return ItemIndex().fit(loaded.model.item_vector(items.X), ids=items.ids)


def _seen(loaded: LoadedModel, settings: RecommendSettings, users: list[Any]) -> list[Any] | None:
    """Return the items that each of these users has had already, from a table with the columns that name both."""
    if settings.seen is None:
        return None
    file = DataFile.at(settings.seen, settings.form, settings.csv)
    encoder = loaded.encoder_for(file)
    if encoder is None:
        raise ValueError(f"--seen {settings.seen}: only tables tell which items a user has had")
    user, item = (str(getattr(spec, "column", spec)) for spec in ((encoder.user or [""])[0], (encoder.item or [""])[0]))
    source = file.source(encoder)
    names = source.column_names()
    for column in (user, item):
        if column not in names:
            raise ValueError(f"--seen {settings.seen}: there is no column {column!r} in it")
    table = source.read([user, item])
    for side, column in (("user", user), ("item", item)):
        check_ids(table.column(column), column, side)
        if str(table.schema.field(column).type) == "bool":
            raise ValueError(f"--seen {settings.seen}: column {column!r} holds True and False, which name no {side}s")
    known = list(dict.fromkeys(name for name in users if name is not None))
    if not known:
        return None
    owners = table.column(user).combine_chunks().dictionary_encode()
    of_owner = positions_by_id(as_id_array(known)).find(
        plain_ids(owners.dictionary.to_pylist()), f"--seen {settings.seen}: column {user!r}", f"of {settings.users}"
    )
    # The last place is for rows without a user.
    positions = np.array([*of_owner, -1])[owners.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
    rows = np.flatnonzero(positions >= 0)
    rows = rows[np.argsort(positions[rows], kind="stable")]
    items = plain_ids(table.column(item).take(rows).to_pylist())
    ends = np.searchsorted(positions[rows], np.arange(len(known)), side="right").tolist()
    found = {name: items[start:end] for name, start, end in zip(known, [0, *ends[:-1]], ends, strict=True)}
    return [found.get(name) for name in users]
