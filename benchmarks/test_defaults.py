"""The search for defaults finds the compromise between data sets; not timed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.sparse import coo_array

from defaults.rows import Split, split
from defaults.search import Search

GRID = {"rate": (0.1, 0.2, 0.3, 0.4, 0.5), "l2": (0.0, 1.0, 2.0)}


def bowl(rate: float, l2: float):
    """Return a loss that is least, 0, at this setting, and infinite from 0.5 on."""
    return lambda setting: (
        math.inf if setting["rate"] >= 0.5 else abs(setting["rate"] - rate) + 0.1 * abs(setting["l2"] - l2)
    )


@pytest.fixture
def search() -> Search:
    """Two data sets, the second with twice as much to gain."""
    return Search(GRID, {"a": bowl(0.1, 1.0), "b": bowl(0.4, 1.0)}, {"a": 1.0, "b": 2.0})


def test_the_worst_regret_decides(search: Search) -> None:
    assert search.run([(0.4, 0.0)], n_random=0, n_moves=9) == (0.2, 1.0)
    assert search.best("a") == (0.1, 1.0)
    assert search.best("b") == (0.4, 1.0)
    # What is missing to the best, as a share of what that gains: 0.1 of 1 and 0.2 of 2.
    np.testing.assert_allclose(search.regrets((0.2, 1.0)), [0.1, 0.1])
    assert search.regrets((0.5, 1.0)) == [math.inf, math.inf]


def test_settings_drawn_at_random_lie_on_the_grid_and_repeat(search: Search) -> None:
    search.run([], n_random=5, n_moves=0)
    again = Search(GRID, {"a": bowl(0.1, 1.0)}, {"a": 1.0})
    again.run([], n_random=5, n_moves=0)
    assert list(again.found["a"]) == list(search.found["a"])
    assert all(rate in GRID["rate"] and l2 in GRID["l2"] for rate, l2 in search.found["a"])


def test_no_setting_is_fitted_twice() -> None:
    fits = []
    search = Search(GRID, {"a": bowl(0.2, 1.0)}, {"a": 1.0}, lambda *fit: fits.append(fit))
    for _ in range(2):
        search.run([(0.4, 0.0)], n_random=3, n_moves=9)
    settings = [tuple(setting.values()) for _, setting, _ in fits]
    assert len(settings) == len(set(settings)) == len(search.found["a"])


def test_neighbours_of_a_setting_beside_the_grid(search: Search) -> None:
    assert search.neighbours((0.25, 0.0)) == [(0.2, 0.0), (0.3, 0.0), (0.25, 1.0)]


def test_parts_and_splits_keep_rows_with_their_targets() -> None:
    n = 200
    X, y = coo_array(np.arange(1.0, n + 1)[:, None]).tocsr(), np.arange(1.0, n + 1)
    whole = split(X, y)
    parts = [(whole.X, whole.y), (whole.X_val, whole.y_val), (whole.X_test, whole.y_test)]
    assert sorted(np.concatenate([y for _, y in parts])) == sorted(y)
    few = whole.part(30, 5)
    assert isinstance(few, Split)
    assert [few.X.shape, few.X_val.shape, few.X_test.shape] == [(30, 1), (5, 1), (20, 1)]
    for rows, targets in [*parts, (few.X, few.y), (few.X_val, few.y_val)]:
        np.testing.assert_array_equal(rows.toarray()[:, 0], targets)
