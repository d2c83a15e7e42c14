"""Several threads are timed against one, and runs are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from two_threads import Run, main, report


def test_runs_are_kept_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "runs.json"
    for _ in range(2):
        main(
            [
                "--workloads",
                "rat5",
                "--solvers",
                "sgd",
                "--rounds",
                "1",
                "--share-of-rows",
                "0.02",
                "--append",
                str(kept),
            ]
        )
    capsys.readouterr()
    main(["--report", str(kept)])
    assert "| fm    |  16 | rat5     | sgd    |       2 |    2 |" in capsys.readouterr().out


def test_the_table_has_the_median_of_the_runs_and_their_range() -> None:
    runs = [Run("rat2", "sgd", 2, together, 2.0) for together in (1.5, 1.2, 1.9)]
    assert "1.50 (1.20 to 1.90)" in report(runs)
