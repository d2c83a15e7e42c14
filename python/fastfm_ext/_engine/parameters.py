"""Parameters of a model in the kernels' memory layout: tables of values, each with the optimizer's state for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine import storage
from fastfm_ext._engine.models import FM, NO_FIELDS, Fields, ModelSpec, TableSpec
from fastfm_ext._engine.models.spec import padded
from fastfm_ext._engine.options import STATE_SLOTS, Options
from fastfm_ext._engine.storage import Records
from fastfm_ext._native import core

_VALUES_AT_ONCE = 1 << 18  # drawn at a time: 1 MB


class FeatureRecord(NamedTuple):
    """What the parameters of one feature are: of which model, by its number, and their bytes with their state."""

    model: int
    n_bytes: int


@dataclass
class Parameters:
    """The tables of a model: w0, w, V, and what else it has (``Params`` of ``types/parameters.hpp``).

    Attributes
    ----------
    tables : dict of ndarray of shape (n_rows, 1 + n_slots, width), float32
        By name; index 0 of the second axis has the parameters, the others have the optimizer's state for them. The
        width of V is that of vectors of ``n_factors`` with the kernels' padding, which stays zero. V may be uint16: the
        bits of parameters in float16, and of their state in bfloat16.
    n_factors : int
    model : ModelSpec
    fields : Fields
        Those of the features, where the model asks for them.
    """

    tables: dict[str, Records]
    n_factors: int
    model: ModelSpec = FM
    fields: Fields = NO_FIELDS

    @classmethod
    def initialise(
        cls,
        n_features: int,
        n_factors: int,
        options: Options,
        intercept: float,
        rng: np.random.Generator,
        features: NDArray[np.integer] | None = None,
        *,
        model: ModelSpec = FM,
        fields: Fields = NO_FIELDS,
    ) -> Self:
        """Start from w0 = ``intercept``, w = 0, V drawn from N(0, init_stdev^2), and others as the model says.

        With `features`, which may repeat, the factors of all others are 0 until `draw_fresh`; those of these are what
        they are without.

        Raises
        ------
        MemoryError
            That tells how many features, fields and factors are too many.
        """
        tables: dict[str, Records] = {}
        try:
            for spec in model.tables:
                shape = spec.shape(n_features, STATE_SLOTS[options.solver], n_factors, fields.n)
                tables[spec.name] = records = aligned_empty(shape, _dtype_of(spec, model, options))
                first = None if spec.per_feature else spec.first_values(n_factors, fields.n)
                if spec.name == "w0":
                    first = np.full((1, 1), intercept, dtype=np.float32)
                drawn = None
                if spec.is_drawn and (features is None or len(features)):
                    mask = None
                    if features is not None:
                        mask = np.zeros(n_features, dtype=bool)
                        mask[features] = True
                    drawn = _Drawn(rng, options.init_stdev, model.n_vectors(fields.n), n_factors, mask)
                _fill(spec, records, first, options, drawn)
        except MemoryError as error:
            of_fields = f" in {fields.n:,} fields" * model.has_fields
            raise MemoryError(f"{n_features:,} features{of_fields}, with n_factors={n_factors}: {error}") from None
        return cls(tables, n_factors, model, fields)

    @classmethod
    def of(cls, n_factors: int, *, model: ModelSpec = FM, fields: Fields = NO_FIELDS, **values: Float32) -> Self:
        """Take over those of a model, without any optimizer's state.

        They are w0 (1, 1), w (n_features, 1), V (n_features, n_factors) or, with a vector for each field,
        (n_features, n_fields, n_factors), and where the model has it R, (n_fields, n_fields, ...) as `R` is.
        """
        k, tables = padded(n_factors), {}
        for spec in model.tables:
            table = aligned_empty(spec.shape(len(values["V"]), 0, n_factors, fields.n))
            table[...] = 0.0
            given = values[spec.name]
            if spec.of_pair is not None:
                given = _widened(given, (fields.n, fields.n, *spec.of_pair(k))).reshape(fields.n, -1)
            elif given.ndim == 3:
                given = _widened(given, (*given.shape[:2], k)).reshape(len(given), -1)
            table[:, 0, : given.shape[1]] = given
            tables[spec.name] = table
        return cls(tables, n_factors, model, fields)

    def begun(self, options: Options) -> Self:
        """Return a copy with the first state of the options' optimizer, as `initialise` gives it."""
        tables: dict[str, Records] = {}
        for spec, records in self._in_order():
            shape = (len(records), 1 + STATE_SLOTS[options.solver], records.shape[2])
            tables[spec.name] = begun = aligned_empty(shape, _dtype_of(spec, self.model, options))
            _fill(spec, begun, storage.parameters_of(records), options)
        return replace(self, tables=tables)

    @property
    def specs(self) -> tuple[TableSpec, ...]:
        """Descriptions of the tables."""
        return self.model.tables

    @property
    def n_features(self) -> int:
        """Features that have parameters."""
        return max(len(records) for spec, records in self._in_order() if spec.per_feature)

    @property
    def n_slots(self) -> int:
        """How many state values the optimizer keeps for each parameter."""
        return int(self.tables["w0"].shape[1]) - 1

    @property
    def k(self) -> int:
        """``n_factors`` with the kernels' padding."""
        return padded(self.n_factors)

    @property
    def dtype(self) -> str:
        """The type of the factors: "float32" or "float16"."""
        return "float16" if any(storage.is_half(records) for records in self.arrays) else "float32"

    def in_float32(self, features: NDArray[np.integer]) -> Self:
        """Return the parameters of these features alone, without any state, for kernels that know no halves."""
        w0, w = np.full((1, 1), self.w0, dtype=np.float32), self.w[features, None]
        return self.of(self.n_factors, w0=w0, w=w, V=self.V_of(features))

    @property
    def record(self) -> FeatureRecord:
        """What the parameters of one feature are."""
        return FeatureRecord(self.model.number, self.record_bytes)

    @property
    def record_bytes(self) -> int:
        """Bytes that one feature takes."""
        return sum(records[0].nbytes for spec, records in self._in_order() if spec.per_feature)

    @property
    def w0(self) -> float:
        return float(self.tables["w0"][0, 0, 0])

    @property
    def w(self) -> Float32:
        return self.tables["w"][:, 0, 0]

    @property
    def V(self) -> Float32:
        """(n_features, n_factors); with a vector for each field, (n_features, n_fields, n_factors).

        A copy of halves: `V_of` copies those of a few features alone.
        """
        return self.V_of(slice(None))

    def V_of(self, features: NDArray[np.integer] | slice) -> Float32:
        """Return the rows of V of these features."""
        V = storage.parameters_of(self.tables["V"][features])
        if not self.model.has_vectors_by_field:
            return V[:, : self.n_factors]
        n, k = self.fields.n, self.k
        return V[:, : n * k].reshape(len(V), n, k)[..., : self.n_factors]

    @property
    def R(self) -> Float32:
        """What pairs of fields have, (n_fields, n_fields, ...): a number, a vector (n_factors,), or a matrix.

        Both halves, from the upper triangle of the table: what belongs to G and F is that of F and G, transposed, and
        of a matrix of F and F, the symmetric part is all that counts.
        """
        n, of_pair = self.fields.n, self.model.shape_of_pair(self.k)
        assert of_pair is not None
        pairs = self.tables["R"][:, 0, : n * math.prod(of_pair)].reshape(n, n, *of_pair)
        within = tuple(slice(self.n_factors) for _ in of_pair)
        R: Float32 = pairs[(slice(None), slice(None), *within)].copy()
        F, G = np.triu_indices(n, 1)
        R[G, F] = R[F, G].swapaxes(-1, -2) if R.ndim == 4 else R[F, G]
        if R.ndim == 4:
            F = np.arange(n)
            R[F, F] = 0.5 * (R[F, F] + R[F, F].swapaxes(-1, -2))
        return R

    @property
    def arrays(self) -> tuple[Records, ...]:
        return tuple(self.tables.values())

    def _in_order(self) -> list[tuple[TableSpec, Records]]:
        return [(spec, self.tables[spec.name]) for spec in self.specs]

    def is_finite(self, features: NDArray[np.intp] | None = None) -> bool:
        """Return whether w0 and the parameters of these features (default: of all) are finite, their state too."""
        for spec, records in self._in_order():
            if not storage.is_finite(records[features] if features is not None and spec.per_feature else records):
                return False
        return True

    def copy(self) -> Self:
        tables = {name: aligned_empty(records.shape, records.dtype) for name, records in self.tables.items()}
        result = replace(self, tables=tables)
        result.assign(self)
        return result

    @property
    def is_writable(self) -> bool:
        """Whether they lie in memory that may be written to."""
        return all(records.flags.writeable for records in self.arrays)

    def assign(self, other: Parameters) -> None:
        """Overwrite every value with that of ``other``, which has the same shapes."""
        for name, records in self.tables.items():
            records[...] = other.tables[name]

    def part(self, features: NDArray[np.intp]) -> dict[str, Records]:
        """Return copies of the records of these features, and of the tables that have no features."""
        return {
            spec.name: records[features] if spec.per_feature else records.copy() for spec, records in self._in_order()
        }

    def put(self, features: NDArray[np.intp], part: Mapping[str, Records]) -> None:
        """Put back what `part` returned for these features."""
        for spec, records in self._in_order():
            records[features if spec.per_feature else ...] = part[spec.name]

    def draw_fresh(self, features: NDArray[np.integer], options: Options, seed: Sequence[int]) -> None:
        """Draw the first factors of those of these features, which may repeat, that no row has trained yet.

        What is drawn depends on the seed and on the first feature that it is drawn for.
        """
        for spec, records in self._in_order():
            if not (spec.is_drawn and spec.per_feature and records.shape[2]):
                continue
            untouched = aligned_empty((1, *records.shape[1:]), records.dtype)
            _fill(spec, untouched, None, options)
            fresh = np.unique(features[records[features, 0, 0] == 0])
            fresh = fresh[(records[fresh] == untouched).all(axis=(1, 2))]
            if len(fresh):
                rng = np.random.default_rng([*seed, int(fresh[0])])
                begun = self.initialise(
                    len(fresh), self.n_factors, options, 0.0, rng, model=self.model, fields=Fields(self.fields.n, None)
                )
                records[fresh] = begun.tables[spec.name]

    def grown(self, n_features: int, options: Options, fields: Fields = NO_FIELDS) -> Self:
        """Return a copy with parameters of 0 for the features from the last one on, until `draw_fresh`.

        ``fields`` are those of all features, which are as many fields as before.
        """
        n_before = self.n_features
        nothing, rng = np.zeros(0, dtype=np.intp), np.random.default_rng(0)
        fresh = self.initialise(
            n_features - n_before, self.n_factors, options, 0.0, rng, nothing, model=self.model, fields=fields
        )
        tables = {name: records.copy() for name, records in self.tables.items()}
        for spec, records in self._in_order():
            if spec.per_feature:
                tables[spec.name] = whole = aligned_empty((n_features, *records.shape[1:]), records.dtype)
                whole[:n_before] = records
                # Parameters of another program have no state yet.
                whole[n_before:] = fresh.tables[spec.name][:, : records.shape[1]]
        return replace(self, tables=tables, fields=fields)

    def scale(self, columns: NDArray[np.intp], factors: Float32) -> None:
        """Turn the parameters of these features into those for values divided by ``factors`` (n_columns, 1)."""
        if not len(columns):
            return
        for spec, records in self._in_order():
            if spec.feature_power:
                scaled = storage.parameters_of(records[columns]) * factors**spec.feature_power
                storage.put_parameters(records, columns, scaled)

    def to_arrays(self, suffix: str = "") -> dict[str, Records]:
        """Return the tables under the names and in the shapes that model files have."""
        shape = (self.n_features, self.n_slots, self.n_factors, self.fields.n)
        return {
            spec.array_name + suffix: records.reshape(spec.array_shape(*shape)) for spec, records in self._in_order()
        }

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, NDArray[Any]],
        n_factors: int,
        n_features: int | None = None,
        suffix: str = "",
        *,
        model: ModelSpec = FM,
        fields: Fields = NO_FIELDS,
    ) -> Self:
        """Undo `to_arrays`; without ``n_features``, for as many features as there are.

        Raises
        ------
        KeyError, TypeError, ValueError
            For arrays that `to_arrays` did not make.
        """
        named = {spec.name: arrays[spec.array_name + suffix] for spec in model.tables}
        if n_features is None:
            n_features = max(len(named[spec.name]) for spec in model.tables if spec.per_feature)
        n_slots = len(named["w0"]) - 1
        if n_slots not in STATE_SLOTS.values() or type(n_factors) is not int or n_factors < 0:
            raise ValueError(f"parameters with {n_slots} state values each and {n_factors} factors")
        tables = {}
        for spec in model.tables:
            array, shape = named[spec.name], spec.array_shape(n_features, n_slots, n_factors, fields.n)
            is_known = array.dtype == np.float32 or (storage.is_half(array) and spec.is_drawn and model.has_halves)
            if not is_known or array.shape != shape or not array.flags.c_contiguous:
                raise ValueError(
                    f"parameters of shape {array.shape} and type {array.dtype}, where {shape} and float32 are needed"
                )
            tables[spec.name] = array.reshape(spec.shape(n_features, n_slots, n_factors, fields.n))
        return cls(tables, n_factors, model, fields)


