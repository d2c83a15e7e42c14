"""What docs/retrieval.md says of its examples is so."""

import numpy as np
import pytest

from fastfm_ext import evaluate, interactions_from_table
from markdown_examples import run_examples
from repository import ROOT


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    for package in ("pandas", "faiss"):
        pytest.importorskip(package, reason=f"needs {package}")
    return run_examples(ROOT / "docs" / "retrieval.md", tmp_path_factory.mktemp("retrieval"))


def test_ten_lines_give_ten_titles_that_are_new_to_the_user(results):
    names, printed = results["Ten titles in ten lines"]
    titles = names["films"].set_index("film")["title"]
    best = names["recommender"].recommend("user 0", n=10)
    assert len(best) == 10
    assert all(title in printed for title in best["title"])
    assert best["title"].tolist() == titles.loc[best["film"]].tolist()
    assert not set(best["film"]) & set(names["events"].query("user == 'user 0'")["film"])


def test_what_is_asked_for_is_in_stock_and_to_tell_are_others(results):
    names, printed = results["Ask"]
    watched = names["events"].query("film == 1000")["user"]
    assert len(names["to_tell"]) == 20
    assert not set(names["to_tell"]["user"]) & set(watched)
    assert len(names["everybody"]) == 10 * len(names["users"])
    assert "(item alone)" in printed


def test_newcomers_are_served_by_country_and_then_by_what_they_chose(results):
    names, printed = results["New films, new users, new choices"]
    assert {2000, 2001} <= set(names["recommender"].index.ids)
    assert not set(names["by_choices"]["film"]) & set(names["horror"])
    assert printed.count("Horror") >= 7 > names["by_country"]["title"].str.contains("Horror").sum()


def test_the_last_events_of_each_user_are_held_out(results):
    names, _ = results["How good is it?"]
    train, held_out = names["train"], names["held_out"]
    assert len(train) == 4 * len(held_out)
    assert (train.groupby("user")["day"].max() <= held_out.groupby("user")["day"].min()).all()


def test_the_model_ranks_better_than_popularity(results):
    names, _ = results["How good is it?"]
    assert names["found"]["recall@20"] > 1.5 * names["baseline"]["recall@20"]


def test_films_without_a_history_are_ranked_better_than_by_chance(results):
    names, _ = results["How good is it?"]
    assert set(names["cold"].index.ids) == set(names["hidden"]["film"])
    assert names["cold_found"]["n_left_out"] == 0
    assert names["cold_found"]["recall@10"] > 2 * names["by_chance"]


def test_the_loaded_recommender_is_the_saved_one(results):
    names, printed = results["Save, load, serve"]
    _, first = results["Ten titles in ten lines"]
    assert all(title.strip(" '") in first for title in printed.strip().strip("[]").split(","))
    np.testing.assert_array_equal(names["served"].model.V_, names["recommender"].model.V_)


def test_the_parts_by_hand_make_the_same_kind_of_lists(results):
    names, _ = results["How it works"]
    seen = set(names["train"].query("user == 'user 0'")["film"])
    assert not set(names["best"][0]) & seen
    by_hand = evaluate(
        names["ranker"],
        names["X_user"],
        names["X_item"],
        interactions_from_table(names["held_out"], user="user", item="film", **names["ids"]).matrix,
        seen=names["interactions"],
    )
    assert by_hand["recall@20"] > 0.9 * names["found"]["recall@20"]


def test_a_history_shows_in_what_is_recommended(results):
    names, printed = results["The index by itself"]
    assert printed.count("Horror") >= 7
    assert (
        names["films"]
        .set_index("film")["in_stock"]
        .loc[
            names["index"].search(
                names["ann"], n=3, only=names["films"].loc[names["films"]["in_stock"], "film"].to_list()
            )[0]
        ]
        .all()
    )
    assert 2000 in names["index"]
    assert 1007 not in names["index"]


def test_every_user_gets_unseen_films_with_the_scores_of_the_model(results):
    names, _ = results["The index by itself"]
    assert names["table"].index.tolist() == names["users"]["user"].tolist()[400:]
    seen = dict(zip(names["users"]["user"], names["seen"], strict=True))
    assert not any(
        set(films) & set(seen[user])
        for user, films in zip(names["table"].index, names["table"].to_numpy(), strict=True)
    )
    best = names["batch"].scores[:, 0] - names["ranker"].user_bias(names["X_user"][400:])
    vectors, position = names["index"]._items.vectors, names["index"]._items.position
    of_best = vectors[[position[film] for film in names["batch"].ids[:, 0]]]
    products = (names["ranker"].user_vector(names["X_user"][400:]) * of_best).sum(axis=1)
    np.testing.assert_allclose(best, products, rtol=1e-4, atol=1e-5)


def test_a_million_items_in_little_reach_the_recall_and_take_few_bytes(results):
    names, printed = results["A million items"]
    near, small = names["near"], names["small"]
    assert min(near.recall_, small.recall_) > 0.95
    assert small.bytes_per_item_ < near.bytes_per_item_ / 2
    assert "recall=0.9" in printed


def test_what_faiss_serves_is_the_ranking_of_the_model(results):
    names, _ = results["Serve from another engine"]
    vectors = names["ranker"].user_vector(names["X_user"][:5]) @ names["vectors"].T
    np.testing.assert_allclose(names["scores"], -np.sort(-vectors)[:, :10], rtol=1e-4)
