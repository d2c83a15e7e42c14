"""A valid file with a senseless state is refused, or gives a part that answers; it never crashes the interpreter."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import hostile_states

ESTIMATORS = [
    "FMRegressor",
    "FMClassifier",
    "FMRanker",
    "FMRanker of histories",
    "BayesianFMRegressor",
    "BayesianFMRegressor distilled",
]
INDEXES = ["ItemIndex", "ItemIndex of lists", "ItemIndex of codes"]


@pytest.fixture(scope="module")
def runs(request, tmp_path_factory):
    """A run of the script for each class that is tested, as many at a time as there are cores."""

    def run(class_name):
        command = [sys.executable, hostile_states.__file__, class_name, str(tmp_path_factory.mktemp("hostile"))]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    tested = [item.callspec.params["class_name"] for item in request.session.items if item.module is request.module]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {class_name: pool.submit(run, class_name) for class_name in tested}


@pytest.mark.parametrize("class_name", [*ESTIMATORS, "FMRecommender", "FMEncoder", *INDEXES])
def test_hostile_states_do_no_harm(class_name, runs):
    if class_name in INDEXES[1:]:
        pytest.importorskip("faiss", reason="needs faiss-cpu")
    result = runs[class_name].result()
    lines = result.stdout.splitlines()
    assert result.returncode == 0, f"the last state was: {lines[-1:]}\n{result.stderr}"
    assert [line for line in lines if line.startswith("PROBLEM")] == []
    assert lines[-1] == "done"
    assert len(lines) > 100
