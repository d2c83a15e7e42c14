"""Start of the commands: those on text do without what takes longer to import than a small fit takes to run."""

import subprocess
import sys

import numpy as np
import pytest

import command_cases
from fastfm_ext import FMClassifier, FMRegressor, load_model
from fastfm_ext._estimators.plain_classifier import PlainClassifier
from fastfm_ext._estimators.plain_regressor import PlainRegressor
from fastfm_ext.model_io.saved import load_plain, save_model

run = command_cases.run
text_files = command_cases.text_files

RUN_AND_LIST = """
import sys
from fastfm_ext.cli import main

code = main(sys.argv[1:])
print(*sorted({"email", "joblib", "pandas", "scipy", "sklearn", "tomllib"} & sys.modules.keys()), file=sys.stderr)
sys.exit(code)
"""
FIT = ("fit", "train.ffm", "--validation", "valid.svm.gz", "--test", "test.ffm", "--model", "m.fastfm")
TASKS = {"classification": FMClassifier, "regression": FMRegressor}


def slow_imports(folder, *arguments):
    """Run a command in a process of its own; return what it has loaded that takes long, and what it has said."""
    command = [sys.executable, "-c", RUN_AND_LIST, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *said, loaded = done.stderr.splitlines()
    return loaded.split(), "".join(said)


@pytest.mark.parametrize("task", TASKS)
def test_models_of_text_are_trained_and_used_without_scikit_learn_and_scipy(text_files, task):
    loaded, said = slow_imports(text_files, *FIT, "--task", task, "--max-iter", "2")
    assert loaded == []
    assert "fastfm-ext: warning: Training ended at max_iter=2" in said
    assert slow_imports(text_files, "predict", "m.fastfm", "test.ffm", "--quiet") == ([], "")
    assert slow_imports(text_files, "evaluate", "m.fastfm", "test.ffm") == ([], "")
    assert slow_imports(text_files, "inspect", "m.fastfm") == ([], "")
    assert type(load_model(text_files / "m.fastfm").model) is TASKS[task]


@pytest.mark.parametrize("task", TASKS)
def test_with_and_without_scikit_learn_it_is_the_same_model_in_the_same_file(run, text_files, task):
    assert run(*FIT, "--task", task, "--quiet")[0] == 0
    model, plain = load_model("m.fastfm").model, load_plain("m.fastfm").model
    assert type(plain) is {"classification": PlainClassifier, "regression": PlainRegressor}[task]
    for kind, each in (("public", model), ("plain", plain)):
        save_model(f"{kind}.fastfm", each)
    assert (text_files / "public.fastfm").read_bytes() == (text_files / "plain.fastfm").read_bytes()
    X, y = command_cases.clicks(200, 2)
    np.testing.assert_array_equal(plain.predict(X), model.predict(X))
    np.testing.assert_array_equal(plain.partial_fit(X, y).V_, model.partial_fit(X, y).V_)
    again = TASKS[task](**{name: value for name, value in model.get_params().items() if name != "verbose"})
    train, valid = command_cases.clicks(600, 0), command_cases.clicks(200, 1)
    again.fit(*train, X_val=valid[0], y_val=valid[1])
    np.testing.assert_array_equal(again.V_, load_model("m.fastfm").model.V_)
