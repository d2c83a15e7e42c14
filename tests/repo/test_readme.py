"""What README.md shows does what it says. `test_docs.py` has what holds for every page."""

import re
import shlex

import numpy as np
import pytest

from markdown_examples import commands, run_examples
from repository import ROOT

README = ROOT / "README.md"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    pytest.importorskip("pandas", reason="needs pandas")
    return run_examples(README, tmp_path_factory.mktemp("readme"))


def test_the_ratings_are_learned(results):
    names, _ = results["Ratings"]
    predicted = names["model"].predict(names["X"])
    assert np.corrcoef(predicted, names["ratings"]["stars"])[0, 1] > 0.9


def test_the_clicks_are_told_apart(results):
    _, printed = results["Clicks"]
    assert 0.8 < float(printed) <= 1.0


def test_newcomers_are_recommended_and_recommended_to(results):
    names, printed = results["Recommendations"]
    best = names["recommender"].recommend(["ann", "dan"], n=4)
    ratings = names["ratings"]
    assert set(best["film"][best["user"] == "ann"]) == {"Casablanca", "Dune"}
    assert set(best["film"][best["user"] == "dan"]) == {"Brazil", "Casablanca", "Dune"}
    assert set(ratings["film"]) | {"Dune"} == set(names["recommender"].index.ids)
    assert "dan" in printed


def test_the_recommended_films_are_new_to_their_users(results):
    names, _ = results["Retrieval"]
    films = set(names["films"]["film"])
    for best, seen in zip(names["best"], names["seen"], strict=True):
        assert set(best) <= films - set(seen)
    assert np.isfinite(names["predicted_stars"]).all()


def test_a_new_film_can_be_recommended(results):
    names, _ = results["Retrieval"]
    assert names["index"].ids.tolist() == ["Alien", "Brazil", "Casablanca"]
    ranker, film = names["ranker"], names["encoder"].transform(names["new_film"], side="item")
    np.testing.assert_array_equal(film.toarray().sum(), 1)  # its genre, and no id
    assert np.abs(ranker.item_vector(film)[:, 1:]).max() > 0


def test_a_score_and_a_user_s_bias_make_the_prediction(results):
    names, _ = results["Retrieval"]
    films = names["films"].set_index("film").loc[names["best"][:, 0]].reset_index()
    X = names["user_rows"] + names["encoder"].transform(films, side="item")
    np.testing.assert_allclose(names["predicted_stars"][:, 0], names["model"].predict(X), rtol=1e-5)


def test_the_main_job_is_installed_and_run_by_one_command():
    block = re.search(r"^<!-- main job -->\n```sh\n(.+?)\n```", README.read_text(encoding="utf-8"), re.M)
    assert block, "README.md has no fenced block right below '<!-- main job -->'"
    install, run = block.group(1).split(" && ")
    assert install == 'python -m pip install ".[all]"'
    assert shlex.split(run) in commands(README)
