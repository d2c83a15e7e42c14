"""`fastfm-ext fit`, and what holds for all commands on a user's own files."""

import gzip
import re
import subprocess
import sys

import numpy as np
import pytest

import command_cases
from command_cases import COLUMNS, auc, clicks
from fastfm_ext import FMClassifier, FMRanker, cli, load_model
from markdown_examples import shell_commands
from repository import ROOT

run = command_cases.run
tables = command_cases.tables
text_files = command_cases.text_files


@pytest.mark.parametrize("ending", ["svm.gz", "ffm"])
def test_text_is_trained_on_and_predicted(run, text_files, ending):
    parts = (f"--validation=valid.{ending}", f"--test=test.{ending}")
    code, out, err = run("fit", f"train.{ending}", *parts, "--n-factors", 4, "--model", "m.fastfm")
    assert (code, err) == (0, "")
    assert "train: 600 rows, 12 features, 1,200 values" in out
    assert "task: classification, since the target has two values" in out
    assert re.search(r"^epoch   1/100  train log loss \S+  validation log loss \S+  \S+ s$", out, re.M)
    assert auc(re.search(r"^test .*$", out, re.M)[0]) > 0.95
    assert "model saved to m.fastfm" in out
    code, out, err = run("predict", "m.fastfm", f"test.{ending}")
    assert (code, err) == (0, "200 rows predicted\n")
    model = load_model("m.fastfm").model
    X, _ = clicks(200, 2)
    np.testing.assert_array_equal(np.array(out.split(), np.float32), model.predict_proba(X)[:, 1].astype(np.float32))


def test_a_regression_on_text(run, text_files):
    (text_files / "data").write_text("".join(f"{i % 7}.5 {i % 7}:1\n" for i in range(100)))
    code, out, _ = run("fit", "data", "--test", "data", "-m", "m.fastfm")
    assert code == 0
    assert "task: regression, since the target has more than two values" in out
    assert float(re.search(r"^test RMSE (\S+)  MAE", out, re.M)[1]) < 0.5
    _, out, _ = run("predict", "m.fastfm", "data")
    assert np.corrcoef(np.array(out.split(), float)[:7], np.arange(7))[0, 1] > 0.95
    code, _, err = run("predict", "m.fastfm", "data", "--kind", "class")
    assert (code, "the model is a regressor" in err) == (1, True)


def test_more_than_two_classes(run, text_files):
    (text_files / "data.svm").write_text("".join(f"{i % 3} {i % 3}:1\n" for i in range(60)))
    assert run("fit", "data.svm", "--task", "classification", "-m", "m.fastfm", "--quiet")[0] == 0
    _, out, _ = run("predict", "m.fastfm", "data.svm")
    probabilities = np.array([line.split() for line in out.splitlines()], float)
    assert probabilities.argmax(axis=1).tolist() == [0, 1, 2] * 20


