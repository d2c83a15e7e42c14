"""Outputs of the commands: no input is overwritten, and a file is replaced when its command has succeeded."""

import os
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

import command_cases
from fastfm_ext.cli import film_settings, options, settings
from fastfm_ext.cli.jobs import output, predict

run = command_cases.run
tables = command_cases.tables
text_files = command_cases.text_files


@pytest.fixture
def model(run, text_files):
    """A model of clicks in `m.fastfm`, and users and items to recommend."""
    assert run("fit", "train.ffm", "--quiet", "--max-iter", 2, "--model", "m.fastfm") == (0, "", "")
    (text_files / "users.svm").write_text("70 0:1\n71 1:1\n")
    (text_files / "items.svm").write_text("".join(f"{6 + i}:1\n" for i in range(6)))
    return text_files


@pytest.mark.parametrize("name", ["test.ffm", "./test.ffm", "symbolic", "hard", "m.fastfm"])
def test_an_output_that_is_an_input_is_refused(run, model, name):
    os.symlink("test.ffm", "symbolic")
    os.link("test.ffm", "hard")
    before = {path: path.read_bytes() for path in model.iterdir()}
    code, out, err = run("predict", "m.fastfm", "test.ffm", "-o", name)
    assert (code, out) == (1, "")
    assert f"error: --output {Path(name)}: this is the file " in err
    assert {path: path.read_bytes() for path in model.iterdir()} == before


@pytest.mark.parametrize(
    "words",
    [
        "fit train.ffm --model train.ffm",
        "fit train.ffm --validation valid.ffm --model valid.ffm",
        "fit train.ffm --test test.ffm --model test.ffm",
        "fit logs --stream --model logs/a.ffm",
        "fit train.ffm --stream --checkpoint train.ffm",
        "fit train.ffm --stream --checkpoint new --model new",
        "fit train.ffm --config c.toml --model c.toml",
        "predict m.fastfm users.svm -o users.svm",
        "recommend m.fastfm users.svm --items items.svm -o users.svm",
        "recommend m.fastfm users.svm --items items.svm -o items.svm",
        "recommend m.fastfm users.svm --items items.svm --seen test.ffm -o test.ffm",
        "export m.fastfm m.fastfm",
        "export m.fastfm users.svm --what users --rows users.svm",
        "movielens --ratings train.ffm --movies valid.ffm --save train.ffm",
        "movielens --ratings train.ffm --movies valid.ffm --plot valid.ffm",
        "movielens --ratings train.ffm --movies valid.ffm --save new --plot new",
    ],
)
def test_every_command_refuses_to_overwrite_what_it_reads_or_writes(run, model, words):
    (model / "logs").mkdir()
    (model / "logs" / "a.ffm").write_bytes((model / "train.ffm").read_bytes())
    (model / "c.toml").write_text("[settings]\nmax_iter = 1\n")
    before = {path: path.read_bytes() for path in model.rglob("*") if path.is_file()}
    code, out, err = run(*words.split())
    assert (code, out) == (1, "")
    assert ": this is the file " in err
    assert {path: path.read_bytes() for path in model.rglob("*") if path.is_file()} == before


def test_a_model_may_stand_in_the_folder_that_it_is_trained_on(run, model):
    (model / "logs").mkdir()
    (model / "logs" / "a.ffm").write_bytes((model / "train.ffm").read_bytes())
    for _ in range(2):
        assert run("fit", "logs", "--stream", "--quiet", "--model", "logs/m.fastfm") == (0, "", "")


def test_standard_output_that_is_an_input_is_refused(model):
    before = (model / "test.ffm").read_bytes()
    with (model / "test.ffm").open("ab") as file:
        command = [sys.executable, "-m", "fastfm_ext", "predict", "m.fastfm", "test.ffm"]
        result = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 1
    assert "standard output: this is the file test.ffm" in result.stderr
    assert (model / "test.ffm").read_bytes() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError])
