"""`fastfm-ext fit --stream`, run on small files as a user would run it."""

import re

import numpy as np
import pytest

from fastfm_ext import cli, load_model
from fastfm_ext.text_formats import write_libffm, write_libsvm
from stream_cases import assert_same_states, rows

pytest.importorskip("pyarrow", reason="needs pyarrow")
pd = pytest.importorskip("pandas", reason="needs pandas")

COLUMNS = ("--target", "stars", "--user", "user", "age:numeric", "--item", "film", "genres:multi:sep=|")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run `fit` in a folder of its own; return its exit code and what it has printed."""
    monkeypatch.chdir(tmp_path)

    def run_fit(*arguments):
        code = cli.main(["fit", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_fit


@pytest.fixture
def logs(tmp_path):
    """The same rows in two files of a folder, and in one; others to validate on, with a feature of their own."""
    X, y = rows()
    clicked = np.where(y > 0, 1, -1)
    (tmp_path / "logs").mkdir()
    for name, part in (("logs/a.libsvm", slice(0, 700)), ("logs/b.libsvm", slice(700, 1500)), ("all.svm", slice(None))):
        write_libsvm(tmp_path / name, X[part], clicked[part])
    write_libffm(tmp_path / "all.ffm", X, clicked, fields=X.indices // 20)
    X, y = rows(seed=5, n_rows=300)
    write_libsvm(tmp_path / "valid.svm", X, np.where(y > 0, 1, -1))
    with (tmp_path / "valid.svm").open("a") as file:
        file.write("1 3:1 30:1 99:1\n")
    return tmp_path


@pytest.fixture
def tables(tmp_path):
    """Ratings as a table, as CSV and Parquet; some cells are empty."""
    rng = np.random.default_rng(0)
    user, film = rng.integers(0, 20, 600), rng.integers(0, 15, 600)
    frame = pd.DataFrame({"user": user + 1, "film": [f"f{i}" for i in film], "age": 20.5 + user})
    frame["genres"] = np.where(film % 2, "Action|Drama", "Comedy")
    frame.loc[frame["film"] == "f3", "genres"] = None
    frame["seen"] = "2020-01-0" + pd.Series(1 + film % 9).astype(str)
    frame["stars"] = 3.0 + np.where(film < 5, 1.0, -1.0) + np.where(user % 2, 0.5, -0.5) + rng.normal(0, 0.1, 600)
    frame.to_csv(tmp_path / "ratings.csv", index=False)
    frame.to_csv(tmp_path / "ratings.tsv", index=False, sep="\t")
    frame.to_parquet(tmp_path / "ratings.parquet")
    return frame


@pytest.mark.parametrize("data", ["logs", "all.svm", "all.ffm"])
def test_a_stream_trains_what_memory_trains(run, logs, data):
    common = ("--max-iter", 3, "--no-shuffle", "--no-early-stopping", "--validation", "valid.svm")
    code, out, err = run(data, "--stream", *common, "--model", "s.fastfm")
    assert (code, err) == (0, "")
    assert "train: 1,500 rows, 60 features, looked through in" in out
    assert "task: classification, since the target has two values" in out
    assert re.search(r"^epoch   3/3  train log loss \S+  validation log loss \S+  \S+ s$", out, re.M)
    _, in_memory, _ = run("all.svm", *common, "--model", "m.fastfm")
    assert_same_states(load_model("s.fastfm").model, load_model("m.fastfm").model)
    errors = re.compile(r"^validation (.+)$", re.M)
    assert errors.search(out)[1] == errors.search(in_memory)[1]


def test_a_fit_goes_on_from_its_checkpoint(run, logs):
    common = ("logs", "--stream", "--buffer-rows", 200, "--cache", "rows", "--quiet")
    assert run(*common, "--max-iter", 4, "--model", "whole.fastfm") == (0, "", "")
    part = (*common, "--checkpoint", "fit.fastfm", "--checkpoint-every", 0)
    assert run(*part, "--max-iter", 2, "--model", "part.fastfm") == (0, "", "")
    assert run(*part, "--max-iter", 4, "--model", "whole-again.fastfm") == (0, "", "")
    assert_same_states(load_model("whole-again.fastfm").model, load_model("whole.fastfm").model)
    code, _, err = run(*part, "--max-iter", 4, "--n-factors", 3)
    assert code == 1
    assert "n_factors was 16 and is 3" in err


def test_without_validation_and_a_number_of_epochs_there_is_one(run, logs):
    code, out, _ = run("logs", "--stream", "--test", "valid.svm")
    assert code == 0
    assert "trained for 1 epoch in" in out
    assert re.search(r"^test log loss \S+  AUC \S+  accuracy \S+$", out, re.M)


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_tables_stream_as_they_are_read_at_once(run, tables, ending):
    common = (
        f"ratings.{ending}",
        *COLUMNS,
        "--context",
        "seen",
        "--max-iter",
        3,
        "--no-shuffle",
        "--no-early-stopping",
    )
    code, out, err = run(*common, "--stream", "--test", f"ratings.{ending}", "--model", "s.fastfm")
    assert (code, err) == (0, "")
    assert "train: 600 rows, 48 features" in out
    _, in_memory, _ = run(*common, "--test", f"ratings.{ending}", "--model", "m.fastfm")
    streamed, whole = load_model("s.fastfm"), load_model("m.fastfm")
    names = streamed.encoder.get_feature_names_out().tolist()
    assert names == whole.encoder.get_feature_names_out().tolist()
    assert_same_states(streamed.model, whole.model)
    assert sorted(streamed.index.ids) == sorted(whole.index.ids)
    assert re.search(r"^test .+$", out, re.M)[0] == re.search(r"^test .+$", in_memory, re.M)[0]
    assert cli.main(["predict", "s.fastfm", f"ratings.{ending}", "--quiet", "-o", "p.txt"]) == 0


def test_many_batches_of_a_table_are_learned(run, tables, monkeypatch):
    from fastfm_ext import streaming

    tables = pd.concat([tables] * 3).sample(frac=1, random_state=0)
    tables.to_parquet("ratings.parquet")
    original = streaming.ParquetSource.__init__
    monkeypatch.setattr(streaming.ParquetSource, "__init__", lambda *a, **k: original(*a, **k | {"batch_rows": 100}))
    assert run("ratings.parquet", *COLUMNS, "--stream", "--quiet", "--model", "s.fastfm") == (0, "", "")
    saved = load_model("s.fastfm")
    counts = np.bincount(saved.encoder.fields_)
    assert dict(zip(saved.encoder.field_names_, counts.tolist(), strict=True)) == {
        "user": 20,
        "age": 1,
        "film": 15,
        "genres": 3,
    }
    assert len(saved.index) == 15
    assert saved.model.n_features_in_ == 39


def test_what_cannot_be_streamed_is_said(run, logs, tables, capsys):
    with pytest.raises(SystemExit, match="2"):
        run("logs", "--checkpoint", "c")
    assert "--checkpoint goes with --stream" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        run("logs", "--stream", "--solver", "als")
    assert "--solver als needs all rows at once, and does not go with --stream" in capsys.readouterr().err
    (logs / "logs" / "c.csv").write_text("a\n1\n")
    assert "csv and libsvm files in this folder" in run("logs", "--stream")[2]
    tables.loc[7, "stars"] = None
    tables.to_parquet("ratings.parquet")
    code, _, err = run("ratings.parquet", *COLUMNS, "--stream")
    assert code == 1
    assert "the target 'stars' is missing in data row 8" in err
    tables.head(0).to_csv("none.csv", index=False)
    assert "there are no rows in it" in run("none.csv", *COLUMNS, "--stream")[2]


@pytest.mark.parametrize("name", ["ratings.csv", "ratings.parquet"])
def test_columns_that_nobody_has_named_are_chosen_as_in_memory(run, tables, name):
    code, in_memory, _ = run(name, "--target", "stars", "--max-iter", 1, "--model", "m.fastfm")
    assert code == 0
    code, streamed, err = run(name, "--target", "stars", "--stream", "--max-iter", 1, "--model", "s.fastfm")
    assert (code, err) == (0, "")
    shown = (
        "columns: categorical('user'), categorical('film'), numeric('age'), categorical('genres'), categorical('seen')"
    )
    assert shown in in_memory
    assert shown in streamed
    of_memory, of_stream = (load_model(file).encoder for file in ("m.fastfm", "s.fastfm"))
    assert of_memory.columns_ == of_stream.columns_
    assert set(of_memory.get_feature_names_out()) == set(of_stream.get_feature_names_out())


def test_columns_that_are_named_are_not_printed(run, tables):
    for stream in ([], ["--stream"]):
        code, out, _ = run("ratings.csv", *COLUMNS, *stream, "--max-iter", 1)
        assert code == 0
        assert "columns:" not in out
