from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_Indptr = NDArray[np.int32] | NDArray[np.int64]
_Indices = NDArray[np.int32]
_Floats = NDArray[np.float32]

class StatusCode(IntEnum):
    ok = 0
    non_finite = 1
    out_of_memory = 2

class NonFiniteScoreError(ArithmeticError):
    row: int
    def __init__(self, row: int) -> None: ...

def supported_isas() -> list[str]: ...
def use_isa(name: str) -> None: ...
def isa_in_use() -> str: ...
def compiler() -> str: ...
def losses() -> dict[str, int]: ...
def ranking_losses() -> dict[str, int]: ...

class OptimizerTraits(NamedTuple):
    number: int
    n_slots: int
    normalises: bool

def optimizers() -> dict[str, OptimizerTraits]: ...
def begin(records: _Floats, optimizer: int, sizes: Any) -> None: ...
def sgd_epoch(
    indptr: _Indptr,
    indices: _Indices,
    data: _Floats | None,
    y: _Floats,
    sample_weight: _Floats | None,
    order: NDArray[np.int64] | None,
    first: int,
    last: int,
    params: Any,
    hot_features: _Indices,
    loss: int,
    optimizer: int,
    options: Any,
    n_threads: int,
) -> float: ...
def predict(
    indptr: _Indptr,
    indices: _Indices,
    data: _Floats | None,
    params: Any,
    n_threads: int,
    out: _Floats,
) -> None: ...
def pool(
    indptr: _Indptr,
    indices: _Indices,
    data: _Floats | None,
    params: Any,
    n_threads: int,
    own: _Floats,
    sum_vx: _Floats,
) -> None: ...
def ranking_epoch(
    users: Any,
    items: Any,
    interactions: Any,
    users_of_interactions: _Indices,
    order: NDArray[np.int64],
    begins: NDArray[np.int64] | None,
    first: int,
    last: int,
    most: int,
    negatives: Any,
    params: Any,
    loss: int,
    options: Any,
    n_threads: int,
) -> float: ...
def order_of_visits(
    interactions: NDArray[np.int64],
    users: _Indices,
    most: int,
    seed: int,
    order: NDArray[np.int64],
    begins: NDArray[np.int64],
) -> int: ...
def fold_in(
    item_vectors: _Floats,
    histories: Any,
    negatives: Any,
    sum_known: _Floats,
    loss: int,
    sizes: Any,
    n_steps: int,
    sum_user: _Floats,
) -> None: ...
def inspect(indptr: _Indptr, indices: _Indices, data: _Floats, n_features: int) -> tuple[bool, bool, bool, bool]: ...
def nnz_of_rows(indptr: _Indptr, indices: _Indices, rows: NDArray[np.int64]) -> int: ...
def take_rows(
    indptr: _Indptr,
    indices: _Indices,
    data: _Floats | None,
    rows: NDArray[np.int64],
    out_indptr: _Indptr,
    out_indices: _Indices,
    out_data: _Floats | None,
) -> None: ...
def block_order(blocks: NDArray[np.int64], block_rows: int, n_rows: int, seed: int, out: NDArray[np.int64]) -> None: ...

PANEL_ITEMS: int

def top_n(
    users: _Floats,
    user_norms: NDArray[np.float64],
    panels: _Floats,
    item_positions: _Indices,
    norms: NDArray[np.float64],
    vectors: _Floats,
    largest_norm: float,
    list_panels: _Indptr | None,
    indptr: _Indptr | None,
    listed: _Indices | None,
    may_get: bool,
    allowed: NDArray[np.uint8] | None,
    probes: _Indices | None,
    n_threads: int,
    positions: NDArray[np.int64],
    scores: _Floats,
) -> None: ...
