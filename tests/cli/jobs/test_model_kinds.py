"""`fastfm-ext fit --model-kind`: field-aware models on text and on tables."""

import re
import subprocess
import sys

import numpy as np
import pytest

import command_cases
import fastfm_ext
from command_cases import auc
from fastfm_ext import load_model
from fastfm_ext.cli.settings import MODEL_KINDS

run = command_cases.run
tables = command_cases.tables
text_files = command_cases.text_files

KINDS = [kind for kind in MODEL_KINDS if kind != "fm"]


def class_of(kind, task):
    return next(name for name in dir(fastfm_ext) if name.lower() == f"{kind}{task}")


@pytest.mark.parametrize("stream", [[], ["--stream"]])
@pytest.mark.parametrize("kind", KINDS)
def test_libffm_text_is_trained_on_with_its_fields_and_predicted(run, text_files, kind, stream):
    held_out = ("--validation=valid.ffm", "--test=test.ffm")
    code, out, err = run("fit", "train.ffm", *held_out, "--model-kind", kind, *stream, "--max-iter", 60, "-m", "m.fm")
    assert (code, err) == (0, "")
    assert auc(out[out.index("\ntest ") :]) > 0.9
    model = load_model("m.fm").model
    assert type(model).__name__ == class_of(kind, "classifier")
    assert model.fields_.tolist() == [0] * 6 + [1] * 6
    code, out, err = run("predict", "m.fm", "test.ffm")
    assert (code, err) == (0, "200 rows predicted\n")
    assert re.search(r"^fields +2$", run("inspect", "m.fm")[1], re.M)
    assert run("export", "m.fm", "features.npz")[0] == 0
    with np.load("features.npz") as arrays:
        np.testing.assert_array_equal(arrays["V"], model.V_)


@pytest.mark.parametrize("stream", [[], ["--stream"]])
@pytest.mark.parametrize("kind", KINDS)
def test_the_columns_of_a_table_are_fields(run, tmp_path, kind, stream):
    rng = np.random.default_rng(0)
    user, film = rng.integers(0, 8, 400), rng.integers(0, 6, 400)
    lines = [f"u{u},f{f},{(u * f) % 3}.5" for u, f in zip(user, film, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["user,film,stars", *lines]) + "\n")
    columns = ("--target", "stars", "--user", "user", "--item", "film")
    arguments = ("fit", "t.csv", *columns, "--model-kind", kind, *stream, "--max-iter", 30, "-m", "m.fm", "--quiet")
    assert run(*arguments) == (0, "", "")
    saved = load_model("m.fm")
    assert type(saved.model).__name__ == class_of(kind, "regressor")
    np.testing.assert_array_equal(saved.model.fields_, saved.encoder.fields_)
    vectors = saved.model.user_vector(saved.encoder.transform({"user": ["u1"]}, side="user"))
    assert saved.index.search(vectors, n=2)[0].shape == (1, 2)
    (tmp_path / "users.csv").write_text("user\nu1\n")
    code, out, _ = run("recommend", "m.fm", "users.csv", "--top", 2)
    assert (code, len(out.splitlines())) == (0, 3)
    assert run(*arguments, "--normalize")[0] == 0
    assert load_model("m.fm").index is None


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["train.svm.gz", "--model-kind", "ffm"], "is libsvm text, which has no fields"),
        (
            ["train.ffm", "--normalize"],
            "no such setting with --model-kind fm; leave it out, or choose --model-kind ffm or",
        ),
        (["train.ffm", "--model-kind", "ffm", "--dtype", "float16"], "leave it out, or choose --model-kind fm\n"),
        (["train.ffm", "--model-kind", "ffm", "--bayesian"], "--model-kind ffm does not go with --bayesian"),
        (["train.ffm", "--model-kind", "ffm", "--task", "ranking"], "--model-kind ffm does not go with --task ranking"),
        (["two.ffm", "--model-kind", "ffm"], "feature 0 is of field 0 and of field 1"),
        (["two.ffm", "--model-kind", "ffm", "--stream"], "feature 0 is of field 0 and of field 1"),
    ],
)
def test_what_does_not_go_together_is_refused(run, text_files, arguments, reason):
    (text_files / "two.ffm").write_text("1 0:0:1 1:1:1\n0 1:0:1 1:1:1\n" * 20)
    try:
        code, _, err = run("fit", *arguments)
    except SystemExit as error:
        code, err = error.code, reason  # argparse has printed it
    assert code in (1, 2)
    assert reason in err


def test_libffm_text_is_trained_on_without_what_takes_long_to_import(text_files):
    script = (
        "import sys; from fastfm_ext import cli; "
        "assert cli.main(['fit', 'train.ffm', '--model-kind', 'ffm', '-m', 'm.fm', '--quiet']) == 0; "
        "assert cli.main(['predict', 'm.fm', 'test.ffm', '--quiet']) == 0; "
        "assert not any(name.startswith(('sklearn', 'scipy.special')) for name in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=text_files, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
