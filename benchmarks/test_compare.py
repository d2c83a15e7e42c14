"""A slower revision is reported, an equal one is not, and each revision is timed as it is."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import ClassVar, Self

import pytest

import compare
import fastfm_ext
from compare import Job, Thresholds, report
from compare_process import Driver
from revisions import WORKING_TREE, RevisionError, resolve, unpack

SITE = Path(fastfm_ext.__file__).parents[1]
THRESHOLDS = Thresholds(1.1, {"rat2 sgd predict": 1.5})


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository whose one file differs between commit and working tree."""
    root = tmp_path / "repository"
    root.mkdir()
    (root / "code.py").write_text("committed")
    (root / ".gitignore").write_text("ignored.py\n")
    who = ["-c", "user.name=someone", "-c", "user.email=someone@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "--quiet"], ["add", "."], [*who, "commit", "--quiet", "-m", "Begin"]):
        subprocess.run(["git", "-C", str(root), *command], check=True)
    (root / "code.py").write_text("changed")
    (root / "new.py").write_text("new")
    (root / "ignored.py").write_text("ignored")
    return root


def test_the_median_decides_whether_a_job_is_slower() -> None:
    assert not Job("rat2 sgd epoch", [1.0, 1.0, 1.0], [1.0, 1.09, 9.0]).is_slower(THRESHOLDS)
    assert Job("rat2 sgd epoch", [1.0, 1.0, 1.0], [1.0, 1.11, 1.2]).is_slower(THRESHOLDS)


def test_a_job_of_its_own_goes_before_the_default_threshold() -> None:
    assert not Job("rat2 sgd predict", [1.0], [1.4]).is_slower(THRESHOLDS)


def test_the_command_line_goes_before_the_default_of_the_file() -> None:
    file = Path(compare.__file__).with_name("thresholds.toml")
    assert Thresholds.read(file, None).default > 1.0
    assert Thresholds.read(file, 3.0).of("any") == 3.0


def test_the_report_names_the_slower_job() -> None:
    text = report([Job("a", [0.1, 0.1], [0.2, 0.4]), Job("b", [0.1], [0.1])], THRESHOLDS)
    lines = text.splitlines()
    assert "3.00 (2.00 to 4.00)" in lines[2]
    assert "SLOWER" in lines[2]
    assert "ok" in lines[3]


def test_a_revision_is_unpacked_as_committed(repository: Path, tmp_path: Path) -> None:
    unpack("HEAD", tmp_path / "out", repository)
    assert (tmp_path / "out" / "code.py").read_text() == "committed"
    assert not (tmp_path / "out" / "new.py").exists()


def test_the_working_tree_is_copied_with_new_and_without_ignored_and_deleted_files(
    repository: Path, tmp_path: Path
) -> None:
    (repository / ".gitignore").rename(tmp_path / "elsewhere")
    (repository / ".git" / "info" / "exclude").write_text("ignored.py\n")
    unpack(WORKING_TREE, tmp_path / "out", repository)
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"code.py", "new.py"}
    assert (tmp_path / "out" / "code.py").read_text() == "changed"


def test_a_revision_stands_for_the_commit_that_it_names_now(repository: Path) -> None:
    commit = resolve("HEAD", repository)
    assert resolve(commit, repository) == commit != "HEAD"
    assert resolve(WORKING_TREE, repository) == WORKING_TREE


def test_an_unknown_revision_is_named(repository: Path) -> None:
    with pytest.raises(RevisionError, match="no-such-branch"):
        resolve("no-such-branch", repository)


class FakeDriver:
    """Takes a fixed time for every job: that of its site."""

    seconds: ClassVar[dict[str, float]] = {}

    def __init__(self, site: Path, files: object) -> None:
        self.site = site

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def time(self, workload: str, solver: str) -> dict[str, float]:
        """Return the time that the test wants."""
        return {"epoch": self.seconds[self.site.name], "predict": 1.0}


@pytest.mark.parametrize(("head_seconds", "exit_code"), [(1.0, 0), (2.0, 1)], ids=["as fast", "slower"])
def test_the_exit_code_tells_whether_head_is_slower(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], head_seconds: float, exit_code: int
) -> None:
    monkeypatch.setattr(compare, "resolve", str)
    monkeypatch.setattr(compare, "_build", lambda revision, side, folder: folder / side)
    monkeypatch.setattr(compare, "Driver", FakeDriver)
    monkeypatch.setattr(FakeDriver, "seconds", {"base": 1.0, "head": head_seconds})
    assert compare.main(["main", "--workloads", "rat2", "--solvers", "sgd", "--quick"]) == exit_code
    printed = capsys.readouterr().out
    assert ("slower than allowed: rat2 sgd epoch\n" in printed) == (exit_code == 1)


def test_a_revision_that_does_not_build_has_an_exit_code_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RevisionError("the build failed")

    monkeypatch.setattr(compare, "resolve", str)
    monkeypatch.setattr(compare, "install", fail)
    monkeypatch.setattr(compare, "unpack", lambda revision, folder: None)
    assert compare.main(["main"]) == 2


def test_the_driver_times_epoch_and_prediction_of_every_workload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FASTFM_EXT_DATA", raising=False)
    monkeypatch.setattr(compare, "N_ROWS", {"rat2": 300, "frappe": 300})
    files = [compare._write(name, tmp_path, quick=False) for name in ("rat2", "frappe")]
    with Driver(SITE, files) as driver:
        for name in ("rat2", "frappe", "rat2"):
            seconds = driver.time(name, "sgd")
            assert set(seconds) == {"epoch", "predict"}
            assert all(0.0 < value < 60.0 for value in seconds.values())


def test_the_driver_refuses_a_package_from_elsewhere(tmp_path: Path) -> None:
    with Driver(tmp_path, [tmp_path / "none.npz"]) as driver, pytest.raises(RevisionError, match="not from"):
        driver.time("rat2", "sgd")


def test_a_solver_that_a_revision_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "N_ROWS", {"rat2": 300})
    file = compare._write("rat2", tmp_path, quick=False)
    with Driver(SITE, [file]) as driver, pytest.raises(RevisionError, match="no-such-solver"):
        driver.time("rat2", "no-such-solver")
