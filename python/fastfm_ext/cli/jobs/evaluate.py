"""Job of ``fastfm-ext evaluate``: how well a saved model does on held-out rows or events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastfm_ext.cli.columns import TableColumns
from fastfm_ext.cli.jobs.data import DataFile
from fastfm_ext.cli.jobs.models import LoadedModel
from fastfm_ext.cli.jobs.scores import scores
from fastfm_ext.cli.jobs.tables import refused, targets_of
from fastfm_ext.cli.settings import EvaluateSettings


def run(settings: EvaluateSettings) -> None:
    """Do the whole job."""
    loaded = LoadedModel.load(settings.model, plain=True)
    if loaded.recommender is not None:
        from fastfm_ext.cli.jobs.recommenders import read_table, scores_of

        if settings.target is not None:
            raise ValueError(f"--target {settings.target}: {settings.model} is a ranking, which has none")
        events = read_table(settings.data, settings.form, settings.csv, loaded.encoder)
        with refused(settings.data):
            print(scores_of(loaded.recommender, events, settings))
        return
    if not hasattr(loaded.model, "predict"):
        raise ValueError(f"{settings.model}: an FMRanker by itself; only those of fit --task ranking know their events")
    print(scores(loaded.model, _batches(loaded, settings)))


def _batches(loaded: LoadedModel, settings: EvaluateSettings) -> Iterator[tuple[Any, Any]]:
    """Yield batches of rows, (n_rows, n_features), and targets, (n_rows,)."""
    file = DataFile.at(settings.data, settings.form, settings.csv)
    encoder = loaded.encoder_for(file)
    if encoder is not None:
        source = file.source(encoder, settings.target)
        TableColumns(settings.target).check(source.column_names(), str(settings.data))
        table = source.read([*dict.fromkeys([*map(str, encoder.feature_names_in_), str(settings.target)])])
        with refused(settings.data):
            yield (
                encoder.transform(source.for_encoder(table)),
                targets_of(table, TableColumns(settings.target), str(file.path)),
            )
        return
    if settings.target is not None:
        raise ValueError(
            f"--target {settings.target}: {settings.data} is {file.form} text, whose labels are the targets"
        )
    for rows, _ in file.iter_rows(loaded.model.n_features_in_):
        if rows.y is None:
            raise ValueError(f"{settings.data} has no labels to compare with")
        yield rows.X, rows.y
