"""Stops early when the package isn't properly installed; finds the real data."""

import importlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from installation import installation_problem
from repository import ROOT


def pytest_configure() -> None:
    """Replace the import error of every test file with one message."""
    problem = installation_problem()
    if problem:
        raise pytest.UsageError(problem)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for the fixture `isa` on every instruction set; only now is the core known to load."""
    if "isa" in metafunc.fixturenames:
        metafunc.parametrize("isa", importlib.import_module("fastfm_ext._engine.isa").supported_isas(), indirect=True)


@pytest.fixture(autouse=True, scope="module")
def _hears_ctrl_c() -> None:
    """Let Ctrl-C be heard: a job in the background is born deaf to it, and Spark takes it and does not give it back."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Call the kernels of one instruction set during a test."""
    engine = importlib.import_module("fastfm_ext._engine.isa")
    before = engine.isa_in_use()
    engine.use_isa(request.param)
    yield request.param
    engine.use_isa(before)


@pytest.fixture
def isas() -> Iterator[Iterator[str]]:
    """Call the kernels of each instruction set in its turn, for tests whose reference takes long."""
    engine = importlib.import_module("fastfm_ext._engine.isa")
    before = engine.isa_in_use()

    def in_turn() -> Iterator[str]:
        for isa in engine.supported_isas():
            engine.use_isa(isa)
            yield isa

    yield in_turn()
    engine.use_isa(before)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder with the real data sets; tests that ask for it are skipped where it is absent."""
    named = os.environ.get("FASTFM_EXT_DATA")
    if named:
        if not Path(named).is_dir():
            pytest.fail(f"FASTFM_EXT_DATA names {named!r}, which is not a folder")
        return Path(named)
    beside_checkout = ROOT.parent / "shared" / "data"
    if not beside_checkout.is_dir():
        pytest.skip("no real data: set FASTFM_EXT_DATA to the folder that holds it")
    return beside_checkout
