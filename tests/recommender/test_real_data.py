"""Recommendations from MovieLens are better than popular films, also for new users and new films."""

import warnings

import numpy as np
import pytest

from fastfm_ext import FMRanker, FMRecommender, multi
from fastfm_ext.model_selection import split_by_user

pd = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def latest_small(data_dir):
    """Ratings and films of MovieLens latest-small."""
    folder = data_dir / "ml-latest-small"
    if not folder.is_dir():
        pytest.skip(f"no MovieLens latest-small in {data_dir}")
    return pd.read_csv(folder / "ratings.csv.xz"), pd.read_csv(folder / "movies.csv.xz")


@pytest.fixture(scope="module")
def ml_100k(data_dir):
    """Ratings, users and films of MovieLens 100K."""
    folder = data_dir / "ml-100k"
    if not folder.is_dir():
        pytest.skip(f"no MovieLens 100K in {data_dir}")
    genres = [f"g{number}" for number in range(19)]
    ratings = pd.read_csv(folder / "u.data.xz", sep="\t", names=["user_id", "item_id", "stars", "time"])
    users = pd.read_csv(folder / "u.user.xz", sep="|", names=["user_id", "age", "gender", "job", "zip"])
    columns = ["item_id", "title", "date", "video", "url", *genres]
    films = pd.read_csv(folder / "u.item.xz", sep="|", names=columns, encoding="latin-1")
    films["genres"] = [[g for g in genres if row[g]] for _, row in films.iterrows()]
    return ratings, users.drop(columns="zip"), films[["item_id", "title", "genres"]]


def ranker(**params):
    settings = {"n_factors": 16, "max_iter": 12, "early_stopping": False, "n_iter_no_change": 12, "random_state": 0}
    return FMRanker(**(settings | params))


def trained(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "fit stopped|.*max_iter", category=UserWarning)
        return FMRecommender(ranker()).fit(*args, **kwargs)


def recall_of_popular(recommender, held_out, user, item):
    """Recall@20 of what most users chose, by the recommendations for strangers."""
    found = []
    index = {film: place for place, film in enumerate(recommender.index.ids.tolist())}
    counts = np.bincount(recommender.interactions_.indices, minlength=len(recommender.item_ids_))
    seen_of = recommender._fitted().seen_by
    for name, films in held_out.groupby(user)[item]:
        place = recommender._fitted().users.find([name], user)
        seen = set(recommender.index.ids[seen_of(place, recommender.index.ids).indices].tolist())
        wanted = {film for film in films if film in index} - seen
        if wanted:
            order = [
                film for film in recommender.index.ids[np.argsort(-counts, kind="stable")].tolist() if film not in seen
            ]
            found.append(len(wanted & set(order[:20])) / len(wanted))
    return np.mean(found)


def test_latest_small_is_ranked_better_than_by_popularity(latest_small):
    ratings, films = latest_small
    train, held_out = split_by_user(ratings, 0.2, user="userId", random_state=0)
    found = trained(train, user="userId", item=["movieId", multi("genres", sep="|")], items=films)
    metrics = found.evaluate(held_out)
    assert metrics["recall@20"] > 1.2 * recall_of_popular(found, held_out, "userId", "movieId")
    assert metrics["n_users"] == ratings["userId"].nunique()
    best = found.recommend(ratings["userId"].unique()[:50], n=10)
    assert best.columns.tolist() == ["userId", "movieId", "score", "title"]
    assert len(best) == 500
    seen = train.merge(best, on=["userId", "movieId"])
    assert len(seen) == 0
    assert best.merge(films, on=["movieId", "title"])["movieId"].tolist() == best["movieId"].tolist()
    sequels = found.similar_items(1210, n=10)["title"]  # Star Wars: Episode VI
    assert sequels.str.startswith("Star Wars: Episode").sum() >= 2


def test_users_and_films_of_100k_that_came_after_training_are_served(ml_100k):
    ratings, users, films = ml_100k
    is_new_user, is_new_film = ratings["user_id"] % 10 == 0, ratings["item_id"] % 20 == 0
    train = ratings[~is_new_user & ~is_new_film]
    old_films = films[films["item_id"] % 20 != 0]
    found = trained(
        train, user="user_id", item="item_id", users=users[users["user_id"] % 10 != 0], items=old_films, weight="stars"
    )
    assert [spec.written_as for spec in found.encoder.columns_] == ["categorical"] * 4 + ["categorical", "multi"]
    found.add_items(films[films["item_id"] % 20 == 0])
    new = ratings[is_new_user & ~is_new_film & ratings["item_id"].isin(train["item_id"])]
    known, held_out = split_by_user(new, 0.5, user="user_id", random_state=0)
    found.add_users(users[users["user_id"] % 10 == 0])
    by_features = found.evaluate(held_out)
    found.fold_in(known)
    by_choices = found.evaluate(held_out)
    assert by_choices["recall@20"] > by_features["recall@20"] > 0.05
    assert by_choices["n_left_out"] == 0
    of_new_films = ratings[~is_new_user & is_new_film]
    new_films = np.unique(of_new_films["item_id"])
    hits = found.recommend(of_new_films["user_id"].unique(), n=5, among=new_films).merge(of_new_films)
    n_users = of_new_films["user_id"].nunique()
    by_chance = sum(min(5, len(new_films)) / len(new_films) for _ in range(len(of_new_films))) / n_users
    assert len(hits) / n_users > 1.2 * by_chance
