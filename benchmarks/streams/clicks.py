"""Made-up clicks in Criteo's shape: 13 numbers and 26 categories a row, a million features, as libsvm or Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from fastfm_ext.streaming import LibsvmSource, ParquetSource
from fastfm_ext.text_formats import write_libsvm

N_NUMBERS, N_CATEGORIES = 13, 26
N_FIELDS = N_NUMBERS + N_CATEGORIES
# Few features in most fields and very many in some, as in the data of Criteo's competition.
FIELD_SIZES = np.geomspace(8, 250_000, N_CATEGORIES).astype(np.int64)
FIELD_STARTS = N_NUMBERS + np.cumsum([0, *FIELD_SIZES])
N_FEATURES = int(FIELD_STARTS[-1])
CHUNK_ROWS = 50_000
FILE_ROWS = 1_000_000
N_VALIDATION = 100_000
VALIDATION_CHUNK = 10**9  # a number that no training chunk has
TRUE_FACTORS = 4


def chunk(number: int) -> tuple[sp.csr_array, np.ndarray]:
    """Return one chunk of rows, the same for the same number: features and whether they were clicked."""
    rng = np.random.default_rng([17, number])
    ids = np.empty((CHUNK_ROWS, N_FIELDS), dtype=np.int32)
    ids[:, :N_NUMBERS] = np.arange(N_NUMBERS)
    # The fourth power of a uniform number: few ids are frequent, most are rare.
    places = rng.random((CHUNK_ROWS, N_CATEGORIES), dtype=np.float32).astype(np.float64) ** 4
    ids[:, N_NUMBERS:] = FIELD_STARTS[:-1] + (places * FIELD_SIZES).astype(np.int64)
    values = np.ones((CHUNK_ROWS, N_FIELDS), dtype=np.float32)
    values[:, :N_NUMBERS] = np.log1p(rng.poisson(3.0, (CHUNK_ROWS, N_NUMBERS))).round(2) + np.float32(0.01)
    w, V = _truth()
    sum_vx = np.einsum("rj,rjf->rf", values, V[ids])
    squares = np.einsum("rj,rjf->r", values**2, V[ids] ** 2)
    score = (values * w[ids]).sum(axis=1) + 0.5 * ((sum_vx**2).sum(axis=1) - squares) - 1.2
    clicked = rng.random(CHUNK_ROWS) < 1.0 / (1.0 + np.exp(-score))
    indptr = N_FIELDS * np.arange(CHUNK_ROWS + 1)
    return sp.csr_array((values.ravel(), ids.ravel(), indptr), shape=(CHUNK_ROWS, N_FEATURES)), clicked


_TRUE_PARAMETERS: list[np.ndarray] = []


def _truth() -> list[np.ndarray]:
    if not _TRUE_PARAMETERS:
        rng = np.random.default_rng(23)
        w = rng.normal(0.0, 0.25, N_FEATURES).astype(np.float32)
        V = rng.normal(0.0, 0.12, (N_FEATURES, TRUE_FACTORS)).astype(np.float32)
        _TRUE_PARAMETERS.extend([w, V])
    return _TRUE_PARAMETERS


def generate(folder: Path, form: str, n_bytes: int) -> None:
    """Write files to ``folder/train`` until they hold so many bytes, and one to ``folder/validation``."""
    write = {"libsvm": _write_libsvm, "parquet": _write_parquet}[form]
    (folder / "train").mkdir(parents=True)
    (folder / "validation").mkdir()
    write(
        folder / "validation" / f"0.{form}",
        iter([chunk(VALIDATION_CHUNK + n) for n in range(N_VALIDATION // CHUNK_ROWS)]),
    )
    number = written = 0
    while written < n_bytes:
        path = folder / "train" / f"{number:04d}.{form}"
        first = number * FILE_ROWS // CHUNK_ROWS
        chunks = (chunk(n) for n in range(first, first + FILE_ROWS // CHUNK_ROWS))
        write(path, _until(chunks, path, n_bytes - written))
        written += path.stat().st_size
        number += 1


def _until(chunks: Iterator[Any], path: Path, n_bytes: int) -> Iterator[Any]:
    for part in chunks:
        yield part
        if path.stat().st_size >= n_bytes:
            return


def _write_libsvm(path: Path, chunks: Iterator[Any]) -> None:
    with path.open("wb") as file:
        for X, clicked in chunks:
            write_libsvm(file, X, clicked)
            file.flush()


def _write_parquet(path: Path, chunks: Iterator[Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [f"number{i}" for i in range(N_NUMBERS)] + [f"category{i}" for i in range(N_CATEGORIES)]
    types = [pa.float32()] * N_NUMBERS + [pa.int32()] * N_CATEGORIES + [pa.bool_()]
    schema = pa.schema(list(zip([*names, "clicked"], types, strict=True)))
    # Each value as it is: a row takes as much on disk as in memory.
    with pq.ParquetWriter(path, schema, use_dictionary=False, compression="none") as writer:
        for X, clicked in chunks:
            values, ids = X.data.reshape(-1, N_FIELDS), X.indices.reshape(-1, N_FIELDS)
            columns = [values[:, i] for i in range(N_NUMBERS)] + [ids[:, i] for i in range(N_NUMBERS, N_FIELDS)]
            writer.write_table(pa.table([*map(np.ascontiguousarray, columns), clicked], schema=schema))


def features_of(table: Any) -> sp.csr_array:
    """Return the rows of a Parquet table as the matrix that they were made from."""
    values = np.ones((len(table), N_FIELDS), dtype=np.float32)
    ids = np.empty((len(table), N_FIELDS), dtype=np.int32)
    for i in range(N_FIELDS):
        if i < N_NUMBERS:
            values[:, i], ids[:, i] = table.column(i).to_numpy(), i
        else:
            ids[:, i] = table.column(i).to_numpy()
    indptr = N_FIELDS * np.arange(len(table) + 1)
    return sp.csr_array((values.ravel(), ids.ravel(), indptr), shape=(len(table), N_FEATURES))


def source(folder: Path, part: str, batch_rows: int = 32_768) -> LibsvmSource | ParquetSource:
    """Return the batches of ``train`` or ``validation``."""
    path = folder / part
    if next(path.iterdir()).suffix == ".parquet":
        return ParquetSource(path, features_of, target="clicked", batch_rows=batch_rows)
    return LibsvmSource(path, n_features=N_FEATURES, zero_based=True, batch_rows=batch_rows)
