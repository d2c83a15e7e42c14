"""Settings of the commands, each declared with the option that sets it.

This module imports no library, so that ``--help`` is quick.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastfm_ext._names import PLAIN_CLASSES
from fastfm_ext.cli.columns import TableColumns
from fastfm_ext.cli.options import (
    FOLDER,
    KEPT,
    PRINTED,
    READ,
    WRITTEN,
    argument,
    number_option,
    option,
    path,
    switch,
)
from fastfm_ext.cli.words import integer, number, texts

FORMS = ("csv", "tsv", "parquet", "libsvm", "libffm")
TEXT_FORMS = ("libsvm", "libffm")
TASKS = ("regression", "classification", "ranking")
MODEL_KINDS = sorted({name.removesuffix("Classifier").lower() for name in PLAIN_CLASSES if name.endswith("Classifier")})
PREDICTION_KINDS = ("value", "probability", "class", "score")
PROGRESS = ("bar", "lines")
EXPORTS = ("features", "items", "users")

_FORMAT_HELP = (
    "form of the files (default: by the ending of the name, .csv .tsv .parquet .libsvm .svm .libfm .libffm .ffm, also "
    "with .gz .xz .bz2 .zst behind it; else by the first line)"
)
_KIND_HELP = (
    "value (of a regressor), probability (of the second class in sorted order; of each if there are more than two), "
    "class, or score (the probability's logit); default: value or probability"
)

_FORM = option("--format", what=_FORMAT_HELP, choices=FORMS)


@dataclass(frozen=True)
class CsvSettings:
    """How CSV and TSV files are written; holds for all tables of a command."""

    missing: tuple[str, ...] = field(
        default=(),
        metadata=option(
            "--missing", type=texts, metavar="TEXT,...", what="cells of CSV that are missing values, beside empty ones"
        ),
    )
    no_header: bool = field(
        default=False,
        metadata=switch("--no-header", "the first line of CSV is a row; columns are named 1, 2, ... (see --names)"),
    )
    names: tuple[str, ...] | None = field(
        default=None,
        metadata=option(
            "--names", type=texts, metavar="NAME,...", what="names of the columns of CSV, which has no header then"
        ),
    )


@dataclass(frozen=True)
class FitStreamSettings:
    """Settings of ``fit --stream``, as `fit_stream` of the estimators takes them."""

    buffer_rows: int = field(
        default=65_536,
        metadata=number_option("--buffer-rows", kind=integer(1), what="rows that are shuffled and trained on together"),
    )
    cache: Path | None = field(
        default=None,
        metadata=path("--cache", metavar="DIR", role=FOLDER, what="keep the rows there for the epochs after the first"),
    )
    checkpoint: Path | None = field(
        default=None,
        metadata=path(
            "--checkpoint", metavar="FILE", role=KEPT, what="save to it now and then; if it is there, go on from it"
        ),
    )
    checkpoint_every: float = field(
        default=300.0,
        metadata=number_option(
            "--checkpoint-every", kind=number, metavar="SECONDS", what="time between two checkpoints"
        ),
    )


@dataclass(frozen=True)
class FitSettings:
    """Settings of ``fit``; None leaves the choice to the job or the estimator."""

    train: Path = field(metadata=argument("TRAIN", "file of the rows to train on"))
    validation: Path | None = field(
        default=None,
        metadata=path("--validation", metavar="FILE", role=READ, what="rows for early stopping, not held-out ones"),
    )
    test: Path | None = field(
        default=None,
        metadata=path("--test", metavar="FILE", role=READ, what="rows to print the errors on in the end"),
    )
    form: str | None = field(default=None, metadata=_FORM)
    task: str | None = field(
        default=None,
        metadata=option(
            "--task",
            what="ranking: learn from who chose what, without a target (default: classification if the target is text "
            "or has two values, both whole; else regression)",
            choices=TASKS,
        ),
    )
    bayesian: bool = field(
        default=False,
        metadata=switch("--bayesian", "sample a Bayesian model: more accurate, with --std in predict, and slower"),
    )
    model_kind: str = field(
        default="fm",
        metadata=option(
            "--model-kind",
            what="fm, or a field-aware model, whose fields are those of libffm text or the columns of a table",
            choices=MODEL_KINDS,
        ),
    )
    users: Path | None = field(
        default=None,
        metadata=path("--users", metavar="TABLE", role=READ, what="of a ranking: a row for each user, joined by id"),
    )
    items: Path | None = field(
        default=None,
        metadata=path("--items", metavar="TABLE", role=READ, what="of a ranking: a row for each item, joined by id"),
    )
    title: str | None = field(
        default=None,
        metadata=option(
            "--title", metavar="COLUMN", what="of a ranking: what names an item to people (default: title or name)"
        ),
    )
    config: Path | None = field(
        default=None,
        metadata=path(
            "--config", metavar="TOML", role=READ, what="columns and settings from a file; flags win over it"
        ),
    )
    csv: CsvSettings = field(default_factory=CsvSettings)
    columns: TableColumns = field(default_factory=TableColumns)
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    stream: FitStreamSettings | None = None
    model: Path | None = field(
        default=None,
        metadata=path(
            "-m", "--model", metavar="FILE", role=WRITTEN, what="save the model (with encoder and items) here"
        ),
    )
    progress: str | None = field(
        default=None,
        metadata=option(
            "--progress",
            what="a bar, or a line for each epoch (default: a bar on a terminal, if tqdm is installed)",
            choices=PROGRESS,
        ),
    )
    quiet: bool = field(
        default=False,
        metadata=switch("--quiet", "print errors on validation and test rows only"),
    )


@dataclass(frozen=True)
class PredictSettings:
    """Settings of ``predict``; None leaves the choice to the job."""

    model: Path = field(metadata=argument("MODEL", "file that fit has saved"))
    data: Path = field(metadata=argument("FILE", "rows to predict, of the form that fit was given"))
    form: str | None = field(default=None, metadata=_FORM)
    kind: str | None = field(
        default=None,
        metadata=option("--kind", what=_KIND_HELP, choices=PREDICTION_KINDS),
    )
    std: bool = field(
        default=False,
        metadata=switch("--std", "behind each value the standard deviation of an observation (Bayesian regressors)"),
    )
    output: Path | None = field(
        default=None,
        metadata=path("-o", "--output", metavar="FILE", role=PRINTED, what="write the predictions here, not to stdout"),
    )
    quiet: bool = field(default=False, metadata=switch("--quiet", "print nothing else"))
    csv: CsvSettings = field(default_factory=CsvSettings)


@dataclass(frozen=True)
class RecommendSettings:
    """Settings of ``recommend``."""

    model: Path = field(metadata=argument("MODEL", "file that fit has saved"))
    users: Path | None = field(
        default=None,
        metadata=argument("USERS", "file of the users, with their columns or features (of a ranking: default all)")
        | {"nargs": "?"},
    )
    user: tuple[str, ...] = field(
        default=(),
        metadata=option("--user", what="of a ranking: these users, in place of a file", nargs="+", metavar="ID"),
    )
    items: Path | None = field(
        default=None,
        metadata=path("--items", metavar="FILE", role=READ, what="items to choose from (default: those of training)"),
    )
    seen: Path | None = field(
        default=None,
        metadata=path(
            "--seen",
            metavar="TABLE",
            role=READ,
            what="pairs of user and item to leave out; a ranking also learns from them what the users like",
        ),
    )
    include_seen: bool = field(
        default=False,
        metadata=switch("--include-seen", "of a ranking: do not leave out what users chose"),
    )
    form: str | None = field(default=None, metadata=_FORM)
    top: int = field(default=10, metadata=number_option("-n", "--top", kind=integer(1), what="items a user"))
    output: Path | None = field(
        default=None,
        metadata=path(
            "-o", "--output", metavar="FILE", role=PRINTED, what="write the recommendations here, not to stdout"
        ),
    )
    quiet: bool = field(default=False, metadata=switch("--quiet", "print nothing else"))
    csv: CsvSettings = field(default_factory=CsvSettings)


@dataclass(frozen=True)
class EvaluateSettings:
    """Settings of ``evaluate``."""

    model: Path = field(metadata=argument("MODEL", "file that fit has saved"))
    data: Path = field(metadata=argument("FILE", "held-out rows or events, of the form that fit was given"))
    form: str | None = field(default=None, metadata=_FORM)
    target: str | None = field(
        default=None,
        metadata=option("--target", metavar="COLUMN", what="column of a table that was predicted; none of a ranking"),
    )
    places: tuple[int, ...] = field(
        default=(20,),
        metadata=option("-k", what="of a ranking: places that count (default: 20)", type=integer(1), nargs="+"),
    )
    metrics: tuple[str, ...] = field(
        default=("recall", "ndcg"),
        metadata=option(
            "--metrics",
            what="of a ranking: recall, truncated_recall, precision, ndcg, map, mrr, hit_rate, coverage, auc (default: "
            "recall ndcg)",
            nargs="+",
            metavar="NAME",
        ),
    )
    include_seen: bool = field(
        default=False,
        metadata=switch("--include-seen", "of a ranking: do not leave out what users chose in training"),
    )
    csv: CsvSettings = field(default_factory=CsvSettings)


@dataclass(frozen=True)
class InspectSettings:
    """Settings of ``inspect``."""

    file: Path = field(metadata=argument("FILE", "a model file, or a file of rows"))
    form: str | None = field(
        default=None,
        metadata=option("--format", what="form of a file of rows (default: as for fit)", choices=FORMS),
    )
    top: int = field(default=10, metadata=number_option("-n", "--top", kind=integer(0), what="largest weights to list"))
    as_json: bool = field(default=False, metadata=switch("--json", "print one JSON object, for scripts"))
    csv: CsvSettings = field(default_factory=CsvSettings)


@dataclass(frozen=True)
class ExportSettings:
    """Settings of ``export``."""

    model: Path = field(metadata=argument("MODEL", "file that fit has saved"))
    output: Path = field(metadata=argument("OUTPUT", "file to write, .npz, .parquet or .onnx", WRITTEN))
    what: str = field(default="features", metadata=option("--what", what="", choices=EXPORTS))
    rows: Path | None = field(
        default=None,
        metadata=path("--rows", metavar="FILE", role=READ, what="users or items, with their columns or features"),
    )
    form: str | None = field(default=None, metadata=_FORM)
    quiet: bool = field(default=False, metadata=switch("--quiet", "print nothing"))
    csv: CsvSettings = field(default_factory=CsvSettings)
