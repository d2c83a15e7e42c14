"""The command finds or trains a recommender, and says where its page is."""

import json
import re
import signal

import numpy as np
import pytest

from demo_cases import ask, recommender_of_films, request, serving
from fastfm_ext import FMEncoder, FMRecommender, FMRegressor, cli, save_model
from fastfm_ext.cli.jobs import demo

pytest.importorskip("starlette", reason="needs starlette")
pytest.importorskip("uvicorn", reason="needs uvicorn")
pd = pytest.importorskip("pandas", reason="needs pandas")

N_FILMS = 12


@pytest.fixture
def films(tmp_path):
    """Files of MovieLens's form, of people who like even or odd films."""
    rng = np.random.default_rng(0)
    user, film = np.divmod(np.arange(30 * N_FILMS), N_FILMS)
    rating = np.where(user % 2 == film % 2, 5.0, 2.0)
    seen = rng.random(len(user)) < 0.7
    ratings = pd.DataFrame({"userId": user + 1, "movieId": film + 100, "rating": rating})[seen]
    titles = [f"Film {number}" for number in range(N_FILMS)]
    genres = [("Drama", "Crime|Comedy")[number % 2] for number in range(N_FILMS)]
    ratings.to_csv(tmp_path / "ratings.csv", index=False)
    pd.DataFrame({"movieId": np.arange(N_FILMS) + 100, "title": titles, "genres": genres}).to_csv(
        tmp_path / "movies.csv", index=False
    )
    return ["--ratings", str(tmp_path / "ratings.csv"), "--movies", str(tmp_path / "movies.csv")]


def test_films_are_learned_from_ratings_and_saved(films, tmp_path):
    path = tmp_path / "films.fastfm"
    with serving(*films, "--quiet", "--save", path) as (port, process):
        about = ask(port, "about")
        (film,) = ask(port, "search", q="film 3")["items"]
        found = ask(port, "recommend", likes=film["item"], n=3)
    assert (about["noun"], about["items"], about["reasons"]) == ("films", N_FILMS, "sum")
    assert film["description"] == "Comedy · Crime"
    assert {int(re.search(r"\d+", item["title"])[0]) % 2 for item in found["items"]} == {1}
    assert found["items"][0]["because"] == [
        {"item": film["item"], "title": "Film 3", "value": found["items"][0]["choices"]}
    ]
    assert process.log == ("", "")
    assert FMRecommender.load(path).model.n_items_in_ == N_FILMS


def test_a_saved_recommender_is_served_and_the_page_is_named(tmp_path):
    recommender_of_films().save(tmp_path / "m.fastfm")
    with serving(tmp_path / "m.fastfm") as (port, process):
        assert json.loads(request(port, "/api/about")[2])["noun"] == "items"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


def other_models(folder):
    X = np.eye(4)
    model = FMRegressor(n_factors=2, max_iter=2).fit(X, X[0])
    encoder = FMEncoder(user=["u"], item=["i"]).fit({"u": [1, 2], "i": [3, 4]})
    save_model(folder / "model.fastfm", model)
    save_model(folder / "ranker.fastfm", recommender_of_films().model)
    save_model(folder / "encoder.fastfm", None, encoder=encoder)


@pytest.mark.parametrize(
    ("name", "held"), [("model", "a FMRegressor"), ("ranker", "a FMRanker"), ("encoder", "no model")]
)
def test_other_models_are_refused_with_a_hint(tmp_path, capsys, name, held):
    other_models(tmp_path)
    path = tmp_path / f"{name}.fastfm"
    assert cli.main(["demo", str(path), "--port", "0"]) == 1
    assert capsys.readouterr().err == (
        f"fastfm-ext: error: {path} holds {held}, and the demo shows recommenders, which learn from who chose what: "
        "those of fastfm-ext fit --task ranking, and of FMRecommender.save\n"
    )


def test_a_file_that_is_none_is_an_error(tmp_path, capsys):
    assert cli.main(["demo", str(tmp_path / "none.fastfm"), "--port", "0"]) == 1
    assert "none.fastfm: No such file" in capsys.readouterr().err


def test_ratings_that_nobody_liked_teach_nothing(films, tmp_path, capsys):
    ratings = pd.read_csv(films[1])
    ratings[ratings["rating"] < 4].to_csv(films[1], index=False)
    assert cli.main(["demo", *films, "--port", "0"]) == 1
    assert "no rating of 4 or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["m.fastfm", "--variant", "1m"], "--variant is for a recommender of films; it cannot go with a MODEL"),
        (["m.fastfm", "--save", "x"], "--save is for a recommender of films"),
        (["--ratings", "r.csv"], "--ratings and --movies go together"),
        (["--port", "65536"], "'65536' is not a port: a whole number from 0 to 65535"),
        (["--port", "-1"], "is not a port"),
    ],
)
def test_wrong_words_are_told(capsys, words, message):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["demo", *words])
    assert message in capsys.readouterr().err


def test_others_are_let_in_only_with_a_warning(tmp_path, capsys, monkeypatch):
    recommender_of_films().save(tmp_path / "m.fastfm")
    monkeypatch.setattr(demo, "serve", lambda app, listener, url: None)
    assert cli.main(["demo", str(tmp_path / "m.fastfm"), "--host", "0.0.0.0", "--port", "0"]) == 0
    captured = capsys.readouterr()
    assert "--host 0.0.0.0: everybody who reaches this machine sees the items" in captured.err
    assert re.search(r"24 items to try at http://127\.0\.0\.1:\d+/   \(Ctrl-C ends\)\n", captured.out)


def test_what_is_missing_is_told_before_the_training(films, capsys, monkeypatch):
    def missing(module, extra):
        raise ImportError(f"{module} is not installed: {extra}")

    monkeypatch.setattr(demo, "require", missing)
    assert cli.main(["demo", *films, "--port", "0"]) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "fastfm-ext: error: starlette is not installed: demo\n")
