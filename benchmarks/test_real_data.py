"""Real data has the promised shapes, and made-up rows stand in for it where it is not at hand."""

from __future__ import annotations

import lzma
import os
from pathlib import Path

import numpy as np
import pytest

from fastfm_ext._engine.csr import Csr
from real_data import REAL_DATA, load, movielens_1m
from workloads import WORKLOADS


def sorted_rows(X: Csr) -> list[list[int]]:
    return sorted(X.indices.reshape(X.n_rows, -1).tolist())


@pytest.mark.parametrize("name", WORKLOADS)
def test_without_data_rows_are_made_up(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FASTFM_EXT_DATA", raising=False)
    workload, source = load(name, 50)
    assert (workload.name, workload.X.n_rows, source) == (name, 50, "made up")


def test_a_folder_without_the_file_counts_as_no_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FASTFM_EXT_DATA", str(tmp_path))
    assert load("rat2", 10)[1] == "made up"


@pytest.mark.parametrize("name", REAL_DATA)
def test_real_data_has_the_shape_of_the_made_up_rows(name: str) -> None:
    if not os.environ.get("FASTFM_EXT_DATA"):
        pytest.skip("FASTFM_EXT_DATA is not set")
    workload, source = load(name, 1000)
    made_up = WORKLOADS[name](10)
    assert source == REAL_DATA[name][0]
    assert (workload.name, workload.loss, workload.X.n_rows) == (name, made_up.loss, 1000)
    assert workload.X.n_features == made_up.X.n_features
    assert set(np.diff(workload.X.indptr)) == set(np.diff(made_up.X.indptr))
    assert len(np.unique(workload.y)) == (5 if workload.loss == "squared" else 2)


def test_movielens_rows_are_users_and_films_with_no_gaps_in_one_fixed_order(tmp_path: Path) -> None:
    lines = ["user_id,movie_id,rating,timestamp", "1,10,5,", "1,30,3,978300760", "4,10,1,"]
    file = tmp_path / "ratings.csv.xz"
    file.write_bytes(lzma.compress("\n".join(lines).encode()))
    first, again = movielens_1m(file), movielens_1m(file)
    assert first.X.n_features == 4
    assert sorted_rows(first.X) == [[0, 2], [0, 3], [1, 2]]
    assert dict(zip(map(tuple, first.X.indices.reshape(-1, 2).tolist()), first.y.tolist(), strict=True)) == {
        (0, 2): 5.0,
        (0, 3): 3.0,
        (1, 2): 1.0,
    }
    np.testing.assert_array_equal(first.X.indices, again.X.indices)
