"""Settings of the commands, each declared with the option that sets it.

This module imports no library, so that ``--help`` is quick.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastfm_ext.cli.columns import TableColumns
from fastfm_ext.cli.words import fraction, integer, n_jobs, number, texts

if TYPE_CHECKING:
    from fastfm_ext.datasets.movielens import Variant

FORMS = ("csv", "tsv", "parquet", "libsvm", "libffm")
TEXT_FORMS = ("libsvm", "libffm")
TASKS = ("regression", "classification", "ranking")
PREDICTION_KINDS = ("value", "probability", "class", "score")
PROGRESS = ("bar", "lines")
EXPORTS = ("features", "items", "users")
VARIANTS = ("100k", "1m", "latest-small")

_FORMAT_HELP = (
    "form of the files (default: by the ending of the name, .csv .tsv .parquet .libsvm .svm .libfm .libffm .ffm, also "
    "with .gz .xz .bz2 .zst behind it; else by the first line)"
)
_KIND_HELP = (
    "value (of a regressor), probability (of the second class in sorted order; of each if there are more than two), "
    "class, or score (the probability's logit); default: value or probability"
)

STANDARD = "-"  # standard input or output in place of a path

# What a command does with the file that a setting names.
READ = "read"
WRITTEN = "written"
PRINTED = "printed"  # written line by line, to standard output where no file is named
KEPT = "kept"  # read if it is there, and written
FOLDER = "folder"

# Metadata of a setting: the words of `argparse` for the option that sets it, and of a path its role.
_Option = dict[str, Any]


def _argument(metavar: str, what: str, role: str = READ) -> _Option:
    """Declare a path that a command needs, given by its place."""
    return {"flags": (), "type": Path, "metavar": metavar, "help": what, "role": role}


def _option(*flags: str, what: str, **of_argparse: Any) -> _Option:
    """Declare an option with a value."""
    return {"flags": flags, "help": what, **of_argparse}


def _path(*flags: str, metavar: str, what: str, role: str) -> _Option:
    """Declare an option with a path, and what the command does with the file there."""
    return _option(*flags, what=what, type=Path, metavar=metavar, role=role)


def _number(*flags: str, kind: Any, metavar: str = "N", what: str) -> _Option:
    """Declare an option with a number."""
    return _option(*flags, what=what, type=kind, metavar=metavar)


def _switch(flag: str, what: str) -> _Option:
    """Declare an option without a value."""
    return _option(flag, what=what, action="store_true")


_FORM = _option("--format", what=_FORMAT_HELP, choices=FORMS)


@dataclass(frozen=True)
class CsvSettings:
    """How CSV and TSV files are written; holds for all tables of a command."""

    missing: tuple[str, ...] = field(
        default=(),
        metadata=_option(
            "--missing", type=texts, metavar="TEXT,...", what="cells of CSV that are missing values, beside empty ones"
        ),
    )
    no_header: bool = field(
        default=False,
        metadata=_switch("--no-header", "the first line of CSV is a row; columns are named 1, 2, ... (see --names)"),
    )
    names: tuple[str, ...] | None = field(
        default=None,
        metadata=_option(
            "--names", type=texts, metavar="NAME,...", what="names of the columns of CSV, which has no header then"
        ),
    )


@dataclass(frozen=True)
class FitStreamSettings:
    """Settings of ``fit --stream``, as `fit_stream` of the estimators takes them."""

    buffer_rows: int = field(
        default=65_536,
        metadata=_number("--buffer-rows", kind=integer(1), what="rows that are shuffled and trained on together"),
    )
    cache: Path | None = field(
        default=None,
        metadata=_path(
            "--cache", metavar="DIR", role=FOLDER, what="keep the rows there for the epochs after the first"
        ),
    )
    checkpoint: Path | None = field(
        default=None,
        metadata=_path(
            "--checkpoint", metavar="FILE", role=KEPT, what="save to it now and then; if it is there, go on from it"
        ),
    )
    checkpoint_every: float = field(
        default=300.0,
        metadata=_number("--checkpoint-every", kind=number, metavar="SECONDS", what="time between two checkpoints"),
    )


@dataclass(frozen=True)
class FitSettings:
    """Settings of ``fit``; None leaves the choice to the job or the estimator."""

    train: Path = field(metadata=_argument("TRAIN", "file of the rows to train on"))
    validation: Path | None = field(
        default=None,
        metadata=_path("--validation", metavar="FILE", role=READ, what="rows for early stopping, not held-out ones"),
    )
    test: Path | None = field(
        default=None,
        metadata=_path("--test", metavar="FILE", role=READ, what="rows to print the errors on in the end"),
    )
    form: str | None = field(default=None, metadata=_FORM)
    task: str | None = field(
        default=None,
        metadata=_option(
            "--task",
            what="ranking: learn from who chose what, without a target (default: classification if the target is text "
            "or has two values, both whole; else regression)",
            choices=TASKS,
        ),
    )
    bayesian: bool = field(
        default=False,
        metadata=_switch("--bayesian", "sample a Bayesian model: more accurate, with --std in predict, and slower"),
    )
    users: Path | None = field(
        default=None,
        metadata=_path("--users", metavar="TABLE", role=READ, what="of a ranking: a row for each user, joined by id"),
    )
    items: Path | None = field(
        default=None,
        metadata=_path("--items", metavar="TABLE", role=READ, what="of a ranking: a row for each item, joined by id"),
    )
    title: str | None = field(
        default=None,
        metadata=_option(
            "--title", metavar="COLUMN", what="of a ranking: what names an item to people (default: title or name)"
        ),
    )
    config: Path | None = field(
        default=None,
        metadata=_path(
            "--config", metavar="TOML", role=READ, what="columns and settings from a file; flags win over it"
        ),
    )
    csv: CsvSettings = field(default_factory=CsvSettings)
    columns: TableColumns = field(default_factory=TableColumns)
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    stream: FitStreamSettings | None = None
    model: Path | None = field(
        default=None,
        metadata=_path(
            "-m", "--model", metavar="FILE", role=WRITTEN, what="save the model (with encoder and items) here"
        ),
    )
    progress: str | None = field(
        default=None,
        metadata=_option(
            "--progress",
            what="a bar, or a line for each epoch (default: a bar on a terminal, if tqdm is installed)",
            choices=PROGRESS,
        ),
    )
    quiet: bool = field(
        default=False,
        metadata=_switch("--quiet", "print errors on validation and test rows only"),
    )


@dataclass(frozen=True)
class PredictSettings:
    """Settings of ``predict``; None leaves the choice to the job."""

    model: Path = field(metadata=_argument("MODEL", "file that fit has saved"))
    data: Path = field(metadata=_argument("FILE", "rows to predict, of the form that fit was given"))
    form: str | None = field(default=None, metadata=_FORM)
    kind: str | None = field(
        default=None,
        metadata=_option("--kind", what=_KIND_HELP, choices=PREDICTION_KINDS),
    )
    std: bool = field(
        default=False,
        metadata=_switch("--std", "behind each value the standard deviation of an observation (Bayesian regressors)"),
    )
    output: Path | None = field(
        default=None,
        metadata=_path(
            "-o", "--output", metavar="FILE", role=PRINTED, what="write the predictions here, not to stdout"
        ),
    )
    quiet: bool = field(default=False, metadata=_switch("--quiet", "print nothing else"))
    csv: CsvSettings = field(default_factory=CsvSettings)


@dataclass(frozen=True)
class RecommendSettings:
    """Settings of ``recommend``."""

    model: Path = field(metadata=_argument("MODEL", "file that fit has saved"))
    users: Path | None = field(
        default=None,
        metadata=_argument("USERS", "file of the users, with their columns or features (of a ranking: default all)")
        | {"nargs": "?"},
    )
    user: tuple[str, ...] = field(
        default=(),
        metadata=_option("--user", what="of a ranking: these users, in place of a file", nargs="+", metavar="ID"),
    )
    items: Path | None = field(
        default=None,
        metadata=_path("--items", metavar="FILE", role=READ, what="items to choose from (default: those of training)"),
    )
    seen: Path | None = field(
        default=None,
        metadata=_path(
            "--seen",
            metavar="TABLE",
            role=READ,
            what="pairs of user and item to leave out; a ranking also learns from them what the users like",
        ),
    )
    include_seen: bool = field(
        default=False,
        metadata=_switch("--include-seen", "of a ranking: do not leave out what users chose"),
    )
    form: str | None = field(default=None, metadata=_FORM)
    top: int = field(default=10, metadata=_number("-n", "--top", kind=integer(1), what="items a user"))
    output: Path | None = field(
        default=None,
        metadata=_path(
            "-o", "--output", metavar="FILE", role=PRINTED, what="write the recommendations here, not to stdout"
        ),
    )
    quiet: bool = field(default=False, metadata=_switch("--quiet", "print nothing else"))
    csv: CsvSettings = field(default_factory=CsvSettings)


@dataclass(frozen=True)
class EvaluateSettings:
    """Settings of ``evaluate``."""

    model: Path = field(metadata=_argument("MODEL", "file that fit has saved"))
    data: Path = field(metadata=_argument("FILE", "held-out rows or events, of the form that fit was given"))
    form: str | None = field(default=None, metadata=_FORM)
    target: str | None = field(
        default=None,
        metadata=_option("--target", metavar="COLUMN", what="column of a table that was predicted; none of a ranking"),
    )
    places: tuple[int, ...] = field(
        default=(20,),
        metadata=_option("-k", what="of a ranking: places that count (default: 20)", type=integer(1), nargs="+"),
    )
    metrics: tuple[str, ...] = field(
        default=("recall", "ndcg"),
        metadata=_option(
            "--metrics",
            what="of a ranking: recall, truncated_recall, precision, ndcg, map, mrr, hit_rate, coverage, auc (default: "
            "recall ndcg)",
            nargs="+",
            metavar="NAME",
        ),
    )
    include_seen: bool = field(
        default=False,
        metadata=_switch("--include-seen", "of a ranking: do not leave out what users chose in training"),
    )
    csv: CsvSettings = field(default_factory=CsvSettings)


@dataclass(frozen=True)
class InspectSettings:
    """Settings of ``inspect``."""

    file: Path = field(metadata=_argument("FILE", "a model file, or a file of rows"))
    form: str | None = field(
        default=None,
        metadata=_option("--format", what="form of a file of rows (default: as for fit)", choices=FORMS),
    )
    top: int = field(default=10, metadata=_number("-n", "--top", kind=integer(0), what="largest weights to list"))
    as_json: bool = field(default=False, metadata=_switch("--json", "print one JSON object, for scripts"))
    csv: CsvSettings = field(default_factory=CsvSettings)


@dataclass(frozen=True)
class ExportSettings:
    """Settings of ``export``."""

    model: Path = field(metadata=_argument("MODEL", "file that fit has saved"))
    output: Path = field(metadata=_argument("OUTPUT", "file to write, .npz, .parquet or .onnx", WRITTEN))
    what: str = field(default="features", metadata=_option("--what", what="", choices=EXPORTS))
    rows: Path | None = field(
        default=None,
        metadata=_path("--rows", metavar="FILE", role=READ, what="users or items, with their columns or features"),
    )
    form: str | None = field(default=None, metadata=_FORM)
    quiet: bool = field(default=False, metadata=_switch("--quiet", "print nothing"))
    csv: CsvSettings = field(default_factory=CsvSettings)


@dataclass(frozen=True)
class MovielensSettings:
    """Settings of ``movielens``; None leaves the choice to the job or the estimator."""

    variant: Variant = field(
        default="100k",
        metadata=_option("--variant", what="MovieLens data set", choices=VARIANTS),
    )
    data_home: Path | None = field(
        default=None,
        metadata=_path(
            "--data-home", metavar="DIR", role=FOLDER, what="folder for downloads (default: scikit-learn's)"
        ),
    )
    ratings: Path | None = field(
        default=None,
        metadata=_path("--ratings", metavar="CSV", role=READ, what="your ratings: userId,movieId,rating[,timestamp]"),
    )
    movies: Path | None = field(
        default=None,
        metadata=_path("--movies", metavar="CSV", role=READ, what="your films: movieId,title,genres"),
    )
    test_size: float = field(
        default=0.1,
        metadata=_number("--test-size", kind=fraction, metavar="SHARE", what="ratings held out"),
    )
    n_factors: int | None = field(
        default=None,
        metadata=_number("--n-factors", kind=integer(0), metavar="K", what="length of the factors (default: 16)"),
    )
    max_iter: int | None = field(
        default=None,
        metadata=_number("--max-iter", kind=integer(1), what="most epochs (early stopping may end before)"),
    )
    n_jobs: int | None = field(
        default=None,
        metadata=_number("--n-jobs", kind=n_jobs, what="threads, -1 for all (default: 1)"),
    )
    seed: int = field(default=0, metadata=_number("--seed", kind=integer(0), what="seed of all that is random"))
    user: str | None = field(
        default=None,
        metadata=_option("--user", what="whom to recommend films to (default: the first user)", metavar="ID"),
    )
    top: int = field(default=10, metadata=_number("-n", "--top", kind=integer(1), what="films to list"))
    save: Path | None = field(
        default=None,
        metadata=_path("--save", metavar="FILE", role=WRITTEN, what="save model, encoder and index"),
    )
    plot: Path | None = field(
        default=None, metadata=_path("--plot", metavar="PNG", role=WRITTEN, what="draw the learning curve")
    )
    quiet: bool = field(default=False, metadata=_switch("--quiet", "print results only, no progress"))
