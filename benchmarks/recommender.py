"""What `FMRecommender` decides for its users: whom to tell of an item, and how newcomers and new choices are served.

    python benchmarks/recommender.py

For MovieLens 100K and latest-small, and each of `--seeds`, with a fifth of each user's ratings held out:

- whom to tell: of each film with three held-out users or more, the share of these among the first 20 of `recommend_to`,
  by the score alone, with the user's activity, and by activity alone;
- newcomers: Recall@20 for a tenth of the users, whom training has not seen: by what is popular, and by half of their
  other ratings, folded in;
- new choices: Recall@20 of a model that has seen half of the other ratings, before and after the rest is folded in, by
  folding in alone, and of a model trained on all of them.

The data is read from the folder that the environment variable FASTFM_EXT_DATA names: `ml-100k/` and `ml-latest-small/`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from fastfm_ext import FMRanker, FMRecommender, interactions_from_table
from fastfm_ext.model_selection import split_by_user
from quality import find
from tables import markdown_table

Measured = dict[str, float]


def events_of(folder: Path, name: str) -> pd.DataFrame:
    if name == "100k":
        columns = ["user_id", "item_id", "stars", "time"]
        return pd.read_csv(find(folder / "ml-100k", "u.data"), sep="\t", names=columns)
    table = pd.read_csv(find(folder / "ml-latest-small", "ratings.csv"))
    return table.rename(columns={"userId": "user_id", "movieId": "item_id"})


def trained(events: pd.DataFrame, seed: int) -> FMRecommender:
    return FMRecommender(FMRanker(n_factors=32, random_state=seed)).fit(events)


def whom_to_tell(train: pd.DataFrame, held_out: pd.DataFrame, seed: int) -> Measured:
    recommender = trained(train, seed)
    activity = np.log1p(np.diff(recommender.interactions_.indptr))
    users_of = held_out[held_out["item_id"].isin(recommender.index.ids)].groupby("item_id")["user_id"].agg(set)
    users_of = users_of[users_of.map(len) >= 3]
    tables = {
        "score alone": recommender.recommend_to(users_of.index, n=20, weigh_activity=False),
        "score and activity": recommender.recommend_to(users_of.index, n=20),
    }
    found = {
        name: share_found(table.groupby("item_id")["user_id"].agg(list), users_of) for name, table in tables.items()
    }
    order = recommender.user_ids_[np.argsort(-activity, kind="stable")].tolist()
    seen_by = train.groupby("item_id")["user_id"].agg(set)
    most_active = users_of.index.map(lambda item: [user for user in order if user not in seen_by[item]][:20])
    return found | {"activity alone": share_found(pd.Series(most_active, index=users_of.index), users_of)}


def share_found(best: pd.Series[list[int]], wanted: pd.Series[set[int]]) -> float:
    """Return the mean over items of the share of the wanted users, 20 at most, who are among the best."""
    return float(np.mean([len(users & set(best[item])) / min(20, len(users)) for item, users in wanted.items()]))


def newcomers(train: pd.DataFrame, held_out: pd.DataFrame, seed: int) -> Measured:
    rng = np.random.default_rng(seed)
    users = train["user_id"].unique()
    is_new = train["user_id"].isin(rng.choice(users, len(users) // 10, replace=False))
    recommender = trained(train[~is_new], seed)
    told, _ = split_by_user(train[is_new], 0.5, user="user_id", random_state=seed)
    wanted = held_out[held_out["user_id"].isin(told["user_id"])]
    wanted = wanted[wanted["item_id"].isin(recommender.index.ids)]
    told = told[told["item_id"].isin(recommender.index.ids)]
    popular = recommender.recommend(wanted["user_id"].unique(), n=200, unknown="popular")
    popular = popular.merge(told[["user_id", "item_id"]], how="left", indicator=True)
    popular = popular[popular["_merge"] == "left_only"].groupby("user_id").head(20)
    hits = popular.merge(wanted, on=["user_id", "item_id"]).groupby("user_id").size()
    n_wanted = wanted.groupby("user_id").size()
    by_popularity = float((hits.reindex(n_wanted.index, fill_value=0) / n_wanted).mean())
    return {"popular": by_popularity, "folded in": recommender.fold_in(told).evaluate(wanted)["recall@20"]}


def new_choices(train: pd.DataFrame, held_out: pd.DataFrame, seed: int) -> Measured:
    early, late = split_by_user(train, 0.5, user="user_id", random_state=seed)
    recommender = trained(early, seed)
    wanted = held_out[held_out["item_id"].isin(recommender.index.ids)]
    late = late[late["item_id"].isin(recommender.index.ids)]
    # What is found after folding in, since then the later choices are not ranked either.
    wanted = wanted.merge(late[["user_id", "item_id"]], how="left", indicator=True).query("_merge == 'left_only'")
    before = recall(recommender, wanted, recommender.model.user_vector(recommender._fitted().users.X), late)
    recommender.fold_in(late)
    items = recommender.model.item_vector(recommender._fitted().items.X)
    alone = recommender.model.fold_in(recommender.interactions_, items)
    return {
        "half, trained": before,
        "the rest folded in": recommender.evaluate(wanted)["recall@20"],
        "all folded in, no trained vector": recall(recommender, wanted, alone, late),
        "all, trained": trained(train, seed).evaluate(wanted)["recall@20"],
    }


def recall(
    recommender: FMRecommender, wanted: pd.DataFrame, vectors: np.typing.NDArray[np.float32], late: pd.DataFrame
) -> float:
    """Return Recall@20 by these vectors of all users, neither old nor later choices being ranked."""
    ids = {"user_ids": recommender.user_ids_, "item_ids": recommender.item_ids_}
    seen = sparse.csr_array(recommender.interactions_ + interactions_from_table(late, **ids).matrix)
    best, _ = recommender.index.search(vectors, 20, exclude=seen)
    relevant = wanted.groupby("user_id")["item_id"].agg(set)
    place = {user: number for number, user in enumerate(recommender.user_ids_.tolist())}
    return float(np.mean([len(items & set(best[place[user]])) / len(items) for user, items in relevant.items()]))


def in_words(values: Iterable[float]) -> str:
    array = np.array(list(values))
    return f"{array.mean():.3f} ± {array.std():.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    folder = os.environ.get("FASTFM_EXT_DATA")
    if not folder:
        raise SystemExit("set FASTFM_EXT_DATA to the folder that holds the data sets")
    rows: list[list[str]] = []
    for name in ("100k", "latest-small"):
        events = events_of(Path(folder), name)
        splits = [split_by_user(events, 0.2, user="user_id", random_state=seed) for seed in seeds]
        for what, measure in (
            ("whom to tell", whom_to_tell),
            ("newcomers", newcomers),
            ("new choices", new_choices),
        ):
            found = [measure(*split, seed) for split, seed in zip(splits, seeds, strict=True)]
            rows += [[name, what, way, in_words(one[way] for one in found)] for way in found[0]]
            print(*rows[-len(found[0]) :], sep="\n", flush=True)
    print(markdown_table(["MovieLens", "question", "by", "recall@20"], rows))


if __name__ == "__main__":
    main()
