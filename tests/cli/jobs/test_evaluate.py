"""`fastfm-ext evaluate`, run as a user would run it."""

import re

import numpy as np
import pytest

import command_cases
import ranking_files
from command_cases import COLUMNS, auc
from fastfm_ext import FMRanker, load_model, save_model
from ranking_files import FIT

run = command_cases.run
files = ranking_files.files
tables = command_cases.tables
text_files = command_cases.text_files


def test_a_ranking_is_scored_by_its_first_places(run, files):
    assert run(*FIT, "--quiet")[0] == 0
    code, out, err = run("evaluate", "m.fastfm", "test.csv", "-k", 3, 10, "--metrics", "recall", "auc")
    assert (code, err) == (0, "")
    table = load_model("m.fastfm").model
    values = dict(re.findall(r"(\S+) (0\.\d+|1\.0+)", out))
    pa = pytest.importorskip("pyarrow.csv")
    found = table.evaluate(pa.read_csv("test.csv"), k=[3, 10], metrics=["recall", "auc"])
    assert {name: float(value) for name, value in values.items()} == pytest.approx(
        {name: found[name] for name in ("recall@3", "recall@10", "auc")}, abs=1e-6
    )
    with open("test.csv", "a") as file:
        file.write("stranger,101,1,1,tv\n")
    assert "; 1 event of unknown users or items left out)" in run("evaluate", "m.fastfm", "test.csv")[1]
    assert run("evaluate", "m.fastfm", "train.csv", "--include-seen")[0] == 0


def test_other_models_are_scored_as_fit_scores_test_rows(run, tables, text_files):
    out = run("fit", "ratings.csv", *COLUMNS, "--test", "ratings.csv", "--quiet", "--model", "m.fastfm")[1]
    assert out.removeprefix("test ") == run("evaluate", "m.fastfm", "ratings.csv", "--target", "stars")[1]
    out = run("fit", "train.ffm", "--test", "test.ffm", "--quiet", "--model", "c.fastfm")[1]
    scored = run("evaluate", "c.fastfm", "test.ffm")[1]
    assert out.removeprefix("test ") == scored
    assert auc(scored) > 0.9


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("m.fastfm test.csv --target plays", "--target plays: m.fastfm is a ranking, which has none"),
        ("m.fastfm films.csv", "films.csv: user='user' is not a column of events; it has film, title, genres"),
        ("m.fastfm train.csv", "train.csv: held_out has no interaction with an item that is not in seen"),
        ("m.fastfm test.csv --metrics speed", "metrics must be some of"),
        ("r.fastfm test.csv", "r.fastfm: an FMRanker by itself"),
    ],
)
def test_wrong_questions_are_errors_of_one_line(run, files, words, message):
    assert run(*FIT, "--quiet")[0] == 0
    save_model("r.fastfm", FMRanker(n_factors=2, max_iter=1).fit(np.eye(4)[:2], np.eye(4)[2:], np.eye(2)))
    code, out, err = run("evaluate", *words.split())
    assert (code, out) == (1, "")
    assert message in err


def test_text_has_its_targets_in_its_labels(run, text_files):
    pytest.importorskip("faiss")
    run("fit", "train.ffm", "--quiet", "--max-iter", 2, "--model", "c.fastfm")
    code, _, err = run("evaluate", "c.fastfm", "test.ffm", "--target", "y")
    assert (code, "--target y: test.ffm is libffm text" in err) == (1, True)
    (text_files / "bare.svm").write_text("0:1 7:1\n")
    code, _, err = run("evaluate", "c.fastfm", "bare.svm")
    assert (code, "bare.svm has no labels to compare with" in err) == (1, True)


def test_a_table_needs_its_target(run, tables):
    run("fit", "ratings.csv", *COLUMNS, "--quiet", "--model", "m.fastfm")
    code, _, err = run("evaluate", "m.fastfm", "ratings.csv")
    assert (code, "--target: which column of ratings.csv to predict?" in err) == (1, True)
