"""Draws of a posterior that a fitted model keeps: how they are thinned, packed, and put around their mean.

A prediction averages over draws. The mean of the parameters is known from every sweep, the draws only from some; so
each kept draw is moved by the same step, such that their mean is the mean of all sweeps. What M draws then leave to
chance is the covariance of the parameters alone. As the score is of the second degree in them, its average is

    1/M sum_m p(theta_m - mean of kept + mean of all) = p(mean of all) + covariance term of the kept,

and differences from a mean of M draws are M / (M - 1) too small in square, which is made good.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32, Float64
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.units import Units

LARGEST_CODE = 127


class PackedRows(NamedTuple):
    """A matrix in 8 bits a value: each row has its own scale.

    Attributes
    ----------
    codes : ndarray of shape (..., n_rows, n_columns), int8
    scales : ndarray of shape (..., n_rows), float32
        What a code of 1 stands for.
    """

    codes: NDArray[np.int8]
    scales: Float32

    @classmethod
    def of(cls, values: Float32) -> Self:
        """Pack a matrix, (n_rows, n_columns); the largest value of a row becomes 127."""
        scales = np.abs(values).max(axis=1, initial=0.0).astype(np.float32) / np.float32(LARGEST_CODE)
        divisors = np.where(scales > 0, scales, 1.0).astype(np.float32)
        return cls(np.rint(values / divisors[:, None]).astype(np.int8), scales)

    def unpacked(self) -> Float32:
        """Return the matrix, (..., n_rows, n_columns), to within half a code."""
        values: Float32 = self.codes * self.scales[..., None]
        return values


class PackedDraw(NamedTuple):
    """A draw of w0, w and V, and of what the likelihood has: noise precision and cut points."""

    w0: float
    w: Float32
    V: PackedRows
    noise: float
    cuts: Float64


@dataclass
class Thinning:
    """Choice of the sweeps whose draws are kept: evenly spread over a run of unknown length, and at most `limit`.

    While there is room, every `stride`-th is kept. Once there is none, one in two of those kept before makes room, the
    oldest first, for every second one of those to come; when all have, the stride has doubled.
    """

    limit: int
    kept: list[int] = field(default_factory=list)
    stride: int = 1

    def place_of(self, number: int) -> int | None:
        """Return where among the kept the draw of this number goes, which increases from call to call; None: nowhere.

        A place that was taken is meant to be left by the draw that was there before.
        """
        if len(self.kept) < self.limit:
            if number % self.stride:
                return None
            self.kept.append(number)
            return len(self.kept) - 1
        if number % (2 * self.stride):
            return None
        odd = [place for place, kept in enumerate(self.kept) if kept % (2 * self.stride)]
        if not odd:
            self.stride *= 2
            return self.place_of(number)
        place = min(odd, key=self.kept.__getitem__)
        self.kept[place] = number
        return place


@dataclass(frozen=True)
class PosteriorDraws:
    """Draws of one score's parameters as differences from their mean, in the units of that mean.

    Attributes
    ----------
    w0 : ndarray of shape (n_draws,)
    w : ndarray of shape (n_draws, n_features)
    V : PackedRows of shape (n_draws, n_features, n_factors)
    noise : ndarray of shape (n_draws,)
        Noise precision of each draw.
    cuts : ndarray of shape (n_draws, n_cuts)
        Cut points of each draw, as they are; they rise.
    """

    w0: Float64
    w: Float32
    V: PackedRows
    noise: Float64
    cuts: Float64

    @classmethod
    def around(cls, mean: Parameters, mean_cuts: Float64, draws: list[PackedDraw]) -> Self:
        """Put draws around a mean: see the module."""
        n = len(draws)
        w0 = np.array([draw.w0 for draw in draws])
        w = np.stack([draw.w for draw in draws])
        cuts = np.stack([draw.cuts for draw in draws])
        V_mean = sum((draw.V.unpacked() for draw in draws), np.zeros(mean.V.shape, np.float64)) / n
        factor = np.sqrt(n / (n - 1)) if n > 1 else 0.0
        packed = [PackedRows.of((factor * (draw.V.unpacked() - V_mean)).astype(np.float32)) for draw in draws]
        cuts = mean_cuts + factor * (cuts - cuts.mean(axis=0))
        return cls(
            w0=factor * (w0 - w0.mean()),
            w=(factor * (w - w.mean(axis=0, dtype=np.float64))).astype(np.float32),
            V=PackedRows(np.stack([V.codes for V in packed]), np.stack([V.scales for V in packed])),
            noise=np.array([draw.noise for draw in draws]),
            cuts=np.maximum.accumulate(cuts, axis=1),  # the step may let two of them change places
        )

    def __len__(self) -> int:
        return len(self.w0)

    def scaled(self, target: float, columns: NDArray[np.intp], factors: Float32) -> Self:
        """Return the draws for a target of this spread, and for values divided by `factors` in some columns."""
        w, scales = self.w * np.float32(target), self.V.scales * np.float32(np.sqrt(target))
        w[:, columns] *= factors[:, 0]
        scales[:, columns] *= factors[:, 0]
        return type(self)(self.w0 * target, w, PackedRows(self.V.codes, scales), self.noise / target**2, self.cuts)

    def parameters(self, number: int, mean: Parameters, columns: NDArray[np.intp] | None = None) -> Parameters:
        """Return a draw whole: of these features alone, or of all."""
        chosen = slice(None) if columns is None else columns
        V = PackedRows(self.V.codes[number][chosen], self.V.scales[number][chosen])
        return Parameters.of(
            mean.n_factors,
            w0=np.array([[mean.w0 + self.w0[number]]], dtype=np.float32),
            w=(mean.w[chosen] + self.w[number][chosen])[:, None],
            V=mean.V[chosen] + V.unpacked(),
        )

    def all_parameters(self, mean: Parameters, columns: NDArray[np.intp] | None = None) -> Iterator[Parameters]:
        """Give each draw whole."""
        for number in range(len(self)):
            yield self.parameters(number, mean, columns)

    def to_arrays(self, suffix: str) -> dict[str, Any]:
        """Return the arrays under the names that model files have."""
        arrays = {"w0": self.w0, "w": self.w, "V": self.V.codes, "V_scale": self.V.scales}
        arrays |= {"noise": self.noise, "cuts": self.cuts}
        return {f"draws_{name}{suffix}": array for name, array in arrays.items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any], suffix: str, mean: Parameters) -> Self:
        """Undo `to_arrays`.

        Raises
        ------
        KeyError, ValueError
            For arrays that `to_arrays` did not make.
        """
        names = ("w0", "w", "V", "V_scale", "noise", "cuts")
        w0, w, V, scales, noise, cuts = (arrays[f"draws_{name}{suffix}"] for name in names)
        n, features = len(w0), mean.n_features
        wanted = (
            (w0, np.float64, (n,)),
            (w, np.float32, (n, features)),
            (V, np.int8, (n, features, mean.n_factors)),
            (scales, np.float32, (n, features)),
            (noise, np.float64, (n,)),
            (cuts, np.float64, (n, cuts.shape[-1])),
        )
        for array, dtype, shape in wanted:
            if n < 1 or array.dtype != dtype or array.shape != shape:
                raise ValueError(f"draws of shape {array.shape} and type {array.dtype}, where {shape} is needed")
            if not np.isfinite(array).all():
                raise ValueError("draws that are not finite")
        if not (noise > 0).all() or not (np.diff(cuts, axis=1) >= 0).all():
            raise ValueError("a noise precision that is not above 0, or cut points that do not rise")
        return cls(w0, w, PackedRows(V, scales), noise, cuts)


def in_units(mean: Parameters, units: Units) -> Parameters:
    """Return parameters for targets of spread 1 and for scaled values as parameters in the user's units."""
    converted = Parameters.of(
        mean.n_factors,
        w0=np.array([[mean.w0 * units.target]], dtype=np.float32),
        w=(mean.w * np.float32(units.target))[:, None],
        V=mean.V * np.float32(np.sqrt(units.target)),
    )
    units.to_user([converted])
    return converted
