"""Markdown tables that read well as plain text too."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; a column whose cells all start with a digit, or are empty, stands to the right."""
    columns = list(zip(headings, *rows, strict=True))
    widths = [max(3, *map(len, column)) for column in columns]
    to_right = [all(not cell or cell[0].isdigit() for cell in column[1:]) for column in columns]
    rule = [("-" * (width - 1) + ":") if right else "-" * width for width, right in zip(widths, to_right, strict=True)]
    lines = [
        [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, to_right, strict=True)
        ]
        for row in [headings, *rows]
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [lines[0], rule, *lines[1:]])


def three_digits(value: float) -> str:
    """Return the value to three significant digits, or to a whole number from 100 on."""
    decimals = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:,.{decimals}f}"


def median_and_range(values: Sequence[float]) -> str:
    """Return ``median (lowest to highest)``."""
    return f"{three_digits(median(values))} ({three_digits(min(values))} to {three_digits(max(values))})"
