"""Cache of rows on disk: a stream's later epochs read it in place of the source.

The file
--------
The magic line, then for each block the arrays ``indptr`` (int64), ``indices`` (int32), ``data`` (float32, absent where
every value is 1), ``targets`` (float32), ``sample_weight`` (float32, absent where none was given) and ``numbers``
(int64), one after the other, in the machine's byte order; then a JSON table of the blocks, and in the last 16 bytes
where the table begins and its length. The file gets its name when it is complete.

It is read with plain reads: a mapping of a large file would count against a limit on the process's address space.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Self

import numpy as np

from fastfm_ext._common.arrays import AnyArray
from fastfm_ext._common.files import PendingFile
from fastfm_ext._engine import csr as _csr
from fastfm_ext._engine.csr import Csr
from fastfm_ext._learning.samples import Samples

_MAGIC = b"fastfm-ext rows 1\n"
_ENTRY = 5  # where a block begins, its rows, its values, whether it has data, and weights
_FOOTER = struct.Struct("<QQ")


class RowCacheWriter:
    """Writer of a cache file, which has its name only when all blocks are there."""

    def __init__(self, path: str) -> None:
        self._pending = PendingFile(path, f"{path}.partial")
        self._file = self._pending.file
        self._file.write(_MAGIC)
        self._offset = len(_MAGIC)
        self._table: list[list[int]] = []

    def append(self, samples: Samples) -> None:
        """Add one block."""
        X = samples.X
        if samples.numbers is None:
            raise ValueError("rows without numbers")
        self._table.append([self._offset, X.n_rows, X.nnz, X.data is not None, samples.sample_weight is not None])
        for array in (
            (X.indptr - X.indptr[0]).astype(np.int64),
            X.indices,
            X.data,
            samples.targets,
            samples.sample_weight,
            samples.numbers,
        ):
            if array is not None:
                content = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
                self._file.write(content)
                self._offset += len(content)

    def finish(self) -> None:
        """Write the table, and give the file its name."""
        table = json.dumps(self._table).encode()
        self._file.write(table + _FOOTER.pack(self._offset, len(table)))
        self._pending.finish()

    def abandon(self) -> None:
        """Remove what has been written, unless it is complete."""
        self._pending.abandon()


class RowCache:
    """Cache of a stream's rows: the blocks of a file that `RowCacheWriter` wrote.

    Raises
    ------
    ValueError
        If the file is not one, or is damaged.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = open(path, "rb")  # noqa: SIM115 - closed by close
        try:
            self._table = self._read_table()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._table)

    @property
    def n_rows(self) -> int:
        return sum(entry[1] for entry in self._table)

    def read(self, blocks: Sequence[int], n_scorers: int, n_features: int) -> Samples:
        """Return the rows of these blocks, one below the other, checked, as rows of ``n_features`` features."""
        entries = [self._table[block] for block in blocks]
        n_rows, nnz = (sum(entry[place] for entry in entries) for place in (1, 2))
        indptr, indices = np.zeros(n_rows + 1, dtype=np.int64), np.empty(nnz, dtype=np.int32)
        data = np.ones(nnz, dtype=np.float32) if any(entry[3] for entry in entries) else None
        targets = np.empty((n_scorers, n_rows), dtype=np.float32)
        weight = np.ones(n_rows, dtype=np.float32) if any(entry[4] for entry in entries) else None
        numbers = np.empty(n_rows, dtype=np.int64)
        row = place = 0
        for offset, n, n_values, has_data, has_weight in entries:
            of_rows, of_values = slice(row, row + n), slice(place, place + n_values)
            self._file.seek(offset)
            starts = np.empty(n + 1, dtype=np.int64)
            self._fill(starts)
            if starts[0] != 0 or starts[-1] != n_values:
                raise self._damaged(f"a block of {n_values} values has others in its rows")
            np.add(starts[1:], place, out=indptr[row + 1 : row + n + 1])
            self._fill(indices[of_values])
            if data is not None and has_data:
                self._fill(data[of_values])
            for scorer in range(n_scorers):
                self._fill(targets[scorer, of_rows])
            if weight is not None and has_weight:
                self._fill(weight[of_rows])
            self._fill(numbers[of_rows])
            row, place = row + n, place + n_values
        if not _is_valid(indptr, indices, data, n_features):
            raise self._damaged("a block holds no valid rows")
        return Samples(Csr(indptr, indices, data, n_features), targets, weight, numbers)

    def _fill(self, array: AnyArray) -> None:
        """Read the next values straight to where they are wanted."""
        content = array.view(np.uint8).data
        if _read_into(self._file, content) != len(content):
            raise self._damaged("it is cut off")

    def _read_table(self) -> list[list[int]]:
        size = os.fstat(self._file.fileno()).st_size
        if self._file.read(len(_MAGIC)) != _MAGIC or size < len(_MAGIC) + _FOOTER.size:
            raise self._damaged("it does not begin as one")
        self._file.seek(size - _FOOTER.size)
        offset, length = _FOOTER.unpack(self._file.read(_FOOTER.size))
        if offset + length != size - _FOOTER.size:
            raise self._damaged("its table is missing")
        self._file.seek(offset)
        try:
            table = np.array(json.loads(self._file.read(length)), dtype=np.int64).reshape(-1, _ENTRY)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise self._damaged("its table makes no sense") from error
        if table.size and not (table.min() >= 0 and table.max() <= size):
            raise self._damaged("its table makes no sense")
        return [[int(value) for value in entry] for entry in table]

    def _damaged(self, reason: str) -> ValueError:
        return ValueError(f"{self._path} is not a complete cache of rows: {reason}. Delete it and start again.")


def _is_valid(indptr: AnyArray, indices: AnyArray, data: AnyArray | None, n_features: int) -> bool:
    values = np.ones(len(indices), dtype=np.float32) if data is None else data
    if _csr.csr_at_once(indptr, indices, values, n_features) is not None:
        return True
    # Scaling may have left a value 0, which is as good as any here.
    without_zeros = np.where(values == 0, np.float32(1), values)
    return _csr.csr_at_once(indptr, indices, without_zeros, n_features) is not None


def _read_into(file: IO[bytes], content: memoryview) -> int:
    """Fill `content` from a file as far as it goes; return the number of bytes read."""
    done = 0
    while done < len(content):
        n = file.readinto(content[done:])  # type: ignore[attr-defined]
        if not n:
            break
        done += n
    return done
