"""The peers' driver: what goes to an adapter and comes back, when a curve ends, and what the report says of it."""

# ruff: noqa: D102 - what the methods do stands in peers.adapters.harness.Peer

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from peers import environments
from peers.adapters.harness import CurveRecorder, Job, Peer, load, quality, throughput
from peers.data import Problem
from peers.environments import NotInstalledError, python_of
from peers.plot import save_plots
from peers.registry import PEERS, PeerSpec, grid
from peers.report import markdown, seconds_to
from peers.runner import ADAPTERS, Contender, Effort, PeerFailedError, Results, Runner, best_of, run_job
from workloads import rat2

JOB = Job(
    kind="curve",
    data="",
    scratch="",
    loss="squared",
    n_rows=300,
    n_factors=4,
    n_threads=1,
    seed=0,
    settings={},
    epochs=5,
    patience=2,
    time_limit=60.0,
)
# fastfm-ext and this Python: the one peer that is always there.
OURS = Contender(PEERS[0], Path(sys.executable))


class PredictsTheMean(Peer):
    """Counts its epochs."""

    epochs_run = 0

    def epoch(self) -> None:
        self.epochs_run += 1

    def predict(self, rows):
        return np.full(rows.shape[0], self.data.y.mean())


@pytest.fixture
def problem() -> Problem:
    return Problem("ml-1m", "made up", rat2(300), rat2(100, seed=1))


@pytest.fixture
def folder(problem, tmp_path) -> Path:
    problem.write(tmp_path / problem.name)
    return tmp_path


@pytest.fixture
def results() -> Results:
    curve = [(1.0, 0.9), (2.0, 0.8)]
    fast_curve = [(0.1, 0.85), (0.2, 0.79)]
    entry = {"problem": "ml-1m", "threads": 1, "predict_rows_per_second": 8e6, "peak_bytes": 2**20, "n_rows": 300}
    return Results(
        machine="a machine",
        unavailable={"libFM": "no package"},
        titles={"ml-1m": "ratings"},
        losses={"ml-1m": "squared"},
        throughput=[
            entry | {"peer": "fastfm-ext", "epoch_rows_per_second": 6e6},
            entry | {"peer": "modern-fm", "epoch_rows_per_second": 2e6},
        ],
        search={
            "ml-1m": {
                "fastfm-ext": [{"settings": {"learning_rate": 0.1}, "points": fast_curve}],
                "modern-fm": [{"settings": {"learning_rate": 0.2}, "points": curve}],
            }
        },
        curves={"ml-1m": {"fastfm-ext": [fast_curve], "modern-fm": [curve]}},
    )


def test_an_adapter_reads_the_rows_that_the_driver_wrote(problem, folder):
    data = load(replace(JOB, data=str(folder / "ml-1m")), "train", n_rows=200)
    assert data.X.shape == (200, problem.train.X.n_features)
    np.testing.assert_array_equal(data.X.indices, problem.train.X.indices[:400])
    np.testing.assert_array_equal(data.y, problem.train.y[:200])


def test_throughput_runs_one_epoch_more_than_it_times(folder):
    job = replace(JOB, kind="throughput", data=str(folder / "ml-1m"))
    made = []

    class Remembered(PredictsTheMean):
        def __init__(self, *arguments) -> None:
            super().__init__(*arguments)
            made.append(self)

    result = throughput(Remembered, job, load(job, "train"))
    assert made[0].epochs_run == job.epochs + 1
    assert result["n_rows"] == 300
    assert result["epoch_rows_per_second"] > 0


def test_a_curve_ends_after_patience_epochs_without_a_gain():
    values = iter([0.9, 0.8, 0.81, 0.82, 0.7])
    recorder = CurveRecorder(JOB, lambda: next(values))
    assert [recorder(1.0) for _ in range(4)] == [False, False, False, True]
    assert recorder.points[-1] == (4.0, 0.82)


def test_a_curve_ends_at_the_time_limit_and_when_it_diverges():
    assert CurveRecorder(JOB, lambda: 1.0)(61.0)
    assert CurveRecorder(JOB, lambda: float("nan"))(1.0)


