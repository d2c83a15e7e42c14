"""What docs/retrieval.md says of its examples is so."""

import numpy as np
import pytest

from markdown_examples import run_examples
from repository import ROOT


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    for package in ("pandas", "faiss"):
        pytest.importorskip(package, reason=f"needs {package}")
    return run_examples(ROOT / "docs" / "retrieval.md", tmp_path_factory.mktemp("retrieval"))


def test_the_last_events_of_each_user_are_held_out(results):
    names, _ = results["What to train on and what to hold out"]
    train, held_out = names["train"], names["held_out"]
    assert len(train) == 4 * len(held_out)
    assert (train.groupby("user")["day"].max() <= held_out.groupby("user")["day"].min()).all()


def test_the_model_ranks_better_than_popularity(results):
    names, _ = results["How good is it?"]
    assert names["found"]["recall@20"] > 1.5 * names["baseline"]["recall@20"]


def test_nothing_seen_or_out_of_stock_is_recommended(results):
    names, _ = results["A live index"]
    assert not set(names["best"]) & set(names["already"])
    in_stock, _ = results["In stock, allowed, alike"]
    found = in_stock["index"].search(
        in_stock["ann"], n=3, only=in_stock["films"].loc[in_stock["films"]["in_stock"], "film"].to_list()
    )[0]
    assert in_stock["films"].set_index("film")["in_stock"].loc[found].all()


def test_new_films_are_in_the_index_and_removed_ones_are_not(results):
    names, _ = results["New films and new users, by what is known of them"]
    assert "Alien 9" in names["index"]
    assert "film 7" not in names["index"]


def test_a_history_shows_in_what_is_recommended(results):
    names, printed = results["New users, by what they did"]
    assert printed.count("Horror") >= 7
    assert not set(names["best"]) & set(names["films"]["film"][names["chosen"]])


def test_similar_users_are_others(results):
    names, _ = results["In stock, allowed, alike"]
    assert len(set(names["neighbours"][0]) - {"user 0"}) == 5


def test_every_user_gets_unseen_films_with_the_scores_of_the_model(results):
    names, _ = results["For all users at once"]
    assert names["table"].index.tolist() == names["users"]["user"].tolist()[400:]
    seen = dict(zip(names["users"]["user"], names["seen"], strict=True))
    assert not any(
        set(films) & set(seen[user])
        for user, films in zip(names["table"].index, names["table"].to_numpy(), strict=True)
    )
    best = names["batch"].scores[:, 0] - names["model"].user_bias(names["X_user"][400:])
    vectors, position = names["index"]._items.vectors, names["index"]._items.position
    of_best = vectors[[position[film] for film in names["batch"].ids[:, 0]]]
    products = (names["model"].user_vector(names["X_user"][400:]) * of_best).sum(axis=1)
    np.testing.assert_allclose(best, products, rtol=1e-4, atol=1e-5)


def test_a_million_items_in_little_reach_the_recall_and_take_few_bytes(results):
    names, printed = results["A million items"]
    near, small = names["near"], names["small"]
    assert min(near.recall_, small.recall_) > 0.95
    assert small.bytes_per_item_ < near.bytes_per_item_ / 2
    assert "recall=0.9" in printed


def test_films_without_a_history_are_ranked_better_than_by_chance(results):
    names, _ = results["How good is it for films that nobody has seen?"]
    assert names["cold"]["recall@10"] > 2 * names["by_chance"]


def test_what_faiss_serves_is_the_ranking_of_the_model(results):
    names, _ = results["Save, load, serve"]
    vectors = names["model"].user_vector(names["X_user"][:5]) @ names["vectors"].T
    np.testing.assert_allclose(names["scores"], -np.sort(-vectors)[:, :10], rtol=1e-4)


def test_the_loaded_model_is_the_saved_one(results):
    before, _ = results["Train"]
    after, _ = results["Save, load, serve"]
    np.testing.assert_array_equal(after["model"].V_, before["model"].V_)
    assert "Alien 9" in after["index"]
