"""Job of ``fastfm-ext fit --task ranking``: training on events, scores on held-out events, and the model file."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any

from fastfm_ext.cli.columns import TableColumns
from fastfm_ext.cli.counts import counted
from fastfm_ext.cli.jobs.data import DataFile
from fastfm_ext.cli.jobs.hyperparameters import check_hyperparameters
from fastfm_ext.cli.jobs.recommenders import read_table, scores_of
from fastfm_ext.cli.jobs.tables import check_ids, refused
from fastfm_ext.cli.jobs.training import say_nothing, trained, verbosity_of
from fastfm_ext.cli.settings import FitSettings
from fastfm_ext.encoding.encoder import FMEncoder
from fastfm_ext.ranking.ranker import FMRanker
from fastfm_ext.recommender.recommender import FMRecommender
from fastfm_ext.recommender.side_table import id_column


def run(settings: FitSettings) -> None:
    """Do the whole job, printing as it goes."""
    say = say_nothing if settings.quiet else print
    _check(settings)
    model = FMRanker(verbose=verbosity_of(settings)).set_params(**settings.hyperparameters)
    model._check_params()
    recommender, columns = FMRecommender(model), settings.columns
    user, item = _side(columns.user, "user_id"), _side(columns.item, "item_id")
    names = {"user": id_column("user", user), "item": id_column("item", item)}
    encoder = _declared(columns)
    events = _events(settings.train, settings, encoder, names)
    say(f"train: {counted(len(events), 'event')}")
    sides = {
        argument: read_table(path, settings.form, settings.csv, encoder)
        for argument, path in (("users", settings.users), ("items", settings.items))
        if path is not None
    }
    for argument, table in sides.items():
        say(f"{argument}: {counted(len(table), 'row')}")
    started = perf_counter()
    with refused(settings.train):
        recommender.fit(
            events,
            user=user,
            item=item,
            context=list(columns.context) or None,
            weight=columns.weight,
            title=settings.title,
            **sides,
        )
    assert recommender.encoder is not None
    n_users, n_items = recommender.interactions_.shape
    pairs = counted(recommender.interactions_.nnz, "pair")
    say(f"{pairs} of {counted(n_users, 'user')} and {counted(n_items, 'item')}")
    say(f"columns: {', '.join(map(repr, recommender.encoder.columns_))}")
    say(trained(recommender.model, perf_counter() - started))
    if settings.test is not None:
        held_out = _events(settings.test, settings, encoder, names)
        with refused(settings.test):
            print(f"test {scores_of(recommender, held_out, settings)}")
    if settings.model is not None:
        recommender.save(settings.model)
        say(f"model saved to {settings.model}")


def _check(settings: FitSettings) -> None:
    """Raise ValueError for settings that a ranking does not read, and for unknown hyperparameters."""
    if settings.columns.target is not None:
        raise ValueError(
            f"--target {settings.columns.target}: a ranking has none, it learns from who chose what; --weight says how "
            "much a choice counts"
        )
    if settings.validation is not None:
        raise ValueError(
            f"--validation {settings.validation}: a ranking holds out events of TRAIN; --test takes others to be "
            "scored on in the end"
        )
    check_hyperparameters(settings.hyperparameters, "ranking", bayesian=False)


def _side(specs: Any, default: str) -> Any:
    """Return the columns of a side as `FMRecommender.fit` takes them: the ids alone by their name, or a list."""
    if not specs:
        return default
    return specs[0] if len(specs) == 1 and isinstance(specs[0], str) else list(specs)


def _declared(columns: TableColumns) -> FMEncoder | None:
    """Return an encoder that says which columns of CSV hold numbers, None if nothing is declared."""
    return columns.encoder() if columns.has_features else None


def _events(path: Path, settings: FitSettings, encoder: FMEncoder | None, names: dict[str, str]) -> Any:
    """Read events, an Arrow table of the columns that are used.

    Raises
    ------
    ValueError
        If a column is missing, or one of ids holds lists.
    """
    columns = settings.columns
    present = DataFile.at(path, settings.form, settings.csv)
    if present.is_text:
        raise ValueError(
            f"{path} is {present.form} text; a ranking is learned from tables, and numbered features in Python"
        )
    found = present.source().column_names()
    for side, name in names.items():
        if name not in found:
            raise ValueError(f"--{side} {name}: {path} has no such column; it has {', '.join(found)}")
    for name in columns.context_names:
        if name not in found:
            raise ValueError(f"--context {name}: {path} has no such column; it has {', '.join(found)}")
    if columns.weight is not None and columns.weight not in found:
        raise ValueError(f"--weight {columns.weight}: {path} has no such column; it has {', '.join(found)}")
    wanted = [*names.values(), *columns.context_names, columns.weight]
    wanted += [*columns.user_names, *columns.item_names, settings.title]
    used = [name for name in dict.fromkeys(wanted) if name is not None and name in found]
    table = read_table(path, settings.form, settings.csv, encoder, used, columns.weight)
    for side, name in names.items():
        check_ids(table.column(name), name, side)
    return table