@pytest.mark.parametrize("labels", [("1", "2", "3"), ("-1", "0", "70"), ("-1", "1")])
@pytest.mark.parametrize("stream", [[], ["--stream", "--max-iter", 20]])
def test_classes_of_text_are_printed_as_they_are_written(run, text_files, labels, stream):
    n = len(labels)
    (text_files / "data.svm").write_text("".join(f"{labels[i % n]} {i % n}:1\n" for i in range(60)))
    words = ("fit", "data.svm", "--task", "classification", *stream, "-m", "m.fastfm", "--test", "data.svm", "--quiet")
    code, out, _ = run(*words)
    assert (code, "accuracy 1.000000" in out) == (0, True)
    assert run("predict", "m.fastfm", "data.svm", "--kind", "class", "--quiet")[1].split() == list(labels) * (60 // n)
    assert re.search(rf"^classes +{', '.join(labels)}$", run("inspect", "m.fastfm")[1], re.M)
    (text_files / "other.svm").write_text(f"9 0:1\n{labels[0]} 1:1\n")
    _, _, err = run("fit", "data.svm", "--task", "classification", "--max-iter", 1, "--test", "other.svm", "--quiet")
    assert f"there is a class 9 among the targets; the model knows {', '.join(labels)}\n" in err


@pytest.mark.parametrize("labels", [("low", "mid", "high"), ("yes", "no"), (1, 2, 3), (1.0, 2.0, 4.0), (True, False)])
@pytest.mark.parametrize("stream", [[], ["--stream", "--max-iter", 30]])
def test_classes_of_a_table_are_printed_as_they_are_written(run, tables, labels, stream):
    if stream:
        pytest.importorskip("pyarrow")
    tables["level"] = np.array(labels)[tables["film"] % len(labels)]
    tables.to_csv("levels.csv", index=False)
    task = [] if isinstance(labels[0], str) else ["--task", "classification"]
    words = ("fit", "levels.csv", "--target", "level", "--item", "film", *task, *stream, "-m", "m.fastfm")
    code, out, _ = run(*words, "--test", "levels.csv")
    assert (code, "accuracy 1.000000" in out) == (0, True)
    if len(labels) == 3 and not task:
        assert "task: classification, since the target is text (--task chooses)" in out
    _, out, _ = run("predict", "m.fastfm", "levels.csv", "--kind", "class", "--quiet")
    assert out.split() == [str(label) for label in tables["level"].tolist()]


@pytest.mark.parametrize("name", ["ratings.csv", "ratings.tsv", "ratings.parquet"])
def test_a_table_is_trained_on_and_predicted(run, tables, tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
        tables.to_parquet(tmp_path / name)
    code, out, err = run("fit", name, *COLUMNS, "--weight", "weight", "--test", name, "--model", "m.fastfm")
    assert (code, err) == (0, "")
    assert float(re.search(r"^test RMSE (\S+)", out, re.M)[1]) < 0.7
    saved = load_model("m.fastfm")
    assert saved.encoder.field_names_ == ["user", "age", "film", "genres"]
    code, out, _ = run("predict", "m.fastfm", name)
    expected = saved.model.predict(saved.encoder.transform(tables))
    np.testing.assert_array_equal(np.array(out.split(), np.float32), expected)


def test_columns_and_settings_from_a_file(run, tables, tmp_path):
    (tmp_path / "job.toml").write_text(
        '[columns]\ntarget = "stars"\nuser = ["user", {column = "age", kind = "numeric"}]\n'
        'item = ["film", {column = "genres", kind = "multi", sep = "|"}]\n'
        '[settings]\nn_factors = 3\nmax_iter = 2\nsolver = "sgd"\n'
    )
    assert run("fit", "ratings.csv", "--config", "job.toml", "--max-iter", 4, "-m", "m.fastfm", "--quiet")[0] == 0
    saved = load_model("m.fastfm")
    parameters = saved.model.get_params()
    assert (parameters["n_factors"], parameters["max_iter"], parameters["solver"]) == (3, 4, "sgd")
    assert saved.encoder.field_names_ == ["user", "age", "film", "genres"]


def test_without_columns_all_but_the_target_are_used(run, tables):
    assert run("fit", "ratings.csv", "--target", "stars", "--weight", "weight", "-m", "m.fastfm", "--quiet")[0] == 0
    encoder = load_model("m.fastfm").encoder
    assert encoder.field_names_ == ["user", "film", "age", "genres"]
    assert list(encoder.get_feature_names_out()).count("age") == 1


def test_flags_reach_the_estimator(run, text_files):
    flags = "--solver ftrl --n-factors 2 --learning-rate 0.2 --max-iter 3 --l2-w 0.5 --l2-V 0.25 --l1-w 0.1 --l1-V 0.2 "
    flags += "--init-stdev 0.3 --validation-fraction 0.2 --n-iter-no-change 2 --tol 0.01 --n-jobs 1 --seed 7 "
    flags += "--clip-gradient 0.7 --early-stopping --no-refit --no-fit-intercept --no-fit-linear --no-shuffle"
    assert run("fit", "train.ffm", *flags.split(), "--quiet", "-m", "m.fastfm")[0] == 0
    parameters = load_model("m.fastfm").model.get_params()
    expected = {"solver": "ftrl", "n_factors": 2, "learning_rate": 0.2, "max_iter": 3, "l2_w": 0.5, "l2_V": 0.25}
    expected |= {"l1_w": 0.1, "l1_V": 0.2, "init_stdev": 0.3, "validation_fraction": 0.2, "n_iter_no_change": 2}
    expected |= {"clip_gradient": 0.7}
    expected |= {"tol": 0.01, "n_jobs": 1, "random_state": 7, "early_stopping": True, "refit": False}
    expected |= {"fit_intercept": False, "fit_linear": False, "shuffle": False}
    assert {name: parameters[name] for name in expected} == expected


def test_flags_of_l2_reach_the_estimator(run, text_files):
    flags = ["--l2-exponent", "0.5", "--adaptive-l2", "--early-stopping"]
    assert run("fit", "train.ffm", *flags, "--quiet", "-m", "m.fastfm")[0] == 0
    model = load_model("m.fastfm").model
    assert (model.l2_exponent, model.adaptive_l2) == (0.5, True)


@pytest.mark.parametrize(("words", "expected"), [("balanced", "balanced"), ("1=2.5", {1: 2.5})])
def test_class_weights_reach_the_classifier(run, text_files, words, expected):
    assert run("fit", "train.ffm", "--class-weight", words, "--quiet", "-m", "m.fastfm")[0] == 0
    assert load_model("m.fastfm").model.class_weight == expected


@pytest.mark.parametrize(("words", "message"), [("even", "neither balanced nor"), ("a=b", "'b' is not a number")])
def test_class_weights_that_are_none_are_wrong_usage(text_files, capsys, words, message):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["fit", "train.ffm", "--class-weight", words])
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("stream", [[], ["--stream"]], ids=["whole", "stream"])
def test_a_bar_shows_progress_in_place_of_lines(run, text_files, monkeypatch, stream):
    pytest.importorskip("tqdm")
    monkeypatch.setattr("fastfm_ext._estimators.listeners.BAR_DELAY", 0)
    code, out, err = run("fit", "train.ffm", *stream, "--max-iter", 2, "--progress", "bar")
    assert (code, "epoch   1" in out) == (0, False)
    assert re.search(r"100%.*log loss", err)
    code, out, err = run("fit", "train.ffm", *stream, "--max-iter", 2, "--progress", "lines")
    assert (code, "epoch   1/2" in out, err) == (0, True, "")


def test_a_bar_is_the_default_on_a_terminal_alone(run, text_files, monkeypatch):
    pytest.importorskip("tqdm")
    assert "epoch   1/2" in run("fit", "train.ffm", "--max-iter", 2)[1]
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert "epoch   1/2" not in run("fit", "train.ffm", "--max-iter", 2)[1]
    assert "epoch   1/2" in run("fit", "train.ffm", "--max-iter", 2, "--progress", "lines")[1]


def test_every_hyperparameter_has_a_flag(capsys):
    with pytest.raises(SystemExit):
        cli.main(["fit", "--help"])
    out = capsys.readouterr().out
    without = {"warm_start", "verbose", "random_state"}
    for name in {*FMClassifier().get_params(), *FMRanker().get_params()} - without:
        assert re.search(rf"--(no-)?{name.replace('_', '-')}\b", out), name
    assert "--seed" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "nowhere.svm"], "nowhere.svm: No such file or directory"),
        (["fit", "bad.svm"], "bad.svm, line 2, column 3: 'x' has no colon. A line is \"label id:value id:value ...\"."),
        (["fit", "what"], "what: neither its name nor its first line tells what it is; say --format "),
        (["fit", "train.ffm", "--model", "no/m"], "--model no/m: there is no folder no"),
        (["fit", "train.ffm", "--model", "."], "--model .: this is a folder, not a file"),
        (["fit", "many.svm"], "many.svm: the labels are classes, and those from 16,777,216 on cannot be told apart"),
        (["fit", "train.ffm", "--target", "y"], "train.ffm is libffm text, which has no columns to name"),
        (["fit", "train.ffm", "--test", "ratings.csv"], "tables and numbered features cannot be mixed: train.ffm is "),
        (["fit", "train.ffm", "--l1-w", "1"], 'l1_w needs solver="ftrl"'),
        (["fit", "train.ffm", "--config", "odd.toml"], "odd.toml: there is no place for 'colour'; only for tables"),
        (["fit", "train.ffm", "--config", "bad.toml"], "bad.toml: not a TOML file: "),
        (["fit", "train.ffm", "--config", "set.toml"], "[settings] factors: there is no such setting; there are "),
        (["fit", "ratings.csv", "--config", "col.toml"], "column 'user': 'hot' is not one of category, "),
        (["fit", "ratings.csv", "--config", "opt.toml"], "column 'age': numeric has no option 'scale'; it has "),
        (
            ["fit", "ratings.csv", "--config", "key.toml"],
            "key.toml: [columns] has 'users'; it can have context, item, ",
        ),
        (["fit", "ratings.csv", "--config", "type.toml"], "type.toml: user in [columns] must be a list, not 'user'"),
        (
            ["fit", "train.ffm", "--config", "word.toml"],
            "error: n_factors must be an integer of at least 0; got 'eight'",
        ),
        (
            ["fit", "train.ffm", "--config", "seed.toml"],
            "error: random_state must be a whole number of at least 0; got ",
        ),
        (["fit", "train.ffm", "--config", "loss.toml"], "error: loss must be one of ('squared', 'huber'); got 'x'"),
        (["fit", "train.ffm", "--loss", "huber", "--task", "classification"], "loss is no setting of a classification"),
        (["fit", "train.ffm", "--loss", "huber"], "loss is no setting of a classification; leave it out, or choose "),
        (["fit", "ratings.csv", "--target", "stars", "--item", "stars"], "--item stars: this column is the target"),
        (["fit", "ratings.csv", "--target", "stars", "--user", "stars:numeric"], "--user stars: this column is the ta"),
        (["fit", "ratings.csv", "--target", "stars", "--weight", "stars"], "--target stars: this column is the --weig"),
        (
            ["fit", "ratings.csv", "--target", "genres", "--task", "regression", "--user", "user"],
            "the target 'genres' holds text, such as 'Action|Drama', and not numbers; --task classification takes ",
        ),
        (["fit", "ratings.csv"], "--target: which column of ratings.csv to predict? It has user, film, age, "),
        (["fit", "ratings.csv", "--target", "x"], "--target x: ratings.csv has no such column; it has user, film, "),
        (["fit", "gaps.csv", "--target", "y"], "gaps.csv: the target 'y' is missing in data row 2"),
        (["fit", "empty.csv", "--target", "y"], "empty.csv: the file is empty"),
        (["predict", "train.ffm", "train.ffm"], "train.ffm: not a fastfm-ext model file"),
        (
            ["predict", "m.fastfm", "ratings.csv"],
            "ratings.csv is a table, and m.fastfm was trained on numbered features",
        ),
        (
            ["predict", "t.fastfm", "train.ffm"],
            "train.ffm is libffm text, and t.fastfm was trained on columns of a table",
        ),
        (["recommend", "m.fastfm", "train.ffm"], "m.fastfm holds no items; name their file with --items"),
        (["recommend", "t.fastfm", "users.csv", "--seen", "users.csv"], "there is no column 'film' in it"),
        (["recommend", "u.fastfm", "users.csv"], "u.fastfm holds no items; name their file with --items"),
        (["recommend", "u.fastfm", "users.csv", "--items", "films.csv"], "trained without columns of the item's side"),
    ],
)
def test_a_failure_is_one_line_and_exit_code_1(run, text_files, tables, tmp_path, arguments, message):
    files = {
        "bad.svm": "1 0:1\n1 x\n",
        "many.svm": "123456789 0:1\n123456790 1:1\n",
        "what": "hello, world\n",
        "odd.toml": "[colour]\n",
        "bad.toml": "[columns\n",
        "set.toml": "[settings]\nfactors = 3\n",
        "word.toml": '[settings]\nn_factors = "eight"\n',
        "seed.toml": '[settings]\nrandom_state = "x"\n',
        "loss.toml": '[settings]\nloss = "x"\n',
        "col.toml": '[columns]\nuser = [{column = "user", kind = "hot"}]\n',
        "opt.toml": '[columns]\nuser = [{column = "age", kind = "numeric", scale = 3}]\n',
        "key.toml": '[columns]\nusers = ["user"]\n',
        "type.toml": '[columns]\nuser = "user"\n',
        "gaps.csv": "x,y\n1,2\n2,\n",
        "empty.csv": "",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    for model in {word for word in arguments if word.endswith(".fastfm")}:
        columns = {"t.fastfm": COLUMNS, "u.fastfm": COLUMNS[:5]}.get(model)
        made = ("fit", "ratings.csv", *columns) if columns else ("fit", "train.ffm")
        assert run(*made, "--model", model, "--max-iter", 1, "--quiet")[0] == 0
    code, out, err = run(*arguments)
    assert code == 1
    assert out == "" or arguments[0] == "fit"
    assert err.startswith("fastfm-ext: error: ")
    assert message in err
    assert err.count("\n") == 1


def test_it_runs_as_a_program_and_in_a_pipe(text_files):
    command = [sys.executable, "-m", "fastfm_ext"]
    fit = [*command, "fit", "train.ffm", "--model", "m.fastfm", "--quiet"]
    subprocess.run(fit, cwd=text_files, check=True)
    predict = [*command, "predict", "m.fastfm", "test.ffm"]
    result = subprocess.run(predict, cwd=text_files, capture_output=True, text=True, check=True)
    assert len(result.stdout.splitlines()) == 200
    assert result.stderr == "200 rows predicted\n"


def test_the_page_about_the_command_line_can_be_followed(run, text_files, tables, tmp_path):
    for package in ("pyarrow", "onnx"):
        pytest.importorskip(package, reason=f"needs {package}")
    for name in ("train", "valid", "test"):
        (tmp_path / f"{name}.libsvm").write_bytes(gzip.decompress((tmp_path / f"{name}.svm.gz").read_bytes()))
    for name in ("ratings", "users"):
        path = tmp_path / f"{name}.csv"
        header, rest = path.read_text().split("\n", 1)
        path.write_text(header.replace("user", "user_id").replace("film", "film_id") + "\n" + rest)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "day.libsvm").write_bytes((tmp_path / "train.libsvm").read_bytes())
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    page = re.sub(r"^## Who chose what\n.+?(?=^## )", "", page, flags=re.M | re.S)  # followed by a test of its own
    commands = shell_commands(page)
    assert len(commands) == 10
    for program, *words in commands:
        assert program == "fastfm-ext"
        assert run(*words)[0] == 0
    (config,) = re.findall(r"^```toml\n(.+?)^```", page, re.M | re.S)
    (tmp_path / "job.toml").write_text(config)
    assert run("fit", "ratings.csv", "--config", "job.toml", "-m", "films.fastfm", "--quiet") == (0, "", "")
    assert load_model("films.fastfm").model.n_factors == 8