def test_quality_is_rmse_or_log_loss():
    assert quality("squared", [1.0, 3.0], [1.0, 1.0]) == pytest.approx(2**0.5)
    assert quality("logistic", [1.0, 0.0], [0.5, 0.5]) == pytest.approx(np.log(2))
    assert np.isfinite(quality("logistic", [1.0, 0.0], [0.0, 1.0]))


@pytest.mark.parametrize("kind", ["throughput", "curve"])
def test_our_adapter_runs_in_a_process_of_its_own(folder, kind, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    try:
        result = run_job(OURS, replace(JOB, kind=kind, data=str(folder / "ml-1m")))
    except PeerFailedError as error:
        pytest.skip(f"fastfm-ext is not installed in this environment: {error}")
    if kind == "throughput":
        assert result["epoch_rows_per_second"] > 0
        assert result["predict_rows_per_second"] > 0
    else:
        seconds, values = zip(*result["points"], strict=True)
        assert list(seconds) == sorted(seconds)
        assert values[0] < 2


def test_a_failed_job_is_noted_and_the_others_go_on(problem, folder):
    effort, results = Effort.quick(), Results()
    broken = Contender(replace(PEERS[0], adapter="no_such_adapter"), OURS.python)
    Runner(folder, effort, results).measure_throughput([broken], problem)
    assert results.throughput == []
    (reason,) = results.failures.values()
    assert "no_such_adapter" in reason


def test_a_peer_without_a_package_says_why(tmp_path):
    with pytest.raises(NotInstalledError, match="built by hand"):
        python_of(next(spec for spec in PEERS if spec.name == "libFM"), tmp_path)


def test_a_failed_installation_is_remembered_with_its_reason(tmp_path, monkeypatch):
    calls = []

    def fail(spec, python):
        calls.append(spec)
        raise NotInstalledError("does not build: fatal error: no header")

    monkeypatch.setattr(environments, "_install", fail)
    monkeypatch.setattr(environments.venv, "create", lambda *args, **kwargs: tmp_path.joinpath("peer").mkdir())
    spec = PeerSpec("peer", "", ("peer==1",))
    for _ in range(2):
        with pytest.raises(NotInstalledError, match="no header"):
            python_of(spec, tmp_path)
    assert len(calls) == 1


def test_every_peer_with_an_adapter_has_its_file_and_six_settings_to_search():
    for spec in PEERS:
        assert not spec.adapter or (ADAPTERS / f"{spec.adapter}.py").is_file()
        assert all(len(settings) == 6 for settings in spec.grids.values()), spec.name


def test_grid_is_every_combination():
    assert grid(a=(1, 2), b=(3,)) == [{"a": 1, "b": 3}, {"a": 2, "b": 3}]


def test_the_best_settings_are_those_of_the_lowest_point():
    tried = [{"points": [(1, 0.5)]}, {"points": []}, {"points": [(1, 0.9), (2, 0.4), (3, 0.6)]}]
    assert best_of(tried) is tried[2]


def test_seconds_to_a_target_are_those_of_the_first_epoch_that_reaches_it():
    assert seconds_to([(1, 0.9), (2, 0.7), (3, 0.6)], 0.7) == 2
    assert seconds_to([(1, 0.9)], 0.7) is None


def test_the_report_has_speeds_times_to_the_target_and_reasons(results):
    report = markdown(results)
    assert "3x" in report  # 6e6 / 2e6 rows a second
    assert "modern-fm's best, 0.8000" in report
    assert "10x" in report  # 2 s / 0.2 s
    assert "libFM is missing: no package" in report


def test_results_survive_being_written_and_read(results, tmp_path):
    results.write(tmp_path / "results.json")
    again = Results.read(tmp_path / "results.json")
    assert markdown(again) == markdown(results)
    assert json.loads((tmp_path / "results.json").read_text())["machine"] == "a machine"


def test_plots_are_written(results, tmp_path):
    pytest.importorskip("matplotlib")
    files = save_plots(results, tmp_path, "peers")
    assert [file.name for file in files] == ["peers-epoch.png", "peers-predict.png", "peers-time-to-quality.png"]
    assert all(file.stat().st_size > 5000 for file in files)