def test_a_command_that_fails_leaves_the_old_file(run, model, monkeypatch, error):
    def fail_at_second(out, values, original=predict._write_lines):
        if calls:
            raise error("enough")
        calls.append(1)
        original(out, values)

    calls = []
    monkeypatch.setattr(predict, "_write_lines", fail_at_second)
    monkeypatch.setattr("fastfm_ext.cli.jobs.data._BATCH_ROWS", 50)
    (model / "old.txt").write_text("old\n")
    before = set(model.iterdir())
    assert run("predict", "m.fastfm", "test.ffm", "-o", "old.txt")[0] != 0
    assert (model / "old.txt").read_text() == "old\n"
    assert set(model.iterdir()) == before


def test_recommendations_that_fail_leave_the_old_file(run, model, monkeypatch):
    monkeypatch.setattr("fastfm_ext.cli.jobs.recommend._BATCH_USERS", 1)
    monkeypatch.setattr("fastfm_ext.cli.jobs.recommend._lines", lambda *_: [["a"], 1 / 0])
    (model / "old.csv").write_text("old\n")
    assert run("recommend", "m.fastfm", "users.svm", "--items", "items.svm", "-o", "old.csv")[0] == 1
    assert (model / "old.csv").read_text() == "old\n"


def test_standard_output_has_a_name(run, model):
    _, wanted, _ = run("predict", "m.fastfm", "test.ffm", "--quiet")
    assert run("predict", "m.fastfm", "test.ffm", "--quiet", "-o", "-") == (0, wanted, "")
    assert not (model / "-").exists()
    for words in ("fit train.ffm --model -", "export m.fastfm -"):
        code, _, err = run(*words.split())
        assert (code, "-: messages go to standard output; name a file" in err) == (1, True)
    command = [sys.executable, "-m", "fastfm_ext", "predict", "m.fastfm", "test.ffm", "--quiet", "-o", "/dev/stdout"]
    with (model / "log").open("wb") as file:
        file.write(b"before\n")
        file.flush()
        subprocess.run(command, stdout=file, check=True)
    assert (model / "log").read_text() == "before\n" + wanted


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_and_devices_are_written_to_and_stay(run, model):
    _, wanted, _ = run("predict", "m.fastfm", "test.ffm", "--quiet")
    os.mkfifo("pipe.npz")
    with subprocess.Popen(["cat", "pipe.npz"], stdout=subprocess.PIPE) as cat:
        assert run("predict", "m.fastfm", "test.ffm", "--quiet", "-o", "pipe.npz") == (0, "", "")
        assert cat.communicate()[0].decode() == wanted
    with subprocess.Popen(["cat", "pipe.npz"], stdout=subprocess.PIPE) as cat:
        assert run("export", "m.fastfm", "pipe.npz", "--quiet") == (0, "", "")
        archive = cat.communicate()[0]
    assert run("export", "m.fastfm", "file.npz", "--quiet") == (0, "", "")
    assert len(archive) == (model / "file.npz").stat().st_size
    assert (model / "pipe.npz").is_fifo()
    assert run("predict", "m.fastfm", "test.ffm", "--quiet", "-o", "/dev/null") == (0, "", "")
    assert run("fit", "train.ffm", "--max-iter", 1, "--quiet", "--model", "/dev/null") == (0, "", "")
    assert not Path("/dev/null").is_file()


def test_what_cannot_be_written_is_said_before_anything_is_read(run, model):
    (model / "folder").mkdir()
    for words in ("predict none none -o", "recommend none none -o", "fit none --model", "export none"):
        for path, problem in (("folder", "this is a folder"), ("none/a.npz", "there is no folder none")):
            code, out, err = run(*words.split(), path)
            assert (code, out, problem in err) == (1, "", True)


def test_lines_that_cannot_be_written_are_no_second_error(tmp_path):
    with pytest.raises(TypeError), output.text_output(tmp_path / "a") as out:
        out.writelines(["line\n", None])
    assert list(tmp_path.iterdir()) == []


def test_every_path_of_a_command_has_a_role():
    roles = {options.READ, options.WRITTEN, options.PRINTED, options.KEPT, options.FOLDER}
    declared = vars(settings) | vars(film_settings)
    commands = [kind for name, kind in declared.items() if name.endswith("Settings") and is_dataclass(kind)]
    paths = [setting for kind in commands for setting in fields(kind) if setting.metadata.get("type") is Path]
    assert len(paths) > 15
    assert {setting.metadata.get("role") for setting in paths} <= roles
