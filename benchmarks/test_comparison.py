"""The arithmetic and the table of a comparison; and that the two sides really take turns."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from comparison import Comparison, Side, markdown_table, time_in_turn


def test_the_ratio_is_the_median_over_the_rounds_not_the_ratio_of_medians() -> None:
    cells = Comparison("rat2", 8, "predict", kernel_ns=(1.0, 2.0, 4.0), numpy_ns=(10.0, 16.0, 48.0)).cells()
    assert cells == ("rat2", "8", "predict", "2.00", "16.0", "10.0", "8.00 to 12.0")


def test_the_table_is_padded_markdown() -> None:
    table = markdown_table([Comparison("ctr1", 16, "predict", kernel_ns=(100.0,), numpy_ns=(12345.0,))])
    assert table == [
        "| workload |  k | task    | kernel ns/row | NumPy ns/row | ratio | lowest to highest |",
        "| :------- | -: | :------ | ------------: | -----------: | ----: | :---------------- |",
        "| ctr1     | 16 | predict |           100 |       12,345 |   123 | 123 to 123        |",
    ]


def test_a_column_of_one_character_has_a_valid_rule() -> None:
    table = markdown_table([Comparison("ctr1", 8, "predict", kernel_ns=(1.0,), numpy_ns=(1.0,))])
    assert table[1].split("|")[2] == " -: "


def test_the_table_goes_by_workload_then_task() -> None:
    measured = [("rat2", 8, "predict"), ("ctr1", 8, "predict"), ("rat2", 8, "epoch"), ("rat2", 16, "predict")]
    table = markdown_table([Comparison(*what, kernel_ns=(1.0,), numpy_ns=(1.0,)) for what in measured])
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in table[2:]]
    expected = [["rat2", "8", "predict"], ["rat2", "16", "predict"], ["rat2", "8", "epoch"], ["ctr1", "8", "predict"]]
    assert rows == expected


@pytest.mark.parametrize(("value", "printed"), [(0.5, "0.50"), (9.994, "9.99"), (9.999, "10.0"), (99.96, "100")])
def test_numbers_have_three_digits(value: float, printed: str) -> None:
    assert Comparison("", 8, "", (value,), (1.0,)).cells()[3] == printed


class FakeBenchmark:
    """Calls as pytest-benchmark does: the setup before each round, none of it counted."""

    def __init__(self, *, disabled: bool = False) -> None:
        self.stats = None if disabled else SimpleNamespace(stats=SimpleNamespace(data=[]))

    def pedantic(self, target: Any, setup: Any, rounds: int, warmup_rounds: int) -> None:
        """Run both in turn."""
        for visit in range(warmup_rounds + rounds if self.stats else 1):
            setup()
            target()
            if self.stats and visit >= warmup_rounds:
                self.stats.stats.data.append(2e-6)


def test_the_sides_take_turns_and_the_first_round_is_left_out() -> None:
    calls: list[str] = []
    kernel, numpy = Side(lambda: calls.append("kernel"), n_rows=10), Side(lambda: calls.append("numpy"), n_rows=5)
    kernel_ns, numpy_ns = time_in_turn(FakeBenchmark(), kernel, numpy, rounds=3)
    assert calls == ["numpy", "kernel"] * 4
    assert kernel_ns == pytest.approx([200.0] * 3)
    assert len(numpy_ns) == 3


def test_disabled_benchmarks_run_once_and_give_no_times() -> None:
    calls: list[str] = []
    side = Side(lambda: calls.append("run"), n_rows=1)
    assert time_in_turn(FakeBenchmark(disabled=True), side, side, rounds=3) == ([], [])
    assert calls == ["run", "run"]
