"""What a release and its checks rely on: versions, workflows, scripts."""

import re
import subprocess
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from repository import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = ("test", "pandas", "polars", "arrow", "retrieval", "onnx", "plot", "demo", "zstd")  # what the tests install
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def lowest_versions():
    """The lowest version that is allowed of everything that the tests install."""
    wanted = [*PROJECT["dependencies"], *(line for extra in EXTRAS for line in PROJECT["optional-dependencies"][extra])]
    requirements = [Requirement(line) for line in wanted if not line.startswith("fastfm-ext")]
    return {r.name: Version(next(s.version for s in r.specifier if s.operator == ">=")) for r in requirements}


def test_the_floor_that_is_tested_is_the_floor_that_is_promised():
    lines = (ROOT / ".ci" / "floor.txt").read_text(encoding="utf-8").splitlines()
    floor = {name: Version(version) for name, _, version in (line.partition("==") for line in lines if "==" in line)}
    promised = lowest_versions()
    assert floor.keys() == promised.keys()
    for name, version in floor.items():
        # The first release of a series may not be to be had any more.
        assert version >= promised[name]
        assert version.release[:2] == (*promised[name].release, 0)[:2], name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_of_others_are_pinned_to_commits(path):
    uses = re.findall(r"uses: *(\S+)", path.read_text(encoding="utf-8"))
    assert uses
    assert [action for action in uses if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)] == []


def test_only_the_job_that_publishes_may_ask_for_an_identity():
    texts = {path.name: path.read_text(encoding="utf-8") for path in WORKFLOWS}
    assert [name for name, text in texts.items() if "id-token: write" in text] == ["wheels.yml"]
    jobs = re.split(r"^  (\w+):\n", texts["wheels.yml"], flags=re.M)
    assert [name for name, job in zip(jobs[1::2], jobs[2::2], strict=True) if "id-token" in job] == ["publish"]
    assert all("permissions:\n  contents: read" in text for text in texts.values())


def test_a_sanitizer_that_is_not_known_is_an_error_that_lists_those_that_are():
    run = subprocess.run(["bash", ".ci/sanitize", "leak"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert all(f"sanitize {mode}" in run.stderr for mode in ("address", "thread", "debug"))
