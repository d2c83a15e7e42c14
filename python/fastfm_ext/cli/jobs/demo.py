"""Job of ``fastfm-ext demo``: a page in the browser that shows what a recommender makes of likes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from fastfm_ext._common.checks import kind_of
from fastfm_ext._common.extras import require
from fastfm_ext.cli.counts import counted
from fastfm_ext.cli.film_settings import DemoSettings
from fastfm_ext.cli.jobs.film_ratings import load_ratings
from fastfm_ext.demo.answers import Answers
from fastfm_ext.demo.app import make_app
from fastfm_ext.demo.guard import is_loopback
from fastfm_ext.demo.server import has_desktop, listen, serve, url_of
from fastfm_ext.encoding.declare import multi
from fastfm_ext.model_io.saved import load_model
from fastfm_ext.ranking.ranker import FMRanker
from fastfm_ext.recommender.recommender import FMRecommender

DEFAULT_PORT = 8765
# Of five stars and of four, the film was liked.
LIKED = 4.0
# Chosen by benchmarks/demo_quality.py: people with few likes need a higher temperature than FMRanker finds by what it
# holds out of users that it knows.
FILM_RANKER: dict[str, Any] = {
    "n_factors": 32,
    "user_history": True,
    "temperature": 0.4,
    "max_iter": 17,
    "early_stopping": False,
}


def run(settings: DemoSettings) -> None:
    """Do the whole job; it ends by Ctrl-C."""
    for module in ("starlette", "uvicorn"):  # before the training
        require(module, "demo")
    listener = listen(settings.host, settings.port, DEFAULT_PORT)
    with listener:
        if settings.model is not None:
            answers = Answers(load_recommender(settings.model))
        else:
            answers = Answers(train_on_films(settings), noun="films")
        app = make_app(answers, settings.host)
        url = url_of(listener, settings.host)
        if not is_loopback(settings.host):
            print(
                f"fastfm-ext: warning: --host {settings.host}: everybody who reaches this machine sees the items",
                file=sys.stderr,
            )
        print(f"{counted(len(answers.catalog), 'item')} to try at {url}   (Ctrl-C ends)", flush=True)
        serve(app, listener, None if settings.no_browser or not has_desktop() else url)


def load_recommender(path: Path) -> FMRecommender:
    """Return the recommender of a model file.

    Raises
    ------
    ValueError
        If there is another kind of model in it.
    """
    saved = load_model(path).model
    if not isinstance(saved, FMRecommender):
        held = "no model" if saved is None else kind_of(saved)
        raise ValueError(
            f"{path} holds {held}, and the demo shows recommenders, which learn from who chose what: those of "
            "fastfm-ext fit --task ranking, and of FMRecommender.save"
        )
    return saved


def train_on_films(settings: DemoSettings) -> FMRecommender:
    """Return a recommender of films that has learned from what users rated highly."""
    data = load_ratings(settings)
    liked = data.ratings.loc[data.ratings["rating"] >= LIKED, ["user_id", "movie_id"]]
    if liked.empty:
        raise ValueError(f"no rating of {LIKED:g} or more, which tells that somebody liked a film")
    if not settings.quiet:
        n_films, n_users = liked["movie_id"].nunique(), liked["user_id"].nunique()
        of_whom = f"{counted(n_films, 'film')} by {counted(n_users, 'user')}"
        print(f"learning from {counted(len(liked), 'rating')} of {LIKED:g} or more, of {of_whom}", flush=True)
    recommender = FMRecommender(FMRanker(**FILM_RANKER, random_state=settings.seed))
    films = data.movies[["movie_id", "title", "genres"]]
    recommender.fit(liked, user="user_id", item=["movie_id", multi("genres", sep="|")], items=films)
    if settings.save is not None:
        recommender.save(settings.save)
        print(f"recommender saved to {settings.save}", flush=True)
    return recommender
