"""The command line: its words, its help, and exit codes for wrong usage."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from fastfm_ext import cli, encoding
from fastfm_ext.cli.columns import KINDS
from fastfm_ext.cli.film_settings import VARIANTS
from fastfm_ext.datasets.movielens import Variant


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["cook"], "invalid choice: 'cook'"),
        (["fit"], "the following arguments are required: TRAIN"),
        (["fit", "x", "--n-factors", "-1"], "argument --n-factors/-k: '-1' is not a whole number of at least 0"),
        (["fit", "x", "--tol", "inf"], "argument --tol: 'inf' is not a number of at least 0"),
        (["fit", "x", "--format", "arff"], "invalid choice: 'arff'"),
        (["fit", "x", "--user", "age:hot"], "column 'age': 'hot' is not one of category, "),
        (["fit", "x", "--user", "a:multi:sep"], "column 'a': 'sep' is no OPTION=VALUE"),
        (["fit", "x", "--user", "a:multi:sep=,,foo=1"], "column 'a': multi has no option 'foo'; it has sep, norm, "),
        (["predict", "x"], "the following arguments are required: FILE"),
        (["predict", "x", "y", "--kind", "odds"], "invalid choice: 'odds'"),
        (["recommend", "x", "y", "--top", "0"], "'0' is not a whole number of at least 1"),
        (["movielens", "--top", "0"], "argument -n/--top: '0' is not a whole number of at least 1"),
        (["movielens", "--n-factors", "-1"], "'-1' is not a whole number of at least 0"),
        (["movielens", "--max-iter", "x"], "'x' is not a whole number of at least 1"),
        (["movielens", "--test-size", "1"], "'1' is not a number between 0 and 1"),
        (["movielens", "--test-size", "nan"], "'nan' is not a number between 0 and 1"),
        (["movielens", "--n-jobs", "0"], "'0' is not a number of threads"),
        (["movielens", "--variant", "20m"], "invalid choice: '20m'"),
        (["movielens", "--ratings", "r.csv"], "--ratings and --movies go together"),
        (["movielens", "--ratings", "r", "--movies", "m", "--variant", "1m"], "they cannot go with --ratings"),
    ],
)
def test_wrong_usage_is_exit_code_2(capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


def test_it_runs_as_a_module():
    command = [sys.executable, "-m", "fastfm_ext", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"fastfm-ext \S+", result.stdout.strip())


def test_words_of_the_command_line_are_those_of_the_library():
    assert set(KINDS) == {name for name in encoding.__all__ if name[0].islower()}
    assert get_args(Variant) == VARIANTS


@pytest.mark.parametrize("words", [["--help"], ["fit", "--help"], ["--version"]])
def test_help_waits_for_no_library(words):
    code = f"import sys; from fastfm_ext import cli\ntry: cli.main({words})\n"
    code += "except SystemExit as error: print(error.code, {'numpy', 'sklearn', 'scipy'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "0 set()"


def test_help_loads_only_the_modules_of_the_command_line_paths_and_the_lists_of_losses_and_solvers():
    code = "import sys\nfrom fastfm_ext import cli\n"
    code += "try: cli.main(['fit', '--help'])\nexcept SystemExit: pass\n"
    code += "print(*sorted(name for name in sys.modules if name.startswith('fastfm_ext.')))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.splitlines()[-1].split())
    parts = ["columns", "commands", "film_settings", "hyperparameters", "options", "outputs", "pipes", "program"]
    parts += ["settings", "words"]
    own = {"fastfm_ext.cli", *(f"fastfm_ext.cli.{part}" for part in parts)}
    assert own <= loaded
    others = {"_names", "_common", "_common.files", "_common.version"}
    others |= {"_learning", "_learning.losses", "_learning.solvers"}
    lists = {name for name in loaded if name.startswith("fastfm_ext._learning.solvers.")}
    assert loaded - own - lists == {f"fastfm_ext.{name}" for name in others}


JOBS = [
    "demo",
    "evaluate",
    "export",
    "fit",
    "fit_ranking",
    "fit_stream",
    "inspect",
    "movielens",
    "predict",
    "recommend",
]


@pytest.mark.parametrize("job", JOBS)
def test_a_job_imports_no_other_job(job):
    text = (Path(cli.__file__).parent / "jobs" / f"{job}.py").read_text(encoding="utf-8")
    assert set(re.findall(r"fastfm_ext\.cli\.jobs\.(\w+)", text)) <= {
        "data",
        "film_ratings",
        "hyperparameters",
        "models",
        "output",
        "recommenders",
        "scores",
        "tables",
        "training",
    }


def test_too_little_memory_is_an_error_of_one_line(monkeypatch, capsys):
    def allocate(*_):
        raise MemoryError("Unable to allocate 64.0 GiB")

    monkeypatch.setattr("fastfm_ext.cli.commands.run_job", allocate)
    assert cli.main(["inspect", __file__]) == 1
    assert (
        "error: out of memory: Unable to allocate 64.0 GiB; fewer features, fields or --n-factors"
        in capsys.readouterr().err
    )
