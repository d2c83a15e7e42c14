"""The engine: parameters in the kernels' memory layout, training and prediction over arrays that are validated."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import MAX_INT32, Float32
from fastfm_ext._engine.csr import Csr
from fastfm_ext._native import core as _core

LOSSES = _core.losses()
OPTIMIZERS = _core.optimizers()
SOLVERS = {name: traits.number for name, traits in OPTIMIZERS.items()}
STATE_SLOTS = {name: traits.n_slots for name, traits in OPTIMIZERS.items()}

# A call of the kernel covers about this many nonzeros (some 50 ms), so that Ctrl-C never waits long.
NNZ_PER_CALL = 1 << 22

# What threads keep copies of; measured on ratings and clicks. See ``threads/gradient.hpp``.
HOT_ROWS = 10_000
HOT_SHARE_OF_ROWS = 1 / 500
HOTTEST, HOTTEST_SHARE_OF_NONZEROS = 64, 0.2
HOT_BYTES = 1 << 18
NO_FEATURES: NDArray[np.int32] = np.zeros(0, dtype=np.int32)

NonFiniteScoreError = _core.NonFiniteScoreError

if _wanted_isa := os.environ.get("FASTFM_EXT_ISA"):
    _core.use_isa(_wanted_isa)


def features_in(X: Csr, also: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the features that occur in X, or stand in ``also``, in ascending order."""
    if X.nnz < X.n_features // 16:  # fewer to sort than to mark
        return np.union1d(X.indices, also).astype(np.intp)
    marked = np.zeros(X.n_features, dtype=bool)
    marked[X.indices] = True
    marked[also] = True
    return np.flatnonzero(marked)


