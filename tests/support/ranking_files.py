"""Files of events, users and films for the commands that rank."""

import csv

import pytest

from recommender_cases import world


@pytest.fixture
def files(tmp_path):
    """The little world as CSV: train.csv, test.csv, users.csv, films.csv; every fifth event is held out."""
    pytest.importorskip("pyarrow")
    events, users, films = world()
    rows = list(zip(*(list(column) for column in events.values()), strict=True))
    for name, header, lines in (
        ("train", events, [row for place, row in enumerate(rows) if place % 5]),
        ("test", events, rows[::5]),
        ("users", users, zip(*users.values(), strict=True)),
        ("films", films, zip(*films.values(), strict=True)),
    ):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([list(header), *lines])
    return tmp_path


ROLES = ("--task", "ranking", "--user", "user", "--item", "film", "genres:multi:sep=|")
QUICK = ("--max-iter", 15, "--n-factors", 4, "--l2-V", 0.01, "--no-early-stopping")
FIT = ("fit", "train.csv", *ROLES, "--users", "users.csv", "--items", "films.csv", *QUICK, "--model", "m.fastfm")


def rows_of(text):
    """The rows of CSV as mappings."""
    return list(csv.DictReader(text.splitlines()))
