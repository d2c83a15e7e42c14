"""Rows a second of the encoder: on Spark, and on one machine, over a made-up table of clicks in Avazu's shape."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fastfm_ext import FMEncoder
from fastfm_ext.encoding import categorical, multi

from ..in_turn import time_in_turn
from .session import session

# Distinct values of each column; the largest are ids of devices and addresses.
TEXTS = {
    "site_id": 3_000,
    "site_domain": 4_000,
    "site_category": 25,
    "app_id": 5_000,
    "app_domain": 300,
    "app_category": 30,
    "device_id": 150_000,
    "device_ip": 600_000,
    "device_model": 7_000,
}
NUMBERS = {
    "hour": 240,
    "C1": 7,
    "banner_pos": 7,
    "device_type": 5,
    "device_conn_type": 4,
    "C14": 2_500,
    "C15": 8,
    "C16": 9,
    "C17": 430,
    "C18": 4,
    "C19": 68,
    "C20": 170,
}
N_TAGS = 60
FILE_ROWS = 500_000


def generate(folder: Path, n_rows: int) -> None:
    """Write files of rows; a tenth of the devices is missing, and a row has up to four tags."""
    for number, start in enumerate(range(0, n_rows, FILE_ROWS)):
        rng = np.random.default_rng([11, number])
        n = min(FILE_ROWS, n_rows - start)
        columns: dict[str, Any] = {}
        for place, (name, size) in enumerate((TEXTS | NUMBERS).items()):
            # The third power of a uniform number: few values are frequent, most are rare.
            ids = (rng.random(n) ** 3 * size).astype(np.int32)
            if name in NUMBERS:
                columns[name] = ids
                continue
            texts = pa.array([f"{(ident + 1) * 2_654_435_761 % 2**32 ^ place:08x}" for ident in range(size)])
            missing = rng.random(n) < 0.1 if name == "device_id" else None
            columns[name] = pa.DictionaryArray.from_arrays(pa.array(ids, mask=missing), texts).cast(pa.string())
        lengths = rng.integers(0, 5, n)
        tags = pa.array([f"tag{tag}" for tag in range(N_TAGS)]).take(pa.array(rng.integers(0, N_TAGS, lengths.sum())))
        columns["tags"] = pa.ListArray.from_arrays(pa.array(np.append(0, np.cumsum(lengths)).astype(np.int32)), tags)
        pq.write_table(pa.table(columns), folder / f"part-{number}.parquet")


def encoder() -> FMEncoder:
    """Return an encoder of all columns."""
    names = [name for name in (*TEXTS, *NUMBERS) if name not in ("device_id", "device_ip")]
    rare = [categorical(name, min_count=2, unknown="rare") for name in ("device_id", "device_ip")]
    return FMEncoder([*names, *rare, multi("tags", sep=None)])


def as_they_are(batches: Any) -> Any:
    """Give back the batches."""
    yield from batches


def measure(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each job in each round.

    On one machine, a job reads the file, too. On Spark, what it makes is thrown away (Spark's "noop" sink); the last
    job hands the same columns to Python and back, and encodes none.
    """
    from fastfm_ext.spark.encoding.apply import encode
    from fastfm_ext.spark.encoding.fit import fit_encoder

    spark = session()
    frame = spark.read.parquet(str(folder))
    one = encoder().fit(pq.read_table(folder))
    several = fit_encoder(frame, encoder())
    assert one.n_features_out_ == several.n_features_out_

    def thrown_away(result: Any) -> None:
        result.write.format("noop").mode("overwrite").save()

    jobs = {
        "fit, one machine": lambda: encoder().fit(pq.read_table(folder)),
        "fit, Spark": lambda: fit_encoder(frame, encoder()),
        "transform, one machine": lambda: one.transform(pq.read_table(folder)),
        "transform, Spark": lambda: thrown_away(encode(frame, several, kept=["C1"])),
        "transform, all kept, Spark": lambda: thrown_away(encode(frame, several)),
        "to Python and back, Spark": lambda: thrown_away(frame.mapInArrow(as_they_are, frame.schema)),
    }
    taken = time_in_turn(jobs, rounds)
    spark.stop()
    return {name: times.wall for name, times in taken.items()}


def run(options: Any) -> None:
    """Print the seconds of each job, and its rows a second."""
    with tempfile.TemporaryDirectory() as name:
        generate(Path(name), options.rows)
        taken = measure(Path(name), options.times)
    print(f"{options.rows:,} rows, {len(TEXTS) + len(NUMBERS) + 1} columns; median of {options.times} rounds")
    for job, times in taken.items():
        median = statistics.median(times)
        spread = f"{min(times):.2f} to {max(times):.2f} s"
        print(f"{job:27} {median:7.2f} s  {options.rows / median:11,.0f} rows/s  ({spread})")
