"""What the console commands can set: words, and the settings of each job. Loads nothing, so that `--help` is quick."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastfm_ext.cli.columns import Columns

if TYPE_CHECKING:
    from fastfm_ext.datasets.movielens import Variant

FORMS = ("csv", "tsv", "parquet", "libsvm", "libffm")
TEXT_FORMS = ("libsvm", "libffm")
TASKS = ("regression", "classification")
PREDICTION_KINDS = ("value", "probability", "class", "score")
EXPORTS = ("features", "items", "users")
VARIANTS = ("100k", "1m", "latest-small")


@dataclass(frozen=True)
class StreamOptions:
    """How to train on data larger than memory; as in `fit_stream`."""

    buffer_rows: int = 65_536
    cache: Path | None = None
    checkpoint: Path | None = None
    checkpoint_every: float = 300.0


@dataclass(frozen=True)
class FitSettings:
    """What the command line can set; None leaves a choice to what is called."""

    train: Path
    validation: Path | None = None
    test: Path | None = None
    form: str | None = None
    model: Path | None = None
    task: str | None = None
    columns: Columns = field(default_factory=Columns)
    parameters: dict[str, Any] = field(default_factory=dict)
    stream: StreamOptions | None = None
    quiet: bool = False


@dataclass(frozen=True)
class PredictSettings:
    """What the command line can set; None leaves a choice to the job."""

    model: Path
    data: Path
    form: str | None = None
    kind: str | None = None
    output: Path | None = None
    quiet: bool = False


@dataclass(frozen=True)
class RecommendSettings:
    """What the command line can set."""

    model: Path
    users: Path
    items: Path | None = None
    seen: Path | None = None
    form: str | None = None
    top: int = 10
    output: Path | None = None
    quiet: bool = False


@dataclass(frozen=True)
class InspectSettings:
    """What the command line can set."""

    file: Path
    form: str | None = None
    top: int = 10
    as_json: bool = False


@dataclass(frozen=True)
class ExportSettings:
    """What the command line can set."""

    model: Path
    output: Path
    what: str = "features"
    rows: Path | None = None
    form: str | None = None
    quiet: bool = False


@dataclass(frozen=True)
class MovielensSettings:
    """What the command line can set; None leaves a choice to what is called."""

    variant: Variant = "100k"
    data_home: Path | None = None
    ratings: Path | None = None
    movies: Path | None = None
    user: str | None = None
    top: int = 10
    n_factors: int | None = None
    max_iter: int | None = None
    seed: int = 0
    n_jobs: int | None = None
    test_size: float = 0.1
    save: Path | None = None
    plot: Path | None = None
    quiet: bool = False
