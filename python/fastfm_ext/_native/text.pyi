from enum import IntEnum
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

class ReadCode(IntEnum):
    done = 0
    rows_full = 1
    values_full = 2
    out_of_memory = 3
    no_label = 4
    bad_label = 5
    several_labels = 6
    bad_qid = 7
    no_qid = 8
    bad_id = 9
    id_too_small = 10
    id_too_large = 11
    bad_field = 12
    field_too_large = 13
    no_colon = 14
    no_second_colon = 15
    second_colon = 16
    bad_value = 17
    not_finite = 18
    too_large = 19

slack: int

class _Ids(Protocol):
    min_id: int
    max_id: int
    base: int

# An array that is None is not there in the text, or not wanted.
class _RowArrays(Protocol):
    y: NDArray[np.float32] | None
    qid: NDArray[np.int64] | None
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    fields: NDArray[np.int32] | None
    data: NDArray[np.float32]
    n_rows: int

class _RowSource(Protocol):
    @property
    def y(self) -> NDArray[np.float32] | None: ...
    @property
    def qid(self) -> NDArray[np.int64] | None: ...
    @property
    def indptr(self) -> NDArray[np.int64]: ...
    @property
    def indices(self) -> NDArray[np.int32]: ...
    @property
    def fields(self) -> NDArray[np.int32] | None: ...
    @property
    def data(self) -> NDArray[np.float32]: ...
    @property
    def base(self) -> int: ...

class ReadResult(NamedTuple):
    code: int
    n_rows: int
    position: int
    lines: int
    error_at: int
    min_id: int
    max_id: int
    max_field: int

def read_rows(text: bytearray, first: int, last: int, ids: _Ids, arrays: _RowArrays) -> ReadResult: ...
def write_rows(rows: _RowSource, first: int, out: bytearray) -> tuple[int, int]: ...
