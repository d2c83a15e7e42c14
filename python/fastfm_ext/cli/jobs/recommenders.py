"""Recommenders of the jobs: the tables that they are trained on, their scores, and their recommendations as CSV."""

from __future__ import annotations

import csv
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastfm_ext._common.extras import require
from fastfm_ext.cli.counts import counted
from fastfm_ext.cli.jobs.data import DataFile
from fastfm_ext.cli.jobs.output import text_output
from fastfm_ext.cli.jobs.tables import check_ids, refused
from fastfm_ext.cli.settings import CsvSettings, EvaluateSettings, ExportSettings, FitSettings, RecommendSettings
from fastfm_ext.encoding.encoder import FMEncoder
from fastfm_ext.recommender.recommender import FMRecommender
from fastfm_ext.retrieval.ids import shorten


def read_table(
    path: Path,
    form: str | None,
    csv_settings: CsvSettings,
    encoder: FMEncoder | None = None,
    names: Sequence[str] | None = None,
    weight: str | None = None,
) -> Any:
    """Read a table, or these of its columns, as an Arrow table.

    `encoder` knows which columns are read as numbers.

    Raises
    ------
    ValueError
        If the file is text of numbered features, or a column is not in it.
    """
    file = DataFile.at(path, form, csv_settings)
    if file.is_text:
        raise ValueError(f"{path} is {file.form} text; a ranking of events is learned from tables")
    source = file.source(encoder, weight=weight)
    present = source.column_names()
    for name in names or ():
        if name not in present:
            raise ValueError(f"{path} has no column {name!r}; it has {', '.join(present)}")
    return source.for_encoder(source.read(list(names) if names is not None else None))


def scores_of(recommender: FMRecommender, events: Any, settings: EvaluateSettings | FitSettings) -> str:
    """Return how well a recommender finds held-out events, an Arrow table, as one line."""
    options: dict[str, Any] = {}
    if isinstance(settings, EvaluateSettings):
        options = {
            "k": settings.places,
            "metrics": settings.metrics,
            "exclude_seen": not settings.include_seen,
        }
    found = recommender.evaluate(events, **options)
    n_users, n_left_out = (int(found.pop(name) or 0) for name in ("n_users", "n_left_out"))
    words = [f"{name} {value:.6f}" for name, value in found.items()]
    rankings = "request" if recommender.encoder is not None and recommender.encoder.context else "user"
    left_out = f"; {counted(n_left_out, 'event')} of unknown users or items left out" if n_left_out else ""
    return f"{'  '.join(words)} ({counted(n_users, rankings)}{left_out})"


def users_with_histories(recommender: FMRecommender, settings: ExportSettings) -> tuple[list[Any], Any]:
    """Return the ids of the users of a file, and the rows that represent them by what they chose.

    Raises
    ------
    ValueError
        If the file has no column of their ids, or nothing is known of one of them.
    """
    known, path = recommender._fitted(), settings.rows
    assert path is not None
    name = known.columns.user
    table = read_table(path, settings.form, settings.csv, recommender.encoder, [name])
    check_ids(table.column(name), name, "user")
    ids = table.column(name).to_pylist()
    with refused(path):
        places = known.users.find(ids, f"column {name!r}")
    strangers = [user for user, is_known in zip(ids, known.knows_request(places), strict=True) if not is_known]
    if strangers:
        raise ValueError(f"{path}: nothing is known of {shorten(strangers)}; leave out who came after training")
    return ids, known.rows_with_histories(recommender.model, places)


