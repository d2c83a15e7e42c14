from enum import IntEnum
from typing import Any

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

def read_rows(
    text: bytearray,
    first: int,
    last: int,
    options: Any,
    y: NDArray[np.float32] | None,
    qid: NDArray[np.int64] | None,
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    fields: NDArray[np.int32] | None,
    data: NDArray[np.float32],
    n_rows: int,
) -> tuple[int, int, int, int, int, int, int, int]: ...
def write_rows(
    y: NDArray[np.float32] | None,
    qid: NDArray[np.int64] | None,
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    fields: NDArray[np.int32] | None,
    data: NDArray[np.float32],
    base: int,
    first: int,
    out: bytearray,
) -> tuple[int, int]: ...

_Codes = NDArray[np.int32]
_Places = NDArray[np.int64]
_Mask = NDArray[np.uint8]

def code_ints(values: _Places, valid: _Mask | None, codes: _Codes, first: _Places) -> int: ...
def code_texts(source: Any, codes: _Codes, first: _Places) -> int: ...
def take_texts(source: Any, rows: _Places, offsets: _Places, out: NDArray[np.uint8] | None) -> None: ...
def murmur3(utf8: NDArray[np.uint8], offsets: _Places, seed: int, out: _Codes) -> None: ...
def tidy_cells(indptr: _Places, features: _Codes, weights: NDArray[np.float32] | None) -> None: ...
def count_entries(sources: list[Any], indptr: _Places) -> None: ...
def write_entries(
    sources: list[Any], indptr: _Places, sort: bool, indices: _Codes, data: NDArray[np.float32] | None
) -> None: ...

class ArrowOwner: ...

class Memory:
    __array_interface__: dict[str, Any]
    def __init__(self, owner: object, address: int, typestr: str, n_values: int) -> None: ...

_Schema = tuple[str, str, list[Any], Any]
_Array = tuple[int, int, int, list[int], list[Any], Any]

def import_arrow_array(
    schema_capsule: object, array_capsule: object
) -> tuple[_Schema, list[tuple[ArrowOwner, _Array]]]: ...
def import_arrow_stream(stream_capsule: object) -> tuple[_Schema, list[tuple[ArrowOwner, _Array]]]: ...
