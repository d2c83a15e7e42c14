"""`fastfm-ext recommend` with a model of `fit --task ranking`, run as a user would run it."""

import json

import pytest

import command_cases
import ranking_files
from fastfm_ext import FMRanker, FMRecommender, load_model
from ranking_files import FIT, rows_of
from recommender_cases import N_FILMS, N_USERS, films_of, fitted, world

run = command_cases.run
files = ranking_files.files


@pytest.fixture
def model(run, files):
    assert run(*FIT, "--quiet") == (0, "", "")
    return load_model("m.fastfm").model


def test_users_named_on_the_command_line_get_titles(run, model):
    code, out, err = run("recommend", "m.fastfm", "--user", "u1", "u2", "-n", 3)
    assert (code, err) == (0, f"recommended out of {N_FILMS} items to 2 users\n")
    rows = rows_of(out)
    assert out.splitlines()[0] == "user,rank,item,score,title"
    assert [(row["user"], row["rank"]) for row in rows] == [(u, r) for u in ("u1", "u2") for r in "123"]
    assert [row["title"] for row in rows] == [f"Film {int(row['item']) - 100}" for row in rows]
    assert not {int(row["item"]) for row in rows[:3]} & films_of(model, "u1")
    wanted = model.recommend(["u1", "u2"], n=3).to_pydict()
    assert [int(row["item"]) for row in rows] == wanted["film"]
    assert [float(row["score"]) for row in rows] == pytest.approx(wanted["score"], rel=1e-5)


def test_without_users_all_that_are_known_are_served_into_a_file(run, model, files):
    assert run("recommend", "m.fastfm", "-n", 1, "-o", "top.csv", "--quiet") == (0, "", "")
    assert [row["user"] for row in rows_of((files / "top.csv").read_text())] == model.user_ids_.tolist()


@pytest.mark.filterwarnings("always:nothing is known")
def test_strangers_get_what_is_popular_with_a_warning(run, model):
    code, out, err = run("recommend", "m.fastfm", "--user", "nobody", "-n", 2, "--quiet")
    assert code == 0
    assert "fastfm-ext: warning: nothing is known of 1 user, who get what is popular: 'nobody'" in err
    assert all(float(row["score"]).is_integer() for row in rows_of(out))


def test_what_was_seen_since_is_left_out_and_counts(run, model, files):
    (files / "new.csv").write_text("user,film\nnobody,101\nnobody,103\nu1,105\nother,100\n")
    code, out, err = run("recommend", "m.fastfm", "--user", "nobody", "--seen", "new.csv", "-n", 5, "--quiet")
    assert (code, err) == (0, "")
    items = [int(row["item"]) for row in rows_of(out)]
    assert all(item % 2 for item in items)
    assert not {101, 103} & set(items)
    again = run("recommend", "m.fastfm", "--user", "u1", "--include-seen", "-n", 100, "--quiet")[1]
    assert len(rows_of(again)) == N_FILMS


def test_items_of_a_file_are_chosen_among_and_new_ones_taken_in(run, model, files):
    (files / "few.csv").write_text("film\n101\n102\n")
    items = {row["item"] for row in rows_of(run("recommend", "m.fastfm", "--items", "few.csv", "--quiet")[1])}
    assert items == {"101", "102"}
    (files / "more.csv").write_text("film,genres,title\n900,Comedy|New,Fresh\n102,Horror|Old,Film 2\n")
    words = ("recommend", "m.fastfm", "--items", "more.csv", "--user", "u1", "--include-seen", "--quiet")
    assert [row["title"] for row in rows_of(run(*words)[1])] == ["Fresh", "Film 2"]


def test_users_of_a_file_are_served_by_their_features_and_in_their_context(run, files):
    words = [*FIT[:4], "--user", "user", *FIT[6:], "--context", "device", "--quiet"]
    assert run(*words)[0] == 0
    (files / "who.csv").write_text("user,country,device\nu1,FR,tv\nfresh,FR,phone\nfresh,FR,tv\n")
    code, out, err = run("recommend", "m.fastfm", "who.csv", "-n", 3, "--quiet")
    assert (code, err) == (0, "")
    rows = rows_of(out)
    assert [(row["user"], row["rank"]) for row in rows] == [(u, r) for u in ("u1", "fresh", "fresh") for r in "123"]
    assert all(int(row["item"]) % 2 for row in rows)


def test_a_recommender_of_python_serves_the_command_line(run, tmp_path):
    pytest.importorskip("pyarrow")
    events, _, _ = world()
    fitted("pandas").save("p.fastfm")
    assert [row["rank"] for row in rows_of(run("recommend", "p.fastfm", "--user", "u0", "-n", 2)[1])] == ["1", "2"]
    bare = FMRecommender(FMRanker(n_factors=2, max_iter=2, random_state=0)).fit(events, user="user", item="film")
    bare.save("bare.fastfm")
    assert run("recommend", "bare.fastfm", "-n", 1)[1].splitlines()[0] == "user,rank,item,score"
    facts = json.loads(run("inspect", "bare.fastfm", "--json")[1])
    assert [facts[name] for name in ("users", "items", "items in the index")] == [N_USERS, N_FILMS, N_FILMS]
    assert facts["pairs of a user and an item"] == len(events["user"])
    code, _, err = run("predict", "p.fastfm", "p.fastfm", "--format", "csv")
    assert (code, "ranks items and predicts no values; use recommend" in err) == (1, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("films.csv", "films.csv has no column 'user'; it has film, title, genres"),
        ("users.csv --user u0", "--user: name users either so or in the file users.csv"),
        ("--items users.csv", "users.csv has no column 'film'; it has user, country"),
        ("--seen users.csv", "users.csv has no column 'film'"),
    ],
)
def test_files_that_do_not_fit_are_errors_of_one_line(run, model, words, message):
    code, out, err = run("recommend", "m.fastfm", *words.split())
    assert (code, out) == (1, "")
    assert message in err


def test_other_models_need_a_file_of_users(run, tmp_path, request):
    request.getfixturevalue("files")
    words = ("--user", "user", "--item", "film", "--max-iter", 2, "--quiet", "--model", "r.fastfm")
    assert run("fit", "train.csv", "--target", "plays", *words)[0] == 0
    for more in ((), ("users.csv", "--user", "u0")):
        code, _, err = run("recommend", "r.fastfm", *more)
        assert (code, "r.fastfm is no ranking of events: name the file of the users" in err) == (1, True)
