"""Readers of the tables of the UCI Machine Learning Repository: columns, types, and the checksums of their files.

Checksums are those of the files in an archive, since the archive itself may be packed anew.
"""

import hashlib
import io
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zipfile import ZipFile

from fastfm_ext._common.extras import require
from fastfm_ext.datasets.csv_text import CsvFile, read_text

if TYPE_CHECKING:
    import pandas as pd


class FileColumns(NamedTuple):
    """The columns of a file in their order, each with its type in a data frame, and those that are no features."""

    columns: dict[str, str]
    target: str
    # Beside the target: row numbers, and parts of the target.
    left_out: tuple[str, ...] = ()
    has_header: bool = True


_INTEGERS, _TEXT, _NUMBER = "int64", "category", "float64"

ADULT = FileColumns(
    {
        "age": _INTEGERS,
        "workclass": _TEXT,
        "fnlwgt": _INTEGERS,
        "education": _TEXT,
        "education_num": _INTEGERS,
        "marital_status": _TEXT,
        "occupation": _TEXT,
        "relationship": _TEXT,
        "race": _TEXT,
        "sex": _TEXT,
        "capital_gain": _INTEGERS,
        "capital_loss": _INTEGERS,
        "hours_per_week": _INTEGERS,
        "native_country": _TEXT,
        "income": _TEXT,
    },
    target="income",
    has_header=False,
)
BANK = FileColumns(
    {
        "age": _INTEGERS,
        "job": _TEXT,
        "marital": _TEXT,
        "education": _TEXT,
        "default": _TEXT,
        "balance": _INTEGERS,
        "housing": _TEXT,
        "loan": _TEXT,
        "contact": _TEXT,
        "day": _INTEGERS,
        "month": _TEXT,
        "duration": _INTEGERS,
        "campaign": _INTEGERS,
        "pdays": _INTEGERS,
        "previous": _INTEGERS,
        "poutcome": _TEXT,
        "y": _TEXT,
    },
    target="y",
)
BIKE_HOUR = FileColumns(
    {
        "instant": _INTEGERS,
        "dteday": "datetime64[ns]",
        "season": _INTEGERS,
        "yr": _INTEGERS,
        "mnth": _INTEGERS,
        "hr": _INTEGERS,
        "holiday": _INTEGERS,
        "weekday": _INTEGERS,
        "workingday": _INTEGERS,
        "weathersit": _INTEGERS,
        "temp": _NUMBER,
        "atemp": _NUMBER,
        "hum": _NUMBER,
        "windspeed": _NUMBER,
        "casual": _INTEGERS,
        "registered": _INTEGERS,
        "cnt": _INTEGERS,
    },
    target="cnt",
    left_out=("instant", "casual", "registered"),
)
BIKE_DAY = BIKE_HOUR._replace(columns={name: kind for name, kind in BIKE_HOUR.columns.items() if name != "hr"})

# SHA-256 of the files as UCI has them.
ADULT_TRAIN_SHA256 = "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d"
ADULT_TEST_SHA256 = "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05"
BANK_ZIP_SHA256 = "99d7e8eb12401ed278b793984423915411ea8df099e1795f9fefe254f513fe5e"
BIKE_HOUR_SHA256 = "e03de4ee4ef4dc376ac6e04bf829673c6269e8eba5c60fa121640fa2f829504f"
BIKE_DAY_SHA256 = "a6bcf826782d3c0fbfdcbeead17cd0884185a0dafe8ff10cd48a874ee7ba18be"


def read_adult(archive: ZipFile) -> dict[str, "pd.DataFrame"]:
    """Read the rows for training and for testing, with the same categories in both."""
    pd = require("pandas", "pandas")
    files = (("adult.data", ADULT_TRAIN_SHA256), ("adult.test", ADULT_TEST_SHA256))
    parts = [_as_text(CsvFile(io.BytesIO(_member(archive, *file)), file[0]), ADULT) for file in files]
    both = _typed(pd.concat(parts, ignore_index=True), ADULT, "adult.data and adult.test")
    n_train = len(parts[0])
    return {
        "train": both.iloc[:n_train],
        "test": both.iloc[n_train:].reset_index(drop=True),
        "all": both,
    }