def write_recommendations(recommender: FMRecommender, settings: RecommendSettings) -> None:
    """Print the best items of each user to the output, and everything else to stderr."""
    users, context = _users(recommender, settings)
    among = _items(recommender, settings)
    if settings.seen is not None:
        _take_in(recommender, settings, users)
    with refused(settings.users if settings.users is not None else settings.model):
        best = recommender._best(users, settings.top, not settings.include_seen, among, context, "popular")
    if best.strangers:
        warnings.warn(
            f"nothing is known of {counted(len(best.strangers), 'user')}, who get what is popular: "
            f"{shorten(best.strangers)} (--seen takes what they chose, a file of users what is known of them)",
            UserWarning,
            stacklevel=1,
        )
    user, item, score, *titles = best.columns.values()
    with text_output(settings.output) as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["user", "rank", "item", "score", *(["title"] if titles else [])])
        shown = [f"{value:.6g}" for value in score.tolist()]
        writer.writerows(zip(user, best.ranks.tolist(), item, shown, *titles, strict=True))
    if not settings.quiet:
        n_users = len(recommender.user_ids_) if users is None else len(users)
        n_items = len(recommender.index if among is None else among)
        print(f"recommended out of {counted(n_items, 'item')} to {counted(n_users, 'user')}", file=sys.stderr)


def _users(recommender: FMRecommender, settings: RecommendSettings) -> tuple[list[Any] | None, Any]:
    """Return the users to recommend to, None for all that are known, and a table of their contexts, or None."""
    if settings.user:
        if settings.users is not None:
            raise ValueError(f"--user: name users either so or in the file {settings.users}")
        return list(settings.user), None
    if settings.users is None:
        return None, None
    named = recommender._fitted().columns
    table = read_table(settings.users, settings.form, settings.csv, recommender.encoder)
    if named.user not in table.column_names:
        raise ValueError(f"{settings.users} has no column {named.user!r}; it has {', '.join(table.column_names)}")
    check_ids(table.column(named.user), named.user, "user")
    in_context = [name for name in named.context if name in table.column_names]
    _add_strangers(recommender, settings, table)
    return table.column(named.user).to_pylist(), table.select(in_context) if in_context else None


def _add_strangers(recommender: FMRecommender, settings: RecommendSettings, table: Any) -> None:
    """Take in users whom the recommender does not know, if the table has what describes users."""
    assert recommender.encoder is not None
    assert settings.users is not None
    known = recommender._fitted()
    features = {*recommender.encoder._layout.columns_of(("user",))}
    if not features - {known.columns.user} or not features <= set(table.column_names):
        return
    ids = table.column(known.columns.user)
    places = known.users.find(ids.to_pylist(), f"column {known.columns.user!r}")
    is_new = (places < 0) & ~ids.is_null().to_numpy(zero_copy_only=False)
    if is_new.any():
        first = np.unique(np.array(ids.to_pylist(), dtype=str)[is_new], return_index=True)[1]
        with refused(settings.users):
            recommender.add_users(table.take(np.flatnonzero(is_new)[np.sort(first)]))


def _items(recommender: FMRecommender, settings: RecommendSettings) -> list[Any] | None:
    """Return the items to choose from; those that have all columns of items are taken in, the new ones, too."""
    if settings.items is None:
        return None
    assert recommender.encoder is not None
    name = recommender._fitted().columns.item
    table = read_table(settings.items, settings.form, settings.csv, recommender.encoder)
    if name not in table.column_names:
        raise ValueError(f"{settings.items} has no column {name!r}; it has {', '.join(table.column_names)}")
    check_ids(table.column(name), name, "item")
    if set(recommender.encoder._layout.columns_of(("item",))) <= set(table.column_names):
        with refused(settings.items):
            recommender.add_items(table)
    found: list[Any] = table.column(name).to_pylist()
    return found


def _take_in(recommender: FMRecommender, settings: RecommendSettings, users: list[Any] | None) -> None:
    """Fold in what these users, or all, have chosen by the table of --seen."""
    assert settings.seen is not None
    named = recommender._fitted().columns
    names = [name for name in (named.user, named.item, named.weight) if name is not None]
    table = read_table(settings.seen, settings.form, settings.csv, recommender.encoder, names, named.weight)
    if users is not None:
        wanted = {str(user) for user in users if user is not None}
        rows = [row for row, user in enumerate(table.column(named.user).to_pylist()) if str(user) in wanted]
        table = table.take(require("pyarrow", "arrow").array(rows, "int64"))
    if len(table):
        with refused(settings.seen):
            recommender.fold_in(table)
