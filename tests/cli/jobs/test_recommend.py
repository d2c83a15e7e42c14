"""`fastfm-ext recommend`, run as a user would run it."""

import csv
import json

import numpy as np
import pytest

import command_cases
from command_cases import COLUMNS, N_USERS
from fastfm_ext import FMRanker, load_model, save_model

run = command_cases.run
tables = command_cases.tables
text_files = command_cases.text_files


def test_the_best_items_of_each_user_are_recommended(run, tables, tmp_path):
    run("fit", "ratings.csv", *COLUMNS, "--model", "m.fastfm", "--quiet")
    code, out, err = run("recommend", "m.fastfm", "users.csv", "--seen", "ratings.csv", "-n", 3)
    assert (code, err) == (0, f"recommended out of {tables['film'].nunique()} items to {N_USERS} users\n")
    header, *rows = (line.split(",") for line in out.splitlines())
    assert header == ["user", "rank", "item", "predicted"]
    saved = load_model("m.fastfm")
    films = tables[["film", "genres"]].drop_duplicates()
    for user in (1, 2, 20):
        own = [row for row in rows if row[0] == str(user)]
        unseen = films[~films["film"].isin(tables.loc[tables["user"] == user, "film"])]
        scores = saved.model.predict(saved.encoder.transform(unseen.assign(user=user, age=19.5 + user)))
        assert [int(row[1]) for row in own] == [1, 2, 3]
        np.testing.assert_allclose([float(row[3]) for row in own], np.sort(scores)[::-1][:3], rtol=1e-4)
        assert {int(row[2]) for row in own} <= set(unseen["film"])


def test_items_can_be_given_as_a_file(run, tables, tmp_path):
    run("fit", "ratings.csv", *COLUMNS, "--model", "m.fastfm", "--quiet")
    (tmp_path / "few.csv").write_text("film,genres\n103,Comedy\n999,Drama\n")
    code, _, err = run("recommend", "m.fastfm", "users.csv", "--items", "few.csv", "-o", "top.csv", "--quiet")
    assert (code, err) == (0, "")
    items = [line.split(",")[2] for line in (tmp_path / "top.csv").read_text().splitlines()[1:]]
    assert sorted(set(items)) == ["103", "999"]
    assert len(items) == 2 * N_USERS


def test_users_and_items_as_text(run, text_files):
    pytest.importorskip("faiss")
    run("fit", "train.ffm", "--quiet", "--model", "m.fastfm")
    (text_files / "users.svm").write_text("70 0:1\n71 1:1\n")
    (text_files / "items.svm").write_text("".join(f"{6 + i}:1\n" for i in range(6)))
    code, out, _ = run("recommend", "m.fastfm", "users.svm", "--items", "items.svm", "-n", 3, "--quiet")
    rows = [line.split(",") for line in out.splitlines()[1:]]
    assert code == 0
    assert {int(item) for user, _, item, _ in rows if user == "70"} == {1, 3, 5}
    assert {int(item) for user, _, item, _ in rows if user == "71"} == {0, 2, 4}
    assert all(0.5 < float(row[3]) < 1 for row in rows)


@pytest.mark.parametrize("users", [("123456789", "123456790", "16777217"), ("987654321987654321", "0042", "anne,née")])
def test_users_and_items_of_text_are_named_as_they_are_written(run, text_files, users):
    run("fit", "train.ffm", "--quiet", "--max-iter", 2, "--model", "m.fastfm")
    (text_files / "users.svm").write_text("".join(f"{user} {i}:1\n" for i, user in enumerate(users)), encoding="utf-8")
    (text_files / "items.svm").write_text("".join(f"20000000{i}0000001 {6 + i}:1\n" for i in range(6)))
    code, out, _ = run("recommend", "m.fastfm", "users.svm", "--items", "items.svm", "-n", 6, "--quiet")
    rows = list(csv.reader(out.splitlines()[1:]))
    assert code == 0
    assert list(dict.fromkeys(row[0] for row in rows)) == list(users)
    assert {row[2] for row in rows} == {f"20000000{i}0000001" for i in range(6)}
    assert run("export", "m.fastfm", "u.npz", "--what", "users", "--rows", "users.svm", "--quiet") == (0, "", "")
    assert np.load("u.npz")["id"].astype(str).tolist() == list(users)


def test_a_ranker_recommends_and_predicts_nothing(run, text_files):
    pytest.importorskip("faiss")
    model = FMRanker(n_factors=2, max_iter=2, random_state=0).fit(np.eye(12)[:6], np.eye(12)[6:], np.eye(6))
    save_model("r.fastfm", model)
    code, _, err = run("predict", "r.fastfm", "test.ffm")
    assert (code, "ranks items and predicts no values; use recommend" in err) == (1, True)
    (text_files / "users.svm").write_text("0:1\n1:1\n")
    (text_files / "items.svm").write_text("".join(f"{6 + i}:1\n" for i in range(6)))
    code, out, _ = run("recommend", "r.fastfm", "users.svm", "--items", "items.svm", "-n", 2)
    assert (code, len(out.splitlines())) == (0, 5)
    assert json.loads(run("inspect", "r.fastfm", "--json")[1])["model"] == "FMRanker"