def hot_features(X: Csr, record_bytes: int) -> NDArray[np.int32]:
    """Return the features that stand in so many rows that threads would wait for each other, most frequent first.

    None, where they are too small a part of all nonzeros to matter.
    """
    if X.n_rows < HOT_ROWS:
        return NO_FEATURES
    counts = np.bincount(X.indices)
    candidates = np.flatnonzero(counts > X.n_rows * HOT_SHARE_OF_ROWS)
    candidates = candidates[np.argsort(-counts[candidates], kind="stable")]
    if counts[candidates[:HOTTEST]].sum() < HOTTEST_SHARE_OF_NONZEROS * X.nnz:
        return NO_FEATURES
    most = min(max(HOTTEST, HOT_BYTES // record_bytes), MAX_INT32 - X.n_features)
    return candidates[:most].astype(np.int32)


def rename_hot_features(X: Csr, hot: NDArray[np.int32]) -> Csr:
    """Return X with feature ``hot[h]`` numbered ``n_features + h``, which is how the threads find their own copies.

    The result has ``n_features + len(hot)`` features, and only training knows what the last ones are.
    """
    if not len(hot):
        return X
    numbers = np.arange(X.n_features, dtype=np.int32)
    numbers[hot] = np.arange(X.n_features, X.n_features + len(hot))
    return replace(X, indices=numbers[X.indices], n_features=X.n_features + len(hot))


class StepSizes(NamedTuple):
    """What an optimizer needs to know of one kind of parameter: ``StepSizes`` of ``types/gradient.hpp``."""

    learning_rate: float
    beta: float
    l1: float
    l2: float
    initial_acc: float = 1.0


@dataclass(frozen=True)
class Options:
    """Loss, solver and step sizes of one training run.

    ``initial_acc_*`` is what AdaGrad's sums of squared gradients start from; ``beta_*`` and ``l1_*`` are FTRL's.
    ``clip_gradient`` bounds the derivative of a row's loss with respect to its score. ``delta`` is the threshold of a
    loss that has one.
    """

    loss: str
    solver: str
    learning_rate_w: float
    learning_rate_V: float
    l2_w: float
    l2_V: float
    init_stdev: float
    l1_w: float = 0.0
    l1_V: float = 0.0
    beta_w: float = 1.0
    beta_V: float = 1.0
    initial_acc_w: float = 1.0
    initial_acc_V: float = 1.0
    clip_gradient: float = math.inf
    delta: float = 1.0
    fit_intercept: bool = True
    fit_linear: bool = True

    def in_units_of(self, scale: float) -> Self:
        """Return options that train on targets of standard deviation ``scale`` as these do on standard deviation 1.

        Dividing the targets by s and multiplying the predictions by s is the same as training on the targets as they
        are with w = s w' and V = sqrt(s) V', where ' marks what the scaled problem would have learned. In these units
        gradients of w grow by s and those of V by s^1.5, which gives the factors below.
        """
        s = scale
        w_rate, V_rate = (s, s**0.5) if OPTIMIZERS[self.solver].normalises else (1.0, 1.0 / s)
        return replace(
            self,
            learning_rate_w=self.learning_rate_w * w_rate,
            learning_rate_V=self.learning_rate_V * V_rate,
            l2_V=self.l2_V * s,
            l1_w=self.l1_w * s,
            l1_V=self.l1_V * s**1.5,
            beta_w=self.beta_w * s,
            beta_V=self.beta_V * s**1.5,
            init_stdev=self.init_stdev * s**0.5,
            initial_acc_w=self.initial_acc_w * s**2,
            initial_acc_V=self.initial_acc_V * s**3,
            clip_gradient=self.clip_gradient * s,
            delta=self.delta * s,
        )

    @property
    def w0(self) -> StepSizes:
        return StepSizes(self.learning_rate_w, self.beta_w, 0.0, 0.0, self.initial_acc_w)

    @property
    def w(self) -> StepSizes:
        return StepSizes(self.learning_rate_w, self.beta_w, self.l1_w, self.l2_w, self.initial_acc_w)

    @property
    def V(self) -> StepSizes:
        return StepSizes(self.learning_rate_V, self.beta_V, self.l1_V, self.l2_V, self.initial_acc_V)


@dataclass
class Parameters:
    """w0, w and V, each followed by its optimizer's state (the records of ``types/parameters.hpp``).

    Attributes
    ----------
    w0_record : ndarray of shape (1 + n_slots,)
    w_records : ndarray of shape (n_features, 1 + n_slots)
    V_records : ndarray of shape (n_features, 1 + n_slots, k)
        ``k`` is ``n_factors`` with the kernels' padding, which stays zero.
    n_factors : int
    """

    w0_record: Float32
    w_records: Float32
    V_records: Float32
    n_factors: int

    @classmethod
    def initialise(
        cls, n_features: int, n_factors: int, options: Options, intercept: float, rng: np.random.Generator
    ) -> Self:
        """Start from w0 = ``intercept``, w = 0 and V drawn from N(0, init_stdev^2)."""
        n_records = 1 + STATE_SLOTS[options.solver]
        w0_record = np.zeros(n_records, dtype=np.float32)
        w_records = aligned_empty((n_features, n_records))
        V_records = aligned_empty((n_features, n_records, padded(n_factors)))
        w0_record[0] = intercept
        w_records[:, 0] = 0.0
        V_records[:, 0, n_factors:] = 0.0
        V_records[:, 0, :n_factors] = rng.standard_normal((n_features, n_factors), dtype=np.float32)
        V_records[:, 0, :n_factors] *= np.float32(options.init_stdev)
        params = cls(w0_record, w_records, V_records, n_factors)
        for records, sizes in (
            (w0_record.reshape(1, n_records, 1), options.w0),
            (w_records.reshape(n_features, n_records, 1), options.w),
            (V_records, options.V),
        ):
            _core.begin(records, SOLVERS[options.solver], sizes)
        return params

    def check(self, n_features: int) -> None:
        """Raise ValueError unless the arrays have the types and shapes that the kernels rely on."""
        n_records = len(self.w0_record)
        if n_records - 1 not in STATE_SLOTS.values() or type(self.n_factors) is not int or self.n_factors < 0:
            raise ValueError(f"parameters with {n_records - 1} state values each and {self.n_factors} factors")
        shapes = [(n_records,), (n_features, n_records), (n_features, n_records, padded(self.n_factors))]
        for array, shape in zip(self.arrays, shapes, strict=True):
            if array.dtype != np.float32 or array.shape != shape or not array.flags.c_contiguous:
                raise ValueError(
                    f"parameters of shape {array.shape} and type {array.dtype}, where {shape} and float32 are needed"
                )

    @property
    def record_bytes(self) -> int:
        """Bytes that one feature takes."""
        return 4 * int(self.w_records.shape[1] + self.V_records.shape[1] * self.V_records.shape[2])

    @property
    def n_features(self) -> int:
        """Features that have parameters."""
        return len(self.w_records)

    @property
    def n_slots(self) -> int:
        """State values of the optimizer for each parameter."""
        return len(self.w0_record) - 1

    @property
    def w0(self) -> float:
        return float(self.w0_record[0])

    @property
    def w(self) -> Float32:
        return self.w_records[:, 0]

    @property
    def V(self) -> Float32:
        return self.V_records[:, 0, : self.n_factors]

    @property
    def arrays(self) -> tuple[Float32, Float32, Float32]:
        return self.w0_record, self.w_records, self.V_records

    def is_finite(self, features: NDArray[np.intp] | None = None) -> bool:
        """Return whether w0 and the parameters of these features (default: of all) are finite, their state too."""
        w, V = (a if features is None else a[features] for a in (self.w_records, self.V_records))
        # NaN and infinity reach the least or the largest value, and neither needs memory.
        return all(bool(np.isfinite([a.min(), a.max()]).all()) for a in (self.w0_record, w, V) if a.size)

    def copy(self) -> Self:
        w0_record, w_records, V_records = (aligned_empty(a.shape) for a in self.arrays)
        result = type(self)(w0_record, w_records, V_records, self.n_factors)
        result.assign(self)
        return result

    def writable(self) -> Self:
        """Return these parameters, or a copy if they lie in memory that must not be written to."""
        return self if all(a.flags.writeable for a in self.arrays) else self.copy()

    def assign(self, other: Parameters) -> None:
        """Overwrite every value with that of ``other``, which has the same shapes."""
        for mine, theirs in zip(self.arrays, other.arrays, strict=True):
            mine[...] = theirs


def padded(n_factors: int) -> int:
    """Return the number of factors that the kernels store: 0, 4, 8 or the next multiple of 16."""
    return next((k for k in (0, 4, 8) if n_factors <= k), -(-n_factors // 16) * 16)


def aligned_empty(shape: tuple[int, ...]) -> Float32:
    """Return an uninitialised float32 array that starts on a cache line (64 bytes), so that records do not straddle."""
    n_values = int(np.prod(shape))
    buffer = np.empty(n_values + 16, dtype=np.float32)
    start = -(buffer.ctypes.data // 4) % 16
    return buffer[start : start + n_values].reshape(shape)


def train_epoch(
    X: Csr,
    y: Float32,
    sample_weight: Float32 | None,
    order: NDArray[np.int64] | None,
    params: Parameters,
    options: Options,
    n_threads: int = 1,
    hot_features: NDArray[np.int32] = NO_FEATURES,
) -> float:
    """Visit the rows of X in the given order, one step each; change ``params`` in place; return the sum of the loss.

    With ``hot_features``, X is what `rename_hot_features` returned with them.

    Raises
    ------
    NonFiniteScoreError
        When the score of a row is NaN or infinite. The parameters hold the steps before that row.
    """
    loss, solver = LOSSES[options.loss], SOLVERS[options.solver]
    n_visits = X.n_rows if order is None else len(order)
    visits_per_call = max(1, n_visits * NNZ_PER_CALL // max(X.nnz, NNZ_PER_CALL))
    loss_sum = 0.0
    for first in range(0, n_visits, visits_per_call):
        last = min(first + visits_per_call, n_visits)
        visits = (y, sample_weight, order, first, last)
        parameters = (*params.arrays, hot_features)
        loss_sum += _core.sgd_epoch(X.indptr, X.indices, X.data, *visits, *parameters, loss, solver, options, n_threads)
    return loss_sum


def predict(X: Csr, params: Parameters, n_threads: int = 1) -> Float32:
    """Return the score of every row before the link: (n_rows,)."""
    raw_prediction = np.empty(X.n_rows, dtype=np.float32)
    if X.n_rows:
        _core.predict(X.indptr, X.indices, X.data, *params.arrays, n_threads, raw_prediction)
    return raw_prediction


def pool(X: Csr, params: Parameters, n_threads: int = 1) -> tuple[Float32, Float32]:
    """Return each row's own terms without w0, (n_rows,), and its sums S_f = sum_i v_if x_i, (n_rows, n_factors)."""
    own = np.empty(X.n_rows, dtype=np.float32)
    sum_vx = np.empty((X.n_rows, params.V_records.shape[2]), dtype=np.float32)
    if X.n_rows:
        _core.pool(X.indptr, X.indices, X.data, *params.arrays, n_threads, own, sum_vx)
    return own, sum_vx[:, : params.n_factors]


def use_isa(name: str) -> None:
    """Call the kernels of the instruction set ``name`` from now on, in the whole process."""
    _core.use_isa(name)


def supported_isas() -> list[str]:
    """Return the instruction sets that this build holds and this machine runs, fastest first."""
    return _core.supported_isas()


def isa_in_use() -> str:
    """Return the instruction set whose kernels are called."""
    return _core.isa_in_use()


def compiler() -> str:
    """Return the name and version of the compiler that built the core."""
    return _core.compiler()
