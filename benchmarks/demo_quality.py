"""Quality of the demo's recommender for people with few likes, on MovieLens 100K, by its temperature.

    python benchmarks/demo_quality.py

250 users are left out of training; of those with 15 likes or more, 1, 3 or 10 likes are shown to the recommender, and
the precision of the first ten films is counted on the others. The data is in the folder of FASTFM_EXT_DATA.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from demo_latency import write_csv
from fastfm_ext import FMRanker, FMRecommender, multi
from fastfm_ext.cli.jobs.demo import FILM_RANKER, LIKED
from fastfm_ext.datasets import load_movielens_csv
from fastfm_ext.recommender.guests import guest_of
from tables import markdown_table

N_LIKES = (1, 3, 10)
N_USERS, LEAST_LIKES, PLACES = 250, 15, 10
TEMPERATURES = (0.2, 0.3, 0.4, 0.5)
Recommend = Callable[[list[int]], list[int]]


def precision(recommend: Recommend, histories: list[np.ndarray], n_likes: int) -> float:
    """Return how many of the first films are liked, too, as a mean over users."""
    rng, hits = np.random.default_rng(1), []
    for history in histories:
        shuffled = rng.permutation(history)
        found = recommend(shuffled[:n_likes].tolist())
        hits.append(len({*shuffled[n_likes:].tolist()} & {*found}))
    return float(np.mean(hits))


def by_popularity(recommender: FMRecommender) -> Recommend:
    ids = recommender.item_ids_[np.argsort(-recommender._fitted().n_users_of, kind="stable")].tolist()
    return lambda likes: [film for film in ids if film not in likes][:PLACES]


def by_likes(recommender: FMRecommender) -> Recommend:
    known, model = recommender._fitted(), recommender.model

    def recommend(likes: list[int]) -> list[int]:
        guest = guest_of(known, model, known.items.find(likes, "likes"))
        found: list[int] = recommender.index.search(guest.vector, PLACES, exclude=likes)[0].tolist()
        return found

    return recommend


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        words = write_csv("ml-100k", Path(scratch))
        data = load_movielens_csv(words[1], words[3])
    liked = data.ratings.loc[data.ratings["rating"] >= LIKED, ["user_id", "movie_id"]]
    held_out = np.random.default_rng(0).permutation(liked["user_id"].unique())[:N_USERS]
    is_held_out = liked["user_id"].isin(held_out)
    histories = [films.to_numpy() for _, films in liked[is_held_out].groupby("user_id")["movie_id"]]
    histories = [films for films in histories if len(films) >= LEAST_LIKES]
    rows = []
    for temperature in TEMPERATURES:
        ranker = FMRanker(**FILM_RANKER | {"temperature": temperature}, random_state=0)
        item = ["movie_id", multi("genres", sep="|")]
        recommender = FMRecommender(ranker).fit(liked[~is_held_out], user="user_id", item=item, items=data.movies)
        ways = {f"temperature {temperature}": by_likes(recommender)}
        if not rows:
            ways = {"the most popular films": by_popularity(recommender)} | ways
        for name, recommend in ways.items():
            rows.append([name, *(f"{precision(recommend, histories, n):.2f}" for n in N_LIKES)])
            print(*rows[-1], flush=True)
    headings = [f"{len(histories)} users", *(f"after {n} like{'s' if n > 1 else ''}" for n in N_LIKES)]
    print(markdown_table(headings, rows))


if __name__ == "__main__":
    main()
