"""Settings of the commands on film ratings, each declared with the option that sets it.

This module imports no library, so that ``--help`` is quick.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fastfm_ext.cli.options import FOLDER, READ, WRITTEN, argument, number_option, option, path, switch
from fastfm_ext.cli.words import fraction, integer, n_jobs, port

if TYPE_CHECKING:
    from fastfm_ext.datasets.movielens import Variant

VARIANTS = ("100k", "1m", "latest-small")

_VARIANT = option("--variant", what="MovieLens data set", choices=VARIANTS)
_DATA_HOME = path("--data-home", metavar="DIR", role=FOLDER, what="folder for downloads (default: scikit-learn's)")
_RATINGS = path("--ratings", metavar="CSV", role=READ, what="your ratings: userId,movieId,rating[,timestamp]")
_MOVIES = path("--movies", metavar="CSV", role=READ, what="your films: movieId,title,genres")


@dataclass(frozen=True)
class MovielensSettings:
    """Settings of ``movielens``; None leaves the choice to the job or the estimator."""

    variant: Variant = field(default="100k", metadata=_VARIANT)
    data_home: Path | None = field(default=None, metadata=_DATA_HOME)
    ratings: Path | None = field(default=None, metadata=_RATINGS)
    movies: Path | None = field(default=None, metadata=_MOVIES)
    test_size: float = field(
        default=0.1,
        metadata=number_option("--test-size", kind=fraction, metavar="SHARE", what="ratings held out"),
    )
    n_factors: int | None = field(
        default=None,
        metadata=number_option("--n-factors", kind=integer(0), metavar="K", what="length of the factors (default: 16)"),
    )
    max_iter: int | None = field(
        default=None,
        metadata=number_option("--max-iter", kind=integer(1), what="most epochs (early stopping may end before)"),
    )
    n_jobs: int | None = field(
        default=None,
        metadata=number_option("--n-jobs", kind=n_jobs, what="threads, -1 for all (default: 1)"),
    )
    seed: int = field(default=0, metadata=number_option("--seed", kind=integer(0), what="seed of all that is random"))
    user: str | None = field(
        default=None,
        metadata=option("--user", what="whom to recommend films to (default: the first user)", metavar="ID"),
    )
    top: int = field(default=10, metadata=number_option("-n", "--top", kind=integer(1), what="films to list"))
    save: Path | None = field(
        default=None,
        metadata=path("--save", metavar="FILE", role=WRITTEN, what="save model, encoder and index"),
    )
    plot: Path | None = field(
        default=None, metadata=path("--plot", metavar="PNG", role=WRITTEN, what="draw the learning curve")
    )
    quiet: bool = field(default=False, metadata=switch("--quiet", "print results only, no progress"))


@dataclass(frozen=True)
class DemoSettings:
    """Settings of ``demo``; None leaves the choice to the job."""

    model: Path | None = field(
        default=None,
        metadata=argument("MODEL", "file of a recommender (default: one of films, which is trained now)")
        | {"nargs": "?"},
    )
    variant: Variant = field(default="100k", metadata=_VARIANT)
    data_home: Path | None = field(default=None, metadata=_DATA_HOME)
    ratings: Path | None = field(default=None, metadata=_RATINGS)
    movies: Path | None = field(default=None, metadata=_MOVIES)
    seed: int = field(default=0, metadata=number_option("--seed", kind=integer(0), what="seed of all that is random"))
    save: Path | None = field(
        default=None,
        metadata=path("--save", metavar="FILE", role=WRITTEN, what="save the recommender of films"),
    )
    host: str = field(
        default="127.0.0.1",
        metadata=option("--host", what="address to listen at; others than this machine's own let others in"),
    )
    port: int | None = field(
        default=None,
        metadata=number_option(
            "--port",
            kind=port,
            what="port to listen at, 0 for any that is free (default: 8765, or any that is free if it is taken)",
        ),
    )
    no_browser: bool = field(
        default=False,
        metadata=switch("--no-browser", "open no browser, only print the address"),
    )
    quiet: bool = field(default=False, metadata=switch("--quiet", "print results only, no progress"))
