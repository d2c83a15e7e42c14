import dataclasses
import re
import sys

import numpy as np
import pytest

from fastfm_ext import cli, datasets, model_io
from fastfm_ext.cli.film_settings import MovielensSettings
from fastfm_ext.cli.jobs import film_ratings, movielens
from fastfm_ext.datasets.movielens import Bunch

pd = pytest.importorskip("pandas")

N_USERS, N_FILMS = 30, 20
GENRES = ("Action|Crime", "Comedy", "Drama", "(no genres listed)")


@pytest.fixture
def tables(tmp_path):
    """Ratings and films of a little world: early films are better, and users of even id are kinder."""
    rng = np.random.default_rng(0)
    user, film = np.divmod(rng.permutation(N_USERS * N_FILMS)[: N_USERS * N_FILMS * 3 // 4], N_FILMS)
    ratings = pd.DataFrame({"userId": user + 1, "movieId": 100 + film, "rating": 3.0})
    ratings["rating"] += np.where(film < N_FILMS // 2, 1.0, -1.0) + np.where(user % 2, 0.5, -0.5)
    movies = pd.DataFrame({"movieId": np.arange(N_FILMS) + 100})
    movies["title"] = [f"Film {number} (19{number - 50})" for number in movies["movieId"]]
    movies["genres"] = [GENRES[number % 4] for number in range(N_FILMS)]
    ratings.to_csv(tmp_path / "ratings.csv", index=False)
    movies.to_csv(tmp_path / "movies.csv", index=False)
    return ratings, movies


@pytest.fixture
def run(tables, tmp_path, capsys):
    """Run the command on the little world."""

    def run_command(*arguments):
        files = ["--ratings", str(tmp_path / "ratings.csv"), "--movies", str(tmp_path / "movies.csv")]
        code = cli.main(["movielens", *files, *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_command


def listed_films(out):
    """Titles and predicted ratings, as printed."""
    films = re.findall(r"^ *\d+  (\d\.\d\d)  (.+?)(?:  |$)", out, re.MULTILINE)
    return [title for _, title in films], [float(rating) for rating, _ in films]


def rmses(out):
    return [float(value) for value in re.findall(r"^  (?:mean|ridge|factorization).*?(\d\.\d{4})", out, re.MULTILINE)]


def test_the_job_trains_evaluates_and_recommends(run, tables):
    ratings, movies = tables
    code, out, err = run("--user", 3, "--top", 4)
    assert (code, err) == (0, "")
    assert "450 ratings of 20 films by 30 users" in out
    assert "405 ratings to train on, 45 to test with" in out
    assert len(re.findall(r"^epoch ", out, re.MULTILINE)) >= 1
    mean, _, machine = rmses(out)
    assert machine < 0.9 * mean
    titles, predicted = listed_films(out)
    rated = ratings.loc[ratings["userId"] == 3, "movieId"]
    assert len(titles) == 4
    assert set(titles).isdisjoint(movies.loc[movies["movieId"].isin(rated), "title"])
    assert predicted == sorted(predicted, reverse=True)
    assert f"top 4 films for user 3, without the {len(rated)} this user has rated" in out


def test_predicted_ratings_are_those_of_the_saved_model(run, tables, tmp_path):
    path = tmp_path / "model.fastfm"
    code, out, _ = run("--user", 7, "--top", 3, "--save", path)
    assert code == 0
    saved = model_io.load_model(path)
    titles, predicted = listed_films(out)
    movies = tables[1].rename(columns={"movieId": "movie_id"}).replace("(no genres listed)", "")
    rows = movies.set_index("title").loc[titles].reset_index().assign(user_id=7)
    expected = np.clip(saved.model.predict(saved.encoder.transform(rows)), 1.5, 4.5)
    np.testing.assert_allclose(predicted, expected, atol=0.00501)
    assert len(saved.index) == N_FILMS


def test_the_same_seed_gives_the_same_output(run):
    first, second = run("--quiet", "--seed", 1), run("--quiet", "--seed", 1)
    assert first == second
    assert first != run("--quiet", "--seed", 2)


def test_quiet_prints_results_only(run):
    _, out, _ = run("--quiet")
    assert "epoch  " not in out
    assert out.startswith("test RMSE")
    assert "films for user 1," in out


def test_options_reach_the_estimator(run, monkeypatch):
    seen = {}
    fit = movielens.FMRegressor.fit

    def spy(self, X, y):
        seen.update(self.get_params())
        return fit(self, X, y)

    monkeypatch.setattr(movielens.FMRegressor, "fit", spy)
    code, out, _ = run("--n-factors", 2, "--max-iter", 3, "--seed", 5, "--n-jobs", 1, "--test-size", 0.5)
    assert code == 0
    expected = {"n_factors": 2, "max_iter": 3, "random_state": 5, "n_jobs": 1, "early_stopping": True}
    assert expected.items() <= seen.items()
    assert "225 ratings to train on, 225 to test with" in out


def test_the_learning_curve_is_drawn(run, tmp_path):
    pytest.importorskip("matplotlib")
    code, _, _ = run("--plot", tmp_path / "curve.png")
    assert code == 0
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_more_films_than_remain_lists_those_that_remain(run, tables):
    _, out, _ = run("--user", 1, "--top", 1000)
    assert len(listed_films(out)[0]) == N_FILMS - (tables[0]["userId"] == 1).sum()


def test_a_user_who_has_rated_everything(run, tables, tmp_path):
    ratings, movies = tables
    everything = pd.DataFrame({"userId": 99, "movieId": movies["movieId"], "rating": 3.0})
    pd.concat([ratings, everything]).to_csv(tmp_path / "ratings.csv", index=False)
    code, out, _ = run("--user", 99)
    assert code == 0
    assert "user 99 has rated every film" in out


@pytest.mark.filterwarnings("default:.*rated films are not listed:UserWarning")
def test_text_ids_and_unlisted_films_work(run, tables, tmp_path):
    ratings, movies = tables
    ratings.assign(userId="u" + ratings["userId"].astype(str)).to_csv(tmp_path / "ratings.csv", index=False)
    movies.iloc[1:].to_csv(tmp_path / "movies.csv", index=False)
    code, out, err = run("--user", "u5")
    assert code == 0
    assert "films for user u5" in out
    assert re.fullmatch(r"fastfm-ext: warning: .*1 rated films are not listed.*\n", err)
    code, _, err = run("--user", "u500")
    assert code == 1
    assert "--user u500: no such user; the data has 30 users, such as 'u1', 'u10', 'u11'" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--user", "31"], "--user 31: no such user; the data has 30 users, ids from 1 to 30"),
        (["--save", "no/such/folder/m"], "--save no/such/folder/m: there is no folder no/such/folder"),
        (["--plot", "."], "--plot .: this is a folder, not a file"),
        (["--save", "m", "--plot", "m"], "--plot m: this is the file of --save; name another"),
        (["--test-size", "0.999"], "450 ratings: too few to train and test with --test-size 0.999"),
        (["--n-jobs", "1", "--movies", "nowhere.csv"], "nowhere.csv: No such file or directory"),
    ],
)
def test_a_failure_is_one_line_and_exit_code_1(run, arguments, message):
    assert run(*arguments) == (1, "", f"fastfm-ext: error: {message}\n")


def test_a_missing_extra_is_named_before_the_training(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, out, err = run("--plot", "curve.png")
    assert (code, out) == (1, "")
    assert 'the extra "plot" of fastfm-ext: pip install "matplotlib>=' in err


def test_an_unknown_format_of_the_plot_is_named_before_the_training(run):
    pytest.importorskip("matplotlib")
    code, out, err = run("--plot", "curve.docx")
    assert (code, out) == (1, "")
    assert "error: --plot curve.docx: the ending .docx is none of ." in err


def test_a_plot_that_fails_leaves_the_old_one(run, monkeypatch, tmp_path):
    figure = pytest.importorskip("matplotlib.figure").Figure

    def fail(self, file, **options):
        file.write(b"half a picture")
        raise OSError("enough")

    monkeypatch.setattr(figure, "savefig", fail)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "curve.svg").write_text("old")
    assert run("--quiet", "--plot", "curve.svg")[0] == 1
    assert (tmp_path / "curve.svg").read_text() == "old"


def test_a_bad_file_is_named(run, tmp_path):
    (tmp_path / "ratings.csv").write_text("userId,movieId,stars\n1,100,5\n")
    code, _, err = run()
    assert code == 1
    assert re.fullmatch(r"fastfm-ext: error: .*ratings\.csv: no column 'rating'; it has [^\n]*\n", err)


def test_ctrl_c_is_no_traceback(run, monkeypatch):
    def interrupt(self, X, y):
        raise KeyboardInterrupt

    monkeypatch.setattr(movielens.FMRegressor, "fit", interrupt)
    code, _, err = run("--quiet")
    assert (code, err) == (130, "fastfm-ext: interrupted\n")


def test_side_features_of_users_are_used(tables, monkeypatch, capsys, tmp_path):
    ratings, movies = (table.rename(columns={"userId": "user_id", "movieId": "movie_id"}) for table in tables)
    users = pd.DataFrame({"user_id": np.arange(N_USERS) + 1})
    users = users.assign(
        age=20 + users["user_id"], gender="F", occupation=np.where(users["user_id"] % 3, "artist", "other")
    )
    bunch = Bunch(ratings=ratings, users=users, movies=movies, origin="nowhere")
    monkeypatch.setattr(film_ratings, "fetch_movielens", lambda variant, data_home: bunch)
    path = tmp_path / "model.fastfm"
    assert cli.main(["movielens", "--variant", "100k", "--save", str(path)]) == 0
    names = list(model_io.load_model(path).encoder.get_feature_names_out())
    for column in ("user_id", "movie_id", "age", "gender", "occupation", "genres"):
        assert any(column in name for name in names)


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["movielens", "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    for field in dataclasses.fields(MovielensSettings):
        assert f"--{field.name.replace('_', '-')}" in out


def test_ml_latest_small(data_dir, capsys):
    folder = data_dir / "ml-latest-small"
    files = ["--ratings", str(folder / "ratings.csv.xz"), "--movies", str(folder / "movies.csv.xz")]
    assert cli.main(["movielens", *files, "--user", "610", "--top", "5", "--max-iter", "10"]) == 0
    out = capsys.readouterr().out
    mean, ridge, machine = rmses(out)
    assert machine < ridge < mean
    titles, _ = listed_films(out)
    bunch = datasets.load_movielens_csv(folder / "ratings.csv.xz", folder / "movies.csv.xz")
    rated = bunch.ratings.loc[bunch.ratings["user_id"] == 610, "movie_id"]
    assert len(titles) == 5
    # Long titles are cut when they are printed.
    rated_titles = bunch.movies.loc[bunch.movies["movie_id"].isin(rated), "title"].str[:59]
    assert {title[:59] for title in titles}.isdisjoint(rated_titles)
