"""Pipes as inputs of the commands: all that comes from them is read, once."""

import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import command_cases
from command_cases import COLUMNS
from fastfm_ext import load_model
from fastfm_ext.cli import pipes
from stream_cases import assert_same_states

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")

run = command_cases.run
tables = command_cases.tables
text_files = command_cases.text_files
PLAIN = {"plain": bytes, "gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}


@pytest.fixture
def from_pipe(run):
    """Run a command with bytes on a pipe as its standard input; return its exit code and what it has printed."""

    def run_command(content, *words):
        before = os.dup(0)
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
            os.dup2(cat.stdout.fileno(), 0)
            writer = threading.Thread(target=lambda: (cat.stdin.write(content), cat.stdin.close()))
            writer.start()
            try:
                return run(*words)
            finally:
                os.dup2(before, 0)
                os.close(before)
                cat.stdout.read()
                writer.join()

    return run_command


@pytest.fixture
def model(run, text_files):
    """A model of clicks in `m.fastfm`, and a test file larger than any buffer on its way."""
    assert run("fit", "train.ffm", "--quiet", "--max-iter", 2, "--model", "m.fastfm") == (0, "", "")
    (text_files / "large.ffm").write_bytes((text_files / "test.ffm").read_bytes() * 300)
    return text_files


@pytest.mark.parametrize("compressed", PLAIN)
@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_every_row_of_a_pipe_is_predicted(run, from_pipe, model, name, compressed):
    _, wanted, _ = run("predict", "m.fastfm", "large.ffm", "--quiet")
    content = PLAIN[compressed]((model / "large.ffm").read_bytes())
    assert from_pipe(content, "predict", "m.fastfm", name) == (0, wanted, "60,000 rows predicted\n")


def test_a_named_pipe_and_that_of_a_shell_are_read_whole(run, model):
    _, wanted, _ = run("predict", "m.fastfm", "large.ffm", "--quiet")
    os.mkfifo("fifo")
    with subprocess.Popen("cat large.ffm > fifo", shell=True):
        assert run("predict", "m.fastfm", "fifo", "--quiet") == (0, wanted, "")
    command = f"{sys.executable} -m fastfm_ext predict <(cat m.fastfm) <(gzip < large.ffm) --quiet"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, wanted, "")


def test_a_file_as_standard_input_is_read_from_where_it_is(model):
    command = "(read -r first; exec {} -m fastfm_ext predict m.fastfm {} --quiet) < test.ffm"
    for name in ("-", "/dev/stdin"):
        line = command.format(sys.executable, name)
        result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
        assert len(result.stdout.splitlines()) == 199


@pytest.mark.parametrize("more", [[], ["--stream"], ["--stream", "--cache", "."]])
def test_a_pipe_trains_what_a_file_trains(run, from_pipe, model, more):
    words = ["--max-iter", 3, *more]
    assert run("fit", "train.ffm", *words, "--quiet", "--model", "file.fastfm") == (0, "", "")
    content = (model / "train.ffm").read_bytes()
    assert from_pipe(content, "fit", "-", *words, "--quiet", "--model", "pipe.fastfm") == (0, "", "")
    assert_same_states(load_model("pipe.fastfm").model, load_model("file.fastfm").model)
    assert {path.name for path in model.iterdir() if path.is_dir()} == set()


@pytest.mark.parametrize("stream", [[], ["--stream"]])
@pytest.mark.parametrize("compressed", ["plain", "gz"])
def test_tables_come_from_pipes(run, from_pipe, tables, tmp_path, compressed, stream):
    if stream:
        pytest.importorskip("pyarrow")
    words = (*COLUMNS, "--max-iter", 2, *stream, "--quiet")
    assert run("fit", "ratings.csv", *words, "--model", "file.fastfm") == (0, "", "")
    content = PLAIN[compressed]((tmp_path / "ratings.csv").read_bytes())
    assert from_pipe(content, "fit", "-", "--format", "csv", *words, "--model", "pipe.fastfm") == (0, "", "")
    assert_same_states(load_model("pipe.fastfm").model, load_model("file.fastfm").model)
    wanted = run("predict", "file.fastfm", "ratings.csv", "--quiet")
    assert from_pipe(content, "predict", "file.fastfm", "-", "--format", "csv", "--quiet") == wanted
    wanted = run("recommend", "file.fastfm", "users.csv", "-n", 2, "--quiet")
    users = (tmp_path / "users.csv").read_bytes()
    assert from_pipe(users, "recommend", "file.fastfm", "-", "--format", "csv", "-n", 2, "--quiet") == wanted


def test_a_parquet_file_is_known_by_its_first_bytes(run, from_pipe, tables, tmp_path):
    pytest.importorskip("pyarrow")
    tables.to_parquet("ratings.parquet")
    content = (tmp_path / "ratings.parquet").read_bytes()
    assert from_pipe(content, "inspect", "-", "--json") == run("inspect", "ratings.parquet", "--json")


def test_what_a_pipe_holds_is_inspected(run, from_pipe, model):
    for name in ("m.fastfm", "large.ffm"):
        assert from_pipe((model / name).read_bytes(), "inspect", "/dev/stdin") == run("inspect", name)


def test_messages_name_the_pipe(from_pipe, model):
    _, _, err = from_pipe(b"1 0:0:1\n1 0:1:x\n", "predict", "m.fastfm", "-", "--format", "libffm")
    assert err.startswith("fastfm-ext: error: standard input, line 2, column 3: ")
    _, _, err = from_pipe(b"1 0:0:1\n1 0:99:1\n", "predict", "m.fastfm", "/dev/stdin", "--format", "libffm")
    assert err.startswith("/dev/stdin: 1 value of features")
    _, _, err = from_pipe(b"a,b\n1,2\n", "inspect", "-")
    assert "standard input: neither its name nor its first line tells what it is; say --format" in err
    _, _, err = from_pipe(b"", "fit", "-", "--validation", "/dev/stdin")
    assert "TRAIN and --validation are one pipe, /dev/stdin, which can be read only once" in err


def test_settings_come_from_a_pipe(run, from_pipe, model):
    words = ("fit", "train.ffm", "--config", "-", "--quiet", "--model", "c.fastfm")
    assert from_pipe(b"[settings]\nn_factors = 3\nmax_iter = 1\n", *words) == (0, "", "")
    assert json.loads(run("inspect", "c.fastfm", "--json")[1])["factors"] == 3


def test_a_pipe_that_does_not_fit_on_the_disk_says_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.setattr(pipes.os, "dup", lambda _: os.open("/dev/zero", os.O_RDONLY))
    monkeypatch.setattr(pipes, "_name_of", lambda *_: "../../../../../../../../../dev/full")
    with pipes.Spool(tmp_path) as spool, pytest.raises(OSError, match=r"does not fit into .+; set TMPDIR to a folder"):
        spool.file_of("FILE", Path("-"))
    assert list(tmp_path.iterdir()) == []