def read_bank(archive: ZipFile) -> dict[str, "pd.DataFrame"]:
    """Read all rows, and the tenth of them that is a file of its own."""
    packed = _member(archive, "bank.zip", BANK_ZIP_SHA256)
    with ZipFile(io.BytesIO(packed)) as inner:
        return {
            variant: _frame(inner.read(name), BANK, name)
            for variant, name in (("full", "bank-full.csv"), ("small", "bank.csv"))
        }


def read_bikes(archive: ZipFile) -> dict[str, "pd.DataFrame"]:
    """Read the table by hours and the one by days."""
    return {
        "hour": _frame(_member(archive, "hour.csv", BIKE_HOUR_SHA256), BIKE_HOUR, "hour.csv"),
        "day": _frame(_member(archive, "day.csv", BIKE_DAY_SHA256), BIKE_DAY, "day.csv"),
    }


def read_path(path: str | PathLike[str], layout: FileColumns) -> "pd.DataFrame":
    """Read a file of the user's own in a layout; its name says whether it is compressed.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it is not a table in this layout; the message names the file.
    """
    source = CsvFile(Path(path), str(path))
    return _typed(_as_text(source, layout), layout, source.name)


def _member(archive: ZipFile, name: str, sha256: str) -> bytes:
    content = archive.read(name)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(f"the sha256 checksum of its {name} is {found}, expected {sha256}")
    return content


def _frame(content: bytes, layout: FileColumns, name: str) -> "pd.DataFrame":
    return _typed(_as_text(CsvFile(io.BytesIO(content), name), layout), layout, name)


def _as_text(source: CsvFile, layout: FileColumns) -> "pd.DataFrame":
    """Read the columns of the layout, whatever else there is, every cell as text."""
    if layout.has_header:
        heading = read_text(source, nrows=0, header=0)
        table = read_text(_rewound(source), sep=";" if ";" in "".join(heading) else ",")
    else:
        # The first line of adult.test is no row, and begins with the sign of a comment here.
        table = read_text(source, header=None, skipinitialspace=True, comment="|")
        if table.shape[1] != len(layout.columns):
            expected = f"expected {len(layout.columns)}, without a header"
            raise ValueError(f"{source.name}: {table.shape[1]} columns, {expected}")
        table.columns = list(layout.columns)
    missing = [column for column in layout.columns if column not in table]
    if missing:
        has = ", ".join(map(repr, table))
        raise ValueError(f"{source.name}: no column {', '.join(map(repr, missing))}; it has {has}")
    if table.empty:
        raise ValueError(f"{source.name}: there are no rows")
    return table[list(layout.columns)]


def _rewound(source: CsvFile) -> CsvFile:
    if not isinstance(source.file, Path):
        source.file.seek(0)
    return source


def _typed(table: "pd.DataFrame", layout: FileColumns, name: str) -> "pd.DataFrame":
    pd = require("pandas", "pandas")
    columns = {}
    for column, kind in layout.columns.items():
        cells = table[column]
        try:
            if kind == _TEXT:
                # adult.test ends its classes with a full stop.
                cells = cells.str.removesuffix(".") if not layout.has_header and column == layout.target else cells
                columns[column] = cells.where(cells != "?").astype("category")
            elif kind in (_INTEGERS, _NUMBER):
                numbers = pd.to_numeric(cells)
                columns[column] = numbers.astype(kind)
                if kind == _INTEGERS and (columns[column] != numbers).any():
                    raise ValueError("not all are whole numbers")
            else:
                columns[column] = pd.to_datetime(cells, format="%Y-%m-%d").astype(kind)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{name}: column {column!r}: {error}") from error
    return pd.DataFrame(columns)