def test_frappe(run, data_dir):
    folder = data_dir / "frappe-nfm"
    parts = [folder / f"frappe.{part}.libfm.xz" for part in ("train.rebuilt", "validation", "test")]
    code, out, _ = run("fit", parts[0], "--validation", parts[1], "--test", parts[2], "--max-iter", 100)
    assert code == 0
    assert auc(re.search(r"^test .*$", out, re.M)[0]) > 0.97


STREAM = pytest.mark.parametrize("stream", [(), ("--stream",)], ids=["whole", "stream"])


@STREAM
def test_two_fractions_are_numbers_and_not_classes(run, tmp_path, stream):
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    (tmp_path / "t.csv").write_text("user,stars\n" + "a,0.5\nb,1.5\n" * 20)
    code, out, _ = run("fit", "t.csv", "--target", "stars", "--user", "user", *stream, "--test", "t.csv")
    assert (code, "task: regression, since the target has fractions (--task chooses)" in out) == (0, True)
    assert "test RMSE " in out


@STREAM
@pytest.mark.parametrize(("value", "shown"), [("yes", "'yes'"), ("3", "3"), ("True", "'True'")])
def test_a_target_of_one_class_is_named(run, tmp_path, value, shown, stream):
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    (tmp_path / "t.csv").write_text("user,bought\n" + f"a,{value}\nb,{value}\n" * 20)
    code, _, err = run("fit", "t.csv", "--target", "bought", "--user", "user", *stream)
    assert (code, f"--target bought: all rows of t.csv have the value {shown}, and" in err) == (1, True)


