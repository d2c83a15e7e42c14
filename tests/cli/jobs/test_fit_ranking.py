"""`fastfm-ext fit --task ranking`, run as a user would run it."""

import re

import numpy as np
import pytest

import command_cases
import ranking_files
from fastfm_ext import FMRecommender, load_model
from markdown_examples import shell_commands
from ranking_files import FIT, QUICK, ROLES
from recommender_cases import world
from repository import ROOT

run = command_cases.run
files = ranking_files.files
text_files = command_cases.text_files


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_events_and_side_tables_become_a_recommender(run, files):
    code, out, _ = run(*FIT, "--test", "test.csv", "--progress", "lines")
    assert code == 0
    assert "users: 40 rows" in out
    assert "columns: categorical('user'), categorical('country'), categorical('film'), multi('genres'" in out
    recall, n_users = re.search(r"test recall@20 (\S+)  ndcg@20 \S+ \((\d+) users\)", out).groups()
    assert float(recall) > 0.9
    assert 20 < int(n_users) <= 40
    model = load_model("m.fastfm").model
    assert isinstance(model, FMRecommender)
    assert model.encoder.field_names_ == ["user", "country", "film", "genres"]
    assert model.model.get_params()["random_state"] == 0


def test_a_name_alone_takes_all_columns_of_the_side_table_and_a_list_those_it_names(run, files):
    quiet = (*QUICK, "--quiet", "--model", "m.fastfm")
    assert run("fit", "train.csv", *ROLES[:4], "--item", "film", "--users", "users.csv", *quiet)[0] == 0
    assert load_model("m.fastfm").model.encoder.field_names_ == ["user", "country", "film"]
    assert run("fit", "train.csv", *ROLES, "--items", "films.csv", "--context", "device", *quiet)[0] == 0
    assert load_model("m.fastfm").model.encoder.field_names_ == ["user", "film", "genres", "device"]


def test_weights_and_hyperparameters_reach_the_ranker(run, files):
    words = ("--weight", "plays", "--loss", "bpr", "--n-negatives", 3, "--learning-rate", 0.1, "--title", "genres")
    code, out, err = run(*FIT, *words, "--quiet")
    assert (code, out, err) == (0, "", "")
    recommender = load_model("m.fastfm").model
    assert recommender.model.loss == "bpr"
    assert recommender.model.n_negatives == 3
    assert recommender.interactions_.max() > 1
    assert recommender.recommend("u0", n=1).column("genres").to_pylist()[0] in ("Horror|Old", "Comedy|New")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--temperature", 0.2, "--popularity", 0.7), {"temperature": 0.2, "popularity": 0.7}),
        (("--user-history",), {"user_history": True}),
        (("--similarity", "dot", "--n-negatives", 5), {"similarity": "dot", "n_negatives": 5}),
        (("--loss", "squared", "--unobserved-weight", 0.05), {"loss": "squared", "unobserved_weight": 0.05}),
        (("--validation-metric", "recall@5"), {"validation_metric": "recall@5"}),
    ],
)
def test_what_only_a_ranker_has_is_set_by_flags(run, files, words, expected):
    assert run(*FIT, *words, "--quiet")[0] == 0
    params = load_model("m.fastfm").model.model.get_params()
    assert {name: params[name] for name in expected} == expected


