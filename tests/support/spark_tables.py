"""Real tables, and one of all types of Spark's, as the tests of Spark read them."""

import datetime as dt
from decimal import Decimal

import pytest

from fastfm_ext.encoding import binned, categorical, crossed, hashed, implicit, multi, numeric

pd = pytest.importorskip("pandas", reason="needs pandas")
pa = pytest.importorskip("pyarrow", reason="needs pyarrow")

CRITEO_NUMBERS = [f"i{place}" for place in range(13)]
CRITEO_TEXTS = [f"c{place}" for place in range(26)]


def ml_100k(folder):
    ratings = pd.read_csv(
        folder / "ml-100k" / "u.data.xz", sep="\t", names=["user", "item", "rating", "time"], nrows=20_000
    )
    films = pd.read_csv(folder / "ml-100k" / "u.item.xz", sep="|", header=None, encoding="latin-1")
    genres = films.iloc[:, 5:].apply(lambda row: "|".join(f"g{place}" for place, has in enumerate(row) if has), axis=1)
    ratings["genres"] = ratings["item"].map(dict(zip(films[0], genres, strict=True)))
    ratings["when"] = pd.to_datetime(ratings["time"], unit="s").astype("datetime64[us]")
    return ratings


def adult(folder):
    return pd.read_csv(folder / "ctr" / "adult" / "adult-uci.csv.gz")


def criteo(folder):
    names = ["y", *CRITEO_NUMBERS, *CRITEO_TEXTS]
    return pd.read_csv(
        folder / "ctr" / "criteo-10k" / "train_examples.txt.xz", sep="\t", header=None, names=names, nrows=4_000
    )


def avazu(folder):
    return pd.read_csv(folder / "ctr" / "avazu-8k" / "train.csv.xz", dtype={"id": str}, nrows=4_000)


# A table, and the lists of an encoder of it.
REAL = {
    "ml-100k": (
        ml_100k,
        {
            "user": ["user", implicit("user", of="item")],
            "item": [categorical("item", min_count=5), multi("genres"), implicit("item", of="user", norm=None)],
            "context": [numeric("time"), binned("when", 30), crossed("user", "genres", min_count=3)],
        },
    ),
    "adult": (adult, {}),
    "criteo-10k": (
        criteo,
        {
            "columns": [
                *(categorical(c, min_count=i % 4 + 1, missing="feature") for i, c in enumerate(CRITEO_TEXTS[:13])),
                *(categorical(c, min_count=2, unknown="rare") for c in CRITEO_TEXTS[13:]),
                *(numeric(c, log=place % 2 == 0) for place, c in enumerate(CRITEO_NUMBERS)),
                *(binned(c, place + 2, missing="feature") for place, c in enumerate(CRITEO_NUMBERS)),
                binned("y", strategy="uniform"),
                hashed("c3", 100),
                crossed("c0", "c1", "c5", min_count=2),
                crossed("c8", "i5"),
            ]
        },
    ),
    "avazu": (avazu, {"user": ["device_ip", "device_id"], "context": [hashed("site_id", 2**10), "hour", "C14"]}),
}

_DAY = dt.datetime(2024, 3, 1, 12)

# A row for each of 24 numbers, with gaps; by type.
TYPED = pa.table(
    {
        "byte": pa.array([i % 3 if i % 5 else None for i in range(24)], pa.int8()),
        "long": pa.array([10**15 + i for i in range(24)], pa.int64()),
        "float": pa.array([i % 4 / 2 if i % 7 else None for i in range(24)], pa.float32()),
        "whole": pa.array([float(i % 4) if i % 3 else float("nan") for i in range(24)], pa.float64()),
        "decimal": pa.array([Decimal(i % 4) / 4 if i % 6 else None for i in range(24)], pa.decimal128(10, 2)),
        "flag": pa.array([i % 2 == 0 if i % 4 else None for i in range(24)]),
        "text": pa.array([f"näme {i % 5}" if i % 5 else None for i in range(24)]),
        "rare": pa.array([f"t{i}" if i > 1 else "t3" for i in range(24)]),
        "day": pa.array([_DAY.date() + dt.timedelta(days=i % 6) for i in range(24)]),
        "instant": pa.array(
            [_DAY + dt.timedelta(hours=i % 6) if i % 9 else None for i in range(24)], pa.timestamp("us")
        ),
        "words": pa.array([[f"w{k}" for k in range(i % 4)] if i % 5 else None for i in range(24)]),
        "numbers": pa.array([[i % 3, None, i % 2] for i in range(24)], pa.list_(pa.int32())),
        "tags": pa.array([" a | b" if i % 2 else "b||c" for i in range(24)]),
        "empty": pa.array([None] * 24, pa.string()),
    }
)
TYPED_SPECS = {
    "user": ["byte", "long", "float", "whole", "decimal", "flag", categorical("text", min_count=6, missing="feature")],
    "item": ["rare", multi("words", sep=None), multi("numbers", min_count=9), multi("tags", norm="l1"), "empty"],
    "context": [
        "day",
        "instant",
        numeric("day"),
        numeric("instant"),
        binned("instant", 3),
        numeric("decimal", missing="feature"),
        binned("float", 3),
        numeric("flag"),
        crossed("text", "whole", "decimal"),
        crossed("flag", "day", min_count=2),
    ],
}
