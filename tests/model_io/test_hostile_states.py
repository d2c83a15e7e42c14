"""A valid file with a senseless state is refused, or gives a part that answers; it never crashes the interpreter."""

import subprocess
import sys

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


@pytest.mark.parametrize("class_name", [*ESTIMATORS, "FMRecommender", "FMEncoder", *INDEXES])
def test_hostile_states_do_no_harm(class_name, tmp_path):
    if class_name in INDEXES[1:]:
        pytest.importorskip("faiss", reason="needs faiss-cpu")
    command = [sys.executable, hostile_states.__file__, class_name, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = result.stdout.splitlines()
    assert result.returncode == 0, f"the last state was: {lines[-1:]}\n{result.stderr}"
    assert [line for line in lines if line.startswith("PROBLEM")] == []
    assert lines[-1] == "done"
    assert len(lines) > 100
