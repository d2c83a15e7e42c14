"""The estimators on a server of Spark Connect."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from repository import ROOT


def test_a_model_is_fitted_applied_saved_and_loaded_through_spark_connect(spark, tmp_path):
    """The fixture is not used, but says whether Spark runs here."""
    if importlib.util.find_spec("grpc_status") is None:
        pytest.skip("no Spark Connect: install pyspark[connect]")
    script = ROOT / "tests" / "support" / "spark_connect_run.py"
    # Where this process is a session of Spark's, its variables would make the other one join it.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_GATEWAY"))}
    run = subprocess.run(
        [sys.executable, script, tmp_path],
        env=kept | {"SPARK_LOCAL_IP": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["session"] == "pyspark.sql.connect.session"
    assert found["predictions"] == [1.0, 0.0, 0.0, 1.0]
    assert found["probabilities_loaded"] == found["probabilities"]
    assert found["epochs_apart"] == 2
