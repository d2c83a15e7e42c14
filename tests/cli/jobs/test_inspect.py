"""`fastfm-ext inspect`, run as a user would run it."""

import json
import re

import numpy as np
import pytest

import command_cases
from command_cases import COLUMNS
from fastfm_ext import load_model

run = command_cases.run
tables = command_cases.tables
text_files = command_cases.text_files


def test_inspect_tells_what_a_model_holds(run, tables):
    run("fit", "ratings.csv", *COLUMNS, "--n-factors", 5, "--model", "m.fastfm", "--quiet")
    code, out, _ = run("inspect", "m.fastfm")
    assert code == 0
    assert re.search(r"^model +FMRegressor$", out, re.M)
    assert re.search(r"^features of the columns +user 20, age 1, film 15, genres 3$", out, re.M)
    _, out, _ = run("inspect", "m.fastfm", "--json", "-n", 2)
    facts = json.loads(out)
    assert (facts["factors"], facts["items in the index"], facts["features"]) == (5, 15, 39)
    model, encoder, _ = load_model("m.fastfm")
    largest = np.argsort(-np.abs(model.w_))[:2]
    assert list(facts["largest weights"]) == encoder.get_feature_names_out()[largest].tolist()


def test_inspect_tells_what_a_data_file_holds(run, text_files, tables):
    facts = json.loads(run("inspect", "train.ffm", "--json")[1])
    expected = {"form": "libffm", "rows": 600, "values": 1200, "least id": 0, "largest id": 11, "fields": 2}
    assert facts == expected
    assert "libsvm" in run("inspect", "train.svm.gz")[1]
    facts = json.loads(run("inspect", "ratings.csv", "--json")[1])
    assert (facts["rows"], list(facts["columns"])) == (150, list(tables.columns))


@pytest.mark.parametrize("stream", [[], ["--stream"]], ids=["whole", "stream"])
def test_factors_in_float16_are_trained_kept_and_told_of(run, text_files, stream):
    arguments = ("--n-factors", 8, *stream, "--max-iter", 30, "--quiet", "-m", "m.fastfm")
    assert run("fit", "train.ffm", "--dtype", "float16", *arguments)[0] == 0
    model, size = load_model("m.fastfm").model, (text_files / "m.fastfm").stat().st_size
    assert (model.dtype, model._scorers[0].dtype) == ("float16", "float16")
    said = run("inspect", "m.fastfm")[1]
    assert re.search(r"^dtype +float16$", said, re.M)
    told = re.search(r"^mean length of the factors +(\S+)", said, re.M)
    assert float(told[1]) == pytest.approx(np.linalg.norm(model.V_, axis=1).mean(), rel=1e-4)
    code, out, _ = run("predict", "m.fastfm", "test.ffm", "--output", "-")
    assert (code, len(out.split())) == (0, 200)
    assert run("fit", "train.ffm", *arguments)[0] == 0
    assert size < (text_files / "m.fastfm").stat().st_size
    assert re.search(r"^dtype +float32$", run("inspect", "m.fastfm")[1], re.M)
