"""One Spark session for all tests of this folder; they are skipped where Spark cannot run."""

import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

# PySpark says so of pandas 3, which is not used here.
PANDAS_WARNING = "PySpark does not yet fully support pandas"
# CrossValidator and TrainValidationSplit leave pools of threads to the garbage collector, and PySpark 4.1 sockets.
LEFT_BEHIND = r"Exception ignored in. <(function Pool\.__del__|socket\.socket)"
CONFIGURATION = {
    "spark.driver.memory": "1g",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # Sessions of tests are short: compiling costs more than it brings.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let warnings of PySpark be no errors here, for they are not of this package."""
    for item in items:
        if "tests/spark" in item.path.as_posix():
            item.add_marker(pytest.mark.filterwarnings(f"ignore:{PANDAS_WARNING}:FutureWarning"))
            item.add_marker(pytest.mark.filterwarnings(f"ignore:{LEFT_BEHIND}:pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session of two cores, which tries a task four times, as clusters do."""
    pytest.importorskip("pyspark", reason="no PySpark: install the extra spark")
    pytest.importorskip("pyarrow", reason="no pyarrow: install the extra spark")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("no Java, which Spark runs on")
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", PANDAS_WARNING, FutureWarning)
        warnings.simplefilter("ignore", ResourceWarning)
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.master("local[2,4]").appName("tests of fastfm-ext")
        builder = builder.config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
        for name, value in CONFIGURATION.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
