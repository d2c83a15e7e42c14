"""Examples in docstrings run in a session."""

import doctest
import importlib

import pytest

from codebase_checks import module_names
from repository import PACKAGE_FOLDER
from spark_doctests import outputs

MODULES = [
    name
    for name, path in module_names(PACKAGE_FOLDER).items()
    if name.startswith("spark.") and ">>>" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_the_documentation_run(spark, name):
    module = importlib.import_module(f"fastfm_ext.{name}")
    found = [run for test in doctest.DocTestFinder().find(module, extraglobs={"spark": spark}) for run in outputs(test)]
    assert found
    # An empty line would end what an example prints, and tables of Spark end with one.
    is_same = doctest.OutputChecker().check_output
    for example, got in found:
        assert is_same(example.want, got, doctest.NORMALIZE_WHITESPACE), f"{example.source}{got}"
