"""Film ratings of the jobs: those of MovieLens, or a user's own files of that form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastfm_ext.datasets.movielens import fetch_movielens, load_movielens_csv

if TYPE_CHECKING:
    from sklearn.utils import Bunch

    from fastfm_ext.cli.film_settings import DemoSettings, MovielensSettings


def load_ratings(settings: MovielensSettings | DemoSettings) -> Bunch:
    """Return the tables of ratings, users and films, downloaded once."""
    if settings.ratings is not None and settings.movies is not None:
        return load_movielens_csv(settings.ratings, settings.movies)
    return fetch_movielens(settings.variant, data_home=settings.data_home)
