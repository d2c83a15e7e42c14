"""The option ``--quick``, the fixture that compares two sides, and the table below pytest-benchmark's own."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
import scipy

from comparison import TIME_MEASURED, Compare, Comparison, Side, markdown_table, time_in_turn

COMPARISONS = pytest.StashKey[list[Comparison]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick", action="store_true", help="fewer rows and rounds: does it run, and about what comes out"
    )


def pytest_configure(config: pytest.Config) -> None:
    try:
        import_module("fastfm_ext._native.core")
    except ModuleNotFoundError as error:
        raise pytest.UsageError(
            f'{error}. Install from the root of the repository: python -m pip install ".[test]"'
        ) from error
    config.stash[COMPARISONS] = []


@pytest.fixture(scope="session")
def quick(request: pytest.FixtureRequest) -> bool:
    """Whether few rows and rounds are wanted."""
    return bool(request.config.getoption("--quick"))


@pytest.fixture
def compare(request: pytest.FixtureRequest, benchmark: object, quick: bool) -> Compare:
    """Return a function that times kernel and NumPy in turn and keeps the result for the table."""

    def run(workload: str, k: int, task: str, kernel: Side, numpy: Side) -> None:
        kernel_ns, numpy_ns = time_in_turn(benchmark, kernel, numpy, rounds=3 if quick else 15)
        if not kernel_ns:
            return
        comparison = Comparison(workload, k, task, tuple(kernel_ns), tuple(numpy_ns))
        request.config.stash[COMPARISONS].append(comparison)
        benchmark.extra_info.update(  # type: ignore[attr-defined]
            kernel_ns_per_row=kernel_ns, numpy_ns_per_row=numpy_ns, ratios=comparison.ratios
        )

    return run


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table of ratios."""
    comparisons = config.stash[COMPARISONS]
    if not comparisons:
        return
    engine = import_module("fastfm_ext._engine.isa")
    terminalreporter.section("kernel against NumPy")
    terminalreporter.write_line(
        f"{engine.isa_in_use()} kernels, NumPy {np.__version__}, SciPy {scipy.__version__}; one thread on either side; "
        f"medians of interleaved rounds in {TIME_MEASURED}; ratio = NumPy / kernel in the same round"
    )
    terminalreporter.write_line("")
    for line in markdown_table(comparisons):
        terminalreporter.write_line(line)
