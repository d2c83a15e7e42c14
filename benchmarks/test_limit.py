"""The touch limit touches what it says and changes nothing; its report tells what was measured."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fastfm_ext import _engine
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from limit import __main__ as command
from limit.measure import Plan, Result, measure
from limit.report import markdown
from limit.touch import FACTORS, PREFETCH_DISTANCES, CompilerError, Touch
from workloads import Workload, frappe

N_ROWS = 200

RESULT = Result(
    workload="ctr1",
    source="made up",
    n_rows=1000,
    k=16,
    solver="adagrad",
    task="epoch",
    order="blocks",
    isa="baseline",
    kernel_ns=[400.0, 500.0, 440.0],
    touch_ns=[200.0, 400.0, 330.0],
    prefetch_distance=4,
    speedups={2: [1.2, 1.5, 1.4]},
)


@pytest.fixture(scope="module")
def touch() -> Touch:
    try:
        return Touch.compile()
    except CompilerError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def workload() -> Workload:
    return frappe(N_ROWS)


def parameters(workload: Workload, k: int, solver: str) -> Parameters:
    options = Options(workload.loss, solver, 0.05, 0.05, 0.0, 0.0, init_stdev=0.1)
    return Parameters.initialise(workload.X.n_features, k, options, 0.0, np.random.default_rng(0))


@pytest.mark.parametrize("solver", _engine.SOLVERS)
@pytest.mark.parametrize("k", FACTORS)
@pytest.mark.parametrize("distance", PREFETCH_DISTANCES)
def test_training_reads_every_target_and_changes_no_parameter(
    touch: Touch, workload: Workload, solver: str, k: int, distance: int
) -> None:
    params = parameters(workload, k, solver)
    before = params.copy()
    order = np.random.default_rng(0).permutation(N_ROWS)
    for visits in (order, None):
        assert touch.train(workload.X, workload.y, visits, params, distance) == workload.y.sum()
    for array, old in zip(params.arrays, before.arrays, strict=True):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize("solver", _engine.SOLVERS)
@pytest.mark.parametrize("k", FACTORS)
def test_prediction_reads_the_factors_of_every_nonzero(touch: Touch, workload: Workload, solver: str, k: int) -> None:
    params = parameters(workload, k, solver)
    expected = params.V[workload.X.indices].sum(dtype=np.float64)
    assert touch.predict(workload.X, params, 4) == pytest.approx(expected, rel=1e-3, abs=1e-2)


def test_a_number_of_factors_that_is_not_compiled_is_an_error(touch: Touch, workload: Workload) -> None:
    with pytest.raises(ValueError, match="k=4"):
        touch.predict(workload.X, parameters(workload, 4, "sgd"), 0)


def test_rows_with_values_are_an_error(touch: Touch, workload: Workload) -> None:
    X = replace(workload.X, data=np.ones(workload.X.nnz, dtype=np.float32))
    with pytest.raises(ValueError, match="all 1"):
        touch.predict(X, parameters(workload, 8, "sgd"), 0)


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(CompilerError, match="no-such-compiler"):
        Touch.compile()


def test_every_combination_gets_a_result(touch: Touch, workload: Workload) -> None:
    isas = _engine.supported_isas()
    plan = Plan((8, 16), ("sgd", "adagrad"), threads=(1, 2), isas=isas, orders=("blocks", "file"), rounds=2)
    in_use = _engine.isa_in_use()
    results = [one for one in measure(workload, "made up", plan, touch) if isinstance(one, Result)]
    seen = {(one.k, one.solver, one.task, one.order, one.isa) for one in results}
    assert len(seen) == len(results) == 2 * 2 * 3 * len(isas)
    assert all(len(one.reached) == len(one.speedups[2]) == 2 for one in results)
    assert _engine.isa_in_use() == in_use


def test_parameters_that_do_not_fit_into_memory_are_left_out(
    touch: Touch, workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limit.measure._free_memory", lambda: 1e4)
    plan = Plan((8,), ("sgd",), threads=(1,), isas=_engine.supported_isas()[:1], orders=("file",), rounds=1)
    assert list(measure(workload, "", plan, touch)) == [
        "frappe, k 8, sgd: left out, the parameters need more than the free memory"
    ]


def test_reached_is_the_touch_limit_over_the_kernel_in_the_same_round() -> None:
    assert RESULT.reached == [0.5, 0.8, 0.75]
    assert RESULT.million_rows_per_second == pytest.approx(1e3 / 440)


def test_the_report_has_a_row_for_each_result() -> None:
    text = markdown([RESULT, replace(RESULT, task="predict")], ["a note"], "some machine")
    assert "- ctr1: 1,000 rows, made up" in text
    assert "0.75 (0.50 to 0.80)" in text
    assert "1.40 (1.20 to 1.50)" in text
    assert text.count("| ctr1") == 4
    assert "a note" in text


def test_the_command_writes_report_times_and_plots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    if not any(map(shutil.which, ("c++", "g++", "clang++"))):
        pytest.skip("there is no C++ compiler")
    monkeypatch.setattr(command, "QUICK_ROWS", 500)
    monkeypatch.delenv("FASTFM_EXT_DATA", raising=False)
    command.main(["--quick", "--workloads", "frappe", "--k", "8", "16", "--repeats", "1", "--output", str(tmp_path)])
    times = json.loads((tmp_path / "limit.json").read_text())
    assert len(times) == 2 * len(_engine.SOLVERS) * 2
    assert {file.name for file in tmp_path.iterdir()} == {"limit.md", "limit.json", "limit-k8.png", "limit-k16.png"}
