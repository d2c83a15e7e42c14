"""What README.md shows runs: its examples one after the other, and its commands as far as their words."""

import contextlib
import io
import re
import shlex

import numpy as np
import pytest

from conftest import ROOT
from fastfm_ext import cli

README = (ROOT / "README.md").read_text(encoding="utf-8")


def examples():
    """The Python blocks, each with the heading above it."""
    sections = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", README, re.M | re.S)
    return [
        (title, block) for title, text in sections for block in re.findall(r"^```python\n(.+?)^```", text, re.M | re.S)
    ]


def commands():
    """Every `fastfm-ext ...` in a block of shell commands or between backticks."""
    shell = [
        command for block in re.findall(r"^```sh\n(.+?)^```", README, re.M | re.S) for command in block.split("&&")
    ]
    words = [shlex.split(command) for command in [*shell, *re.findall(r"`([^`\n]+)`", README)]]
    return [command for command in words if command[0] == "fastfm-ext" and len(command) > 1]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """For each heading, the names that its examples leave behind and what they print; each goes on from those above."""
    pytest.importorskip("pandas", reason="needs pandas")
    names, found = {}, {}
    with contextlib.chdir(tmp_path_factory.mktemp("readme")):
        for title, block in examples():
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile(block, f"README.md, {title}", "exec"), names)
            found[title] = dict(names), found.get(title, ({}, ""))[1] + printed.getvalue()
    return found


def test_the_ratings_are_learned(results):
    names, _ = results["Ratings"]
    predicted = names["model"].predict(names["X"])
    assert np.corrcoef(predicted, names["ratings"]["stars"])[0, 1] > 0.9


def test_the_clicks_are_told_apart(results):
    _, printed = results["Clicks"]
    assert 0.8 < float(printed) <= 1.0


def test_the_recommended_films_are_new_to_their_users(results):
    names, _ = results["Retrieval"]
    films = set(names["films"]["film"])
    for best, seen in zip(names["best"], names["seen"], strict=True):
        assert set(best) <= films - set(seen)
    assert np.isfinite(names["predicted_stars"]).all()


def test_a_score_and_a_user_s_bias_make_the_prediction(results):
    names, _ = results["Retrieval"]
    films = names["films"].set_index("film").loc[names["best"][:, 0]].reset_index()
    X = names["user_rows"] + names["encoder"].transform(films, side="item")
    np.testing.assert_allclose(names["predicted_stars"][:, 0], names["model"].predict(X), rtol=1e-5)


@pytest.mark.parametrize("command", commands(), ids=shlex.join)
def test_the_command_line_knows_the_words_of_a_command(command):
    if "--help" in command:
        with contextlib.redirect_stdout(io.StringIO()), pytest.raises(SystemExit, match="0"):
            cli._parser().parse_args(command[1:])
    else:
        cli._parser().parse_args(command[1:])


def test_the_main_job_is_installed_and_run_by_one_command():
    block = re.search(r"^<!-- main job -->\n```sh\n(.+?)\n```", README, re.M)
    assert block, "README.md has no fenced block right below '<!-- main job -->'"
    install, run = block.group(1).split(" && ")
    assert install == 'python -m pip install ".[all]"'
    assert shlex.split(run) in commands()
