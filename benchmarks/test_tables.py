"""Tables read well as plain text."""

from __future__ import annotations

from tables import markdown_table, median_and_range, three_digits


def test_numbers_stand_to_the_right_and_words_to_the_left() -> None:
    assert markdown_table(["name", "n"], [["a", "1"], ["long name", ""], ["b", "1,000"]]).splitlines() == [
        "| name      |     n |",
        "| --------- | ----: |",
        "| a         |     1 |",
        "| long name |       |",
        "| b         | 1,000 |",
    ]


def test_values_have_three_digits() -> None:
    assert [three_digits(value) for value in (0.1234, 9.994, 9.996, 99.94, 99.96, 12345.6)] == [
        "0.12",
        "9.99",
        "10.0",
        "99.9",
        "100",
        "12,346",
    ]


def test_a_median_comes_with_its_range() -> None:
    assert median_and_range([3.0, 1.0, 2.0]) == "2.00 (1.00 to 3.00)"
