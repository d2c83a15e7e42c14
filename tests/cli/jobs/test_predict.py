"""`fastfm-ext predict`, run as a user would run it."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

import command_cases
from command_cases import clicks
from fastfm_ext import FMClassifier, FMEncoder, load_model, save_model

run = command_cases.run
text_files = command_cases.text_files


def test_kinds_of_predictions(run, text_files):
    assert run("fit", "train.ffm", "--quiet", "--model", "m.fastfm") == (0, "", "")
    model, X = load_model("m.fastfm").model, clicks(200, 2)[0]
    code, out, err = run("predict", "m.fastfm", "test.svm.gz", "--kind", "class", "--quiet", "-o", "classes.txt")
    assert (code, out, err) == (0, "", "")
    classes = (text_files / "classes.txt").read_text().split()
    np.testing.assert_array_equal(np.array(classes, float), model.predict(X))
    _, out, _ = run("predict", "m.fastfm", "test.svm.gz", "--kind", "score")
    np.testing.assert_array_equal(np.array(out.split(), np.float32), model.decision_function(X))
    code, _, err = run("predict", "m.fastfm", "test.svm.gz", "--kind", "value")
    assert (code, err) == (
        1,
        "fastfm-ext: error: --kind value: the model is a classifier; choose probability, class or score\n",
    )


def test_rows_without_labels_and_unknown_features_are_predicted(run, text_files):
    run("fit", "train.ffm", "--quiet", "--model", "m.fastfm")
    (text_files / "new.libsvm").write_text("3:1 7:1\n3:1 7:1 500:2.5\n# a comment\n500:1\n")
    code, out, err = run("predict", "m.fastfm", "new.libsvm")
    assert code == 0
    first, second, third = map(float, out.split())
    assert first == second != third
    assert err == "new.libsvm: 2 values of features that the model does not know left out\n3 rows predicted\n"


def test_features_that_training_lacks_are_left_out_of_validation(run, text_files):
    (text_files / "odd.libsvm").write_text("1 3:1 99:1\n-1 3:1 6:1\n")
    code, out, _ = run("fit", "train.ffm", "--validation", "odd.libsvm")
    assert code == 0
    assert "odd.libsvm: 1 value of features that do not occur in training left out" in out


def test_a_pipeline_that_python_has_saved_predicts_a_table(run, tmp_path):
    table = {"city": ["Rome", "Oslo"] * 10, "age": [20.5, 30.25] * 10}
    pipeline = make_pipeline(FMEncoder(), FMClassifier(2, random_state=0)).fit(table, [0, 1] * 10)
    save_model("m.fastfm", pipeline)
    (tmp_path / "new.csv").write_text("city,age\nOslo,30.25\nRome,20.5\n")
    code, out, _ = run("predict", "m.fastfm", "new.csv")
    assert code == 0
    expected = pipeline.predict_proba({"city": ["Oslo", "Rome"], "age": [30.25, 20.5]})[:, 1]
    np.testing.assert_allclose(np.array(out.split(), float), expected, rtol=1e-6)
    code, out, _ = run("inspect", "m.fastfm")
    assert code == 0
    assert "features of the columns" in out


def test_predictions_of_targets_far_from_zero_keep_their_digits(run, text_files):
    targets = 1e9 + np.arange(60) % 3
    lines = ["meter,reading", *(f"m{row % 3},{target:.1f}" for row, target in enumerate(targets))]
    (text_files / "far.csv").write_text("\n".join(lines) + "\n")
    assert run("fit", "far.csv", "--target", "reading", "--user", "meter", "--quiet", "--model", "far.fastfm")[0] == 0
    code, out, _ = run("predict", "far.fastfm", "far.csv")
    assert code == 0
    np.testing.assert_allclose(np.array(out.split(), float), targets, rtol=0, atol=0.3)


def test_bayesian_models_predict_with_a_standard_deviation(run, tmp_path):
    rng = np.random.default_rng(0)
    user, film = rng.integers(0, 20, 400), rng.integers(0, 15, 400)
    stars = 3 + np.sin(user) + np.cos(film) + 0.3 * rng.normal(size=400)
    lines = [f"{u},{f},{s:.3f}" for u, f, s in zip(user, film, stars, strict=True)]
    (tmp_path / "train.csv").write_text("\n".join(["user,film,stars", *lines[:300]]) + "\n")
    (tmp_path / "test.csv").write_text("\n".join(["user,film,stars", *lines[300:]]) + "\n")
    named = ("--target", "stars", "--user", "user", "--item", "film", "--bayesian", "--max-sweeps", "60")
    code, out, _ = run("fit", "train.csv", *named, "--n-factors", "2", "--test", "test.csv", "--model", "m.fastfm")
    assert code == 0
    assert "burn-in; chance raises the error by" in out
    model = load_model("m.fastfm").model
    assert len(np.unique(model.fields)) == 2
    _, out, _ = run("predict", "m.fastfm", "test.csv", "--std", "--quiet")
    mean, std = np.array([line.split() for line in out.splitlines()], float).T
    assert np.sqrt(np.mean((mean - stars[300:]) ** 2)) < 0.5
    assert ((std > 0.2) & (std < 1)).all()
    _, out, _ = run("predict", "m.fastfm", "test.csv", "--quiet")
    np.testing.assert_allclose(np.array(out.split(), float), mean, rtol=1e-6)
    code, out, _ = run("recommend", "m.fastfm", "test.csv", "--quiet")
    assert (code, out.splitlines()[0]) == (0, "user,rank,item,predicted")
    code, out, _ = run("inspect", "m.fastfm")
    assert code == 0
    assert "draws kept" in out


def test_a_config_file_centers_a_bayesian_model(run, tmp_path):
    rng = np.random.default_rng(0)
    user, film = rng.integers(0, 20, 400), rng.integers(0, 15, 400)
    stars = 3 + user % 3 + np.cos(film) + 0.3 * rng.normal(size=400)
    lines = [f"{u},{u % 3},{f},{s:.3f}" for u, f, s in zip(user, film, stars, strict=True)]
    (tmp_path / "train.csv").write_text("\n".join(["user,job,film,stars", *lines]) + "\n")
    (tmp_path / "new.csv").write_text("user,job,film,stars\n97,0,3,0\n98,2,3,0\n")
    (tmp_path / "set.toml").write_text('[settings]\nform = "centered"\nmax_sweeps = 60\nn_factors = 2\n')
    named = ("--target", "stars", "--user", "user", "job:categorical", "--item", "film", "--bayesian")
    code, _, err = run("fit", "train.csv", *named, "--config", "set.toml", "--test", "train.csv", "--model", "m.fastfm")
    assert code == 0, err
    assert load_model("m.fastfm").model.form == "centered"
    code, out, _ = run("predict", "m.fastfm", "new.csv", "--quiet")
    assert code == 0
    first, second = map(float, out.split())
    assert second - first > 0.5
    assert run("recommend", "m.fastfm", "new.csv", "--quiet")[0] == 0


def test_a_standard_deviation_needs_a_bayesian_model(run, text_files):
    run("fit", "train.ffm", "--quiet", "--model", "m.fastfm")
    code, _, err = run("predict", "m.fastfm", "test.svm.gz", "--std")
    assert (code, err) == (
        1,
        "fastfm-ext: error: --std needs a BayesianFMRegressor, as fit --bayesian makes; got a FMClassifier\n",
    )


def test_bayesian_classes_and_options_that_do_not_go_together(run, text_files, capsys):
    fit = ("fit", "train.ffm", "--bayesian", "--max-sweeps", "30", "--quiet", "--model", "m.fastfm")
    assert run(*fit) == (0, "", "")
    code, out, _ = run("predict", "m.fastfm", "test.svm.gz", "--quiet")
    model, X = load_model("m.fastfm").model, clicks(200, 2)[0]
    np.testing.assert_allclose(np.array(out.split(), float), model.predict_proba(X)[:, 1], rtol=1e-5)
    code, _, err = run(*fit, "--learning-rate", "0.1")
    assert code == 1
    assert "learning_rate: there is no such setting with --bayesian" in err
    for options, message in (
        (("--validation", "test.svm.gz"), "--validation is for early stopping"),
        (("--stream",), "--bayesian needs all rows in memory"),
    ):
        with pytest.raises(SystemExit):
            run(*fit, *options)
        assert message in capsys.readouterr().err