def test_settings_of_a_file_hold_for_rankings(run, files):
    (files / "c.toml").write_text(
        '[columns]\nuser = ["user"]\nitem = ["film"]\n[settings]\nn_factors = 3\nvalidation_metric = "recall@5"\n'
        "max_iter = 2\nearly_stopping = false\n"
    )
    words = ("fit", "train.csv", "--task", "ranking", "--config", "c.toml", "--quiet", "--model", "m.fastfm")
    assert run(*words)[0] == 0
    assert load_model("m.fastfm").model.model.validation_metric == "recall@5"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--target", "plays"), "--target plays: a ranking has none, it learns from who chose what"),
        (("--validation", "test.csv"), "--validation test.csv: a ranking holds out events of TRAIN"),
        (("--user", "who"), "--user who: train.csv has no such column; it has user, film"),
        (("--item", "what"), "--item what: train.csv has no such column"),
        (("--context", "hour"), "--context hour: train.csv has no such column"),
        (("--weight", "stars"), "--weight stars: train.csv has no such column"),
        (("--item", "film", "tags"), "train.csv: item: items has no column 'tags'"),
        (("--title", "label"), "train.csv: title='label' is not a column of items"),
        (("--solver", "sgd"), "solver is no setting of a ranking"),
        (("--loss", "huber"), "loss must be one of "),
        (("--temperature", 0), "temperature of FMRanker must be a number of at least 0.001"),
        (("--similarity", "cosine", "--loss", "bpr"), 'similarity="cosine" needs loss="softmax"'),
        (("--unobserved-weight", 0.1), "unobserved_weight is not read with loss='softmax'"),
        (("--validation-metric", "auc"), 'validation_metric of FMRanker must be "recall@k" or "ndcg@k"'),
        (("--users", "films.csv"), "users has no column 'user', by which it is joined to the events"),
        (("--user", "film"), "user and item both name the column 'film'"),
    ],
)
def test_wrong_settings_are_errors_of_one_line_and_leave_no_file(run, files, words, message):
    code, out, err = run(*FIT, *words, "--quiet")
    assert (code, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1
    assert not (files / "m.fastfm").exists()


def test_numbered_features_are_refused(run, text_files):
    code, _, err = run("fit", "train.ffm", "--task", "ranking")
    assert code == 1
    assert "train.ffm is libffm text; a ranking is learned from tables" in err


@pytest.mark.parametrize("flag", ["--stream", "--bayesian"])
def test_a_ranking_has_no_stream_and_no_bayesian_model(run, files, capsys, flag):
    with pytest.raises(SystemExit, match="2"):
        run("fit", "train.csv", "--task", "ranking", flag)
    assert f"{flag} does not go with --task ranking" in capsys.readouterr().err


def test_a_loss_of_rankings_is_none_of_a_regression(run, files):
    code, _, err = run("fit", "train.csv", "--target", "plays", "--loss", "bpr", "--task", "regression")
    assert code == 1
    assert "loss must be one of" in err
    code, _, err = run("fit", "train.csv", "--target", "plays", "--n-negatives", 3, "--task", "regression")
    assert (code, "n_negatives is no setting of a regression" in err) == (1, True)


def test_the_same_seed_gives_the_same_model(run, files):
    for seed, name in ((0, "a"), (0, "b"), (1, "c")):
        run(*FIT[:-1], f"{name}.fastfm", "--seed", seed, "--quiet")
    a, b, c = (load_model(f"{name}.fastfm").model.model.V_ for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 0


@pytest.mark.filterwarnings("ignore:Training ended at max_iter")
def test_the_page_about_rankings_can_be_followed(run, tmp_path):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    events, users, films = (pd.DataFrame(table) for table in world())
    for table in (events, users):
        table["user_id"] = table["user"].str[1:].astype(int) + 10
    films["film_id"] = films["film"]
    events["film_id"] = events["film"]
    events[["user_id", "film_id"]].iloc[10:].to_csv("clicks.csv", index=False)
    events[["user_id", "film_id"]].iloc[:10].to_csv("held_out.csv", index=False)
    users[["user_id", "country"]].to_csv("users.csv", index=False)
    films[["film_id", "title", "genres"]].to_csv("films.csv", index=False)
    names = {"user_id": "userId", "film_id": "movieId"}
    events.assign(user_id=events["user_id"] - 9).rename(columns=names)[["userId", "movieId"]].to_csv("ratings.csv")
    films.rename(columns=names)[["movieId", "title", "genres"]].to_csv("movies.csv", index=False)
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## Who chose what\n(.+?)(?=^## )", page, re.M | re.S)
    printed = [run(*words) for _, *words in shell_commands(section)]
    assert [code for code, _, _ in printed] == [0] * 5
    assert len(printed[1][1].splitlines()) == 1 + 2 * 10
    assert printed[2][1].startswith("recall@10 ")
    assert printed[4][1].startswith("user,rank,item,score,title\n1,1,")
