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