def _widened(values: Float32, shape: tuple[int, ...]) -> Float32:
    """Return values with zeros behind them up to this shape."""
    wide: Float32 = np.zeros(shape, dtype=np.float32)
    wide[tuple(slice(n) for n in values.shape)] = values
    return wide


def _dtype_of(spec: TableSpec, model: ModelSpec, options: Options) -> type[np.generic]:
    """Return the type of a table of parameters that are trained with these options."""
    if options.dtype == "float32" or not spec.is_drawn:
        return np.float32
    if not model.has_halves:
        raise ValueError(f'the model "{model.name}" has its parameters in float32, not in {options.dtype}')
    return np.uint16


class _Drawn(NamedTuple):
    """The vectors of features to draw, ``n_vectors`` of ``n_factors`` each: of all, or where the mask says so."""

    rng: np.random.Generator
    stdev: float
    n_vectors: int
    n_factors: int
    mask: NDArray[np.bool_] | None

    def put(self, first: int, values: Float32) -> None:
        """Draw those of the features from ``first`` on into their rows of V."""
        n, k = self.n_vectors, padded(self.n_factors)
        vectors = values[:, : n * k].reshape(len(values), n, k)
        drawn = self.rng.standard_normal((len(values), n, self.n_factors), dtype=np.float32)
        drawn *= np.float32(self.stdev)
        kept = slice(None) if self.mask is None else np.flatnonzero(self.mask[first : first + len(values)])
        vectors[kept, :, : self.n_factors] = drawn[kept]