def test_a_missing_weight_is_named(run, tmp_path):
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    (tmp_path / "t.csv").write_text("user,stars,w\na,1,1\nb,2,\na,3,1\n")
    code, _, err = run("fit", "t.csv", "--target", "stars", "--user", "user", "--weight", "w")
    assert (code, err) == (1, "fastfm-ext: error: t.csv: the weight 'w' is missing in data row 2\n")


def test_balanced_classes_of_a_stream_are_refused_in_words_of_the_command_line(run, text_files):
    code, _, err = run("fit", "train.ffm", "--stream", "--class-weight", "balanced")
    assert (code, "--class-weight balanced counts all rows, and --stream" in err) == (1, True)


def test_help_names_no_empty_default(capsys):
    with pytest.raises(SystemExit):
        cli.main(["fit", "--help"])
    assert "()" not in capsys.readouterr().out


@STREAM
@pytest.mark.parametrize(("text", "why"), [("", "there are no rows"), ("1\n-1\n", "there are no values: a line is")])
def test_text_without_rows_or_values_is_named(run, tmp_path, text, why, stream):
    (tmp_path / "t.svm").write_text(text)
    code, _, err = run("fit", "t.svm", *stream)
    assert (code, err.startswith(f"fastfm-ext: error: t.svm: {why}")) == (1, True)


def test_a_table_that_cannot_be_encoded_is_named(run, tmp_path):
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    (tmp_path / "t.csv").write_text("user,film,stars\n" + "a,x,1\nb,y,2\nc,x,4\n" * 5)
    assert run("fit", "t.csv", "--target", "stars", "--user", "user", "--item", "film", "-m", "m.fm", "--quiet")[0] == 0
    (tmp_path / "users.csv").write_text("user\na\n")
    (tmp_path / "empty.csv").write_text("user,film\n")
    assert run("predict", "m.fm", "users.csv")[2].startswith("fastfm-ext: error: users.csv: X has no column 'film'")
    assert run("predict", "m.fm", "empty.csv")[2].startswith("fastfm-ext: error: empty.csv: X is empty")


def test_a_table_in_another_encoding_is_told_to_be_saved_anew(run, tmp_path):
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    (tmp_path / "t.csv").write_bytes("film,stars\nAmélie,1\nx,2\n".encode("latin-1"))
    code, _, err = run("fit", "t.csv", "--target", "stars", "--item", "film")
    assert (code, err.startswith("fastfm-ext: error: t.csv: ")) == (1, True)
    assert "save the file in the encoding UTF-8" in err