def _fill(
    spec: TableSpec, records: Records, first_values: Float32 | None, options: Options, drawn: _Drawn | None = None
) -> None:
    """Fill in the first values and states of a table."""
    # Some records at a time, which the cache holds until they are complete.
    n_at_once = max(1, _VALUES_AT_ONCE // max(1, records.shape[2]))
    for first in range(0, len(records), n_at_once):
        part = records[first : first + n_at_once]
        some = np.empty(part.shape, dtype=np.float32) if storage.is_half(part) else part
        some[:, 0] = 0.0 if first_values is None else first_values[first : first + n_at_once]
        if drawn is not None and records.shape[2]:
            drawn.put(first, some[:, 0])
        if STATE_SLOTS[options.solver]:
            core.begin(some, options.solver, getattr(options, spec.name))
        if some is not part:
            part[...] = storage.narrowed(some)


def aligned_empty(shape: tuple[int, ...], dtype: Any = np.float32) -> NDArray[Any]:
    """Return an uninitialised array that starts on a cache line (64 bytes), so that records do not straddle."""
    n_values, n_bytes = int(np.prod(shape)), np.dtype(dtype).itemsize
    buffer = np.empty(n_values + 64 // n_bytes, dtype=dtype)
    start = -(buffer.ctypes.data // n_bytes) % (64 // n_bytes)
    return buffer[start : start + n_values].reshape(shape)
