"""Units of features, targets and weights: training works near zero and at about unit size, whatever the user's units.

One step size and one L2 for all features suit values of about 1, as one-hot features have. A column of another unit
(an age, a price, a coordinate of 1e6) is divided by a power of two while training, and what was learned for it is
divided by the same power afterwards: w_i x_i and v_i x_i stay what they were. Powers of two make this exact. Targets
keep their unit; step sizes, L2 and tolerances are given in units of their spread.

A numeric column far from zero (a year, a latitude) is centered before it is scaled: see `Centers`. The model keeps the
parameters of x - c, so that no digits are lost between two trainings, and works out those of x for whoever asks.
The same holds for a target far from zero, which differs from that of the model by a constant.

Weights are divided by their mean, since a step grows with the weight of its row: all weights 0.001 train as none do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32, Float64
from fastfm_ext._engine.centers import NO_CENTERS, Centers
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.row_norms import RowNorms
from fastfm_ext._learning.samples import Samples
from fastfm_ext._validation.rows import CountedRows

# Targets whose mean is this many times their spread lose 7 of float32's 24 bits; their mean is taken off in float64.
FAR_TARGET = 128.0
# float16 ends at 6e-8 and 65,504: factors that are this many times smaller or larger than usual have room.
MOST_FOR_HALVES = 256.0


_NO_SCALE = np.zeros(0, dtype=np.intp), np.zeros((0, 1), dtype=np.float32)


@dataclass(frozen=True)
class FeatureScale:
    """The features that are not of unit size, and the power of two that brings each there.

    Attributes
    ----------
    columns : ndarray of shape (n_scaled,)
    factors : ndarray of shape (n_scaled, 1)
        What a value is multiplied by.
    """

    columns: NDArray[np.intp]
    factors: Float32

    @classmethod
    def of(cls, X: Csr, centers: Centers = NO_CENTERS) -> Self:
        """Measure the root mean square of each column's nonzeros; X is centered.

        A column that is nonzero in most rows is a numeric one, and is brought to about 1 from above or below. In a
        sparse column small values may well be meant (shares that sum to 1), so only large ones are brought down. Where
        a centered column was a constant, that constant is all there is to tell its unit by.
        """
        if X.data is None:
            return cls(np.zeros(0, dtype=np.intp), np.zeros((0, 1), dtype=np.float32))
        counts = np.bincount(X.indices, minlength=X.n_features)
        squares = np.bincount(X.indices, weights=X.data.astype(np.float64) ** 2, minlength=X.n_features)
        squares = squares.astype(np.float64, copy=False)  # without values, NumPy has counted in integers
        constant = counts[centers.columns] == 0
        counts[centers.columns[constant]] = X.n_rows
        squares[centers.columns[constant]] = X.n_rows * centers.values[constant] ** 2
        used = np.flatnonzero(counts)
        exponents = -np.rint(0.5 * np.log2(squares[used] / counts[used]))
        numeric = counts[used] > 0.5 * X.n_rows
        chosen = np.where(numeric, exponents != 0, exponents < 0)
        # The limits keep the factor and its reciprocal normal float32 numbers.
        factors = np.exp2(np.clip(exponents[chosen], -126, 126)).astype(np.float32)
        return cls(used[chosen], factors[:, None])

    def and_of(self, other: Self) -> Self:
        """Return the features that either scales; one that both do by the smaller factor."""
        columns = np.union1d(self.columns, other.columns)
        factors = np.full((len(columns), 1), np.inf, dtype=np.float32)
        for scale in (self, other):
            at = np.searchsorted(columns, scale.columns)
            factors[at] = np.minimum(factors[at], scale.factors)
        return type(self)(columns, factors)

    def check(self, n_features: int) -> None:
        """Raise ValueError unless every column exists and has a factor."""
        columns, factors = self.columns, self.factors
        if columns.ndim != 1 or columns.dtype.kind not in "iu" or factors.shape != (len(columns), 1):
            raise ValueError(f"scaled columns of shape {columns.shape} with factors of shape {factors.shape}")
        if len(columns) and not (columns.min() >= 0 and columns.max() < n_features):
            raise ValueError(f"a scaled column beyond the {n_features} features")

    def check_halves(self) -> None:
        """Raise ValueError unless the factors of all features can be held by float16 in the user's units, too."""
        factors = self.factors[:, 0]
        far = np.flatnonzero((factors < 1.0 / MOST_FOR_HALVES) | (factors > MOST_FOR_HALVES))
        if len(far):
            column, size = self.columns[far[0]], 1.0 / factors[far[0]]
            raise ValueError(
                f'dtype="float16" holds factors of values of about 1, and those of column {column} are of about '
                f'{size:.3g}. Scale the columns first, as StandardScaler does, or set dtype="float32".'
            )

    def apply(self, X: Csr) -> Csr:
        """Return X with its values brought to unit size."""
        if not len(self.columns) or X.data is None:
            return X
        factor_of = np.ones(X.n_features, dtype=np.float32)
        factor_of[self.columns] = self.factors[:, 0]
        # What becomes infinite is found by the score of its row.
        with np.errstate(over="ignore"):
            return replace(X, data=X.data * factor_of[X.indices])

    def to_user_units(self, params: Parameters) -> None:
        """Turn parameters learned on scaled values into parameters for values as they are, in place."""
        params.scale(self.columns, self.factors)

    def to_unit_size(self, params: Parameters) -> None:
        """Undo `to_user_units`."""
        params.scale(self.columns, 1.0 / self.factors)


class TargetUnits(NamedTuple):
    """Units of a target: its spread, which is 1 for classes and rankings, and what is taken off it while training."""

    spread: float = 1.0
    center: float = 0.0


@dataclass(frozen=True)
class Units:
    """Units of a model's training.

    Attributes
    ----------
    features : FeatureScale
        Of the centered columns.
    target : float
        Spread of the target; 1 for classes and rankings.
    target_center : float
        What is taken off the target, in double precision; 0 unless it is far from zero.
    centers : Centers
        Of all rows, or of those of users.
    item_centers : Centers
        Of the rows of items, where these are apart.
    weight : float
        Mean of the weights.
    score_offset : float
        What is added to the scores of training: the log of the rate at which negatives were kept for it.
    rows : RowNorms or None
        None for rankings, and for models that earlier builds saved.
    """

    features: FeatureScale
    target: float = 1.0
    target_center: float = 0.0
    centers: Centers = NO_CENTERS
    weight: float = 1.0
    item_centers: Centers = NO_CENTERS
    rows: RowNorms | None = None
    score_offset: float = 0.0

    @classmethod
    def of(
        cls,
        X: Csr,
        centers: Centers,
        sample_weight: Float32 | None,
        target: TargetUnits,
        *,
        is_scaled: bool = True,
    ) -> Self:
        """Learn the units from centered rows, (n_rows, n_features), and their weights, (n_rows,) or None for ones.

        Unless the features are to be scaled, they stay as they are, as suits rows that are of unit length.
        """
        features = FeatureScale.of(X, centers) if is_scaled else FeatureScale(*_NO_SCALE)
        norms = RowNorms.of(features.apply(X))
        return cls(features, target.spread, target.center, centers, mean_weight(sample_weight), rows=norms)

    def weighed_anew(self, sample_weight: Float32 | None) -> Self:
        """Return the units for other rows, (n_rows,), that are all there are."""
        return replace(self, weight=mean_weight(sample_weight))

    def samples(self, rows: CountedRows, targets: Float32) -> Samples:
        """Return centered rows with their `targets`, (n_scorers, n_rows), in the units of training."""
        weight = self.relative(rows.sample_weight, rows.X.n_rows)
        return Samples(self.features.apply(rows.X), targets, weight, rows.numbers)

    def relative(self, weights: Float32 | None, n: int) -> Float32 | None:
        """Return n weights, or None for ones, as multiples of the mean weight."""
        if self.weight == 1:
            return weights
        if weights is None:
            return np.full(n, 1.0 / self.weight, dtype=np.float32)
        return (weights / self.weight).astype(np.float32)

    def options(self, options: Options) -> Options:
        """Return options that train on these targets and rows as `options` do on unit spread and usual norm."""
        if options.dtype == "float16":
            self.features.check_halves()
        options = options.in_units_of(self.target)
        return options if self.rows is None else self.rows.options(options)

    def loss(self, loss: float) -> float:
        """Return a loss of targets of unit spread as a loss of these targets."""
        return loss * self.target**2

    def with_target_center(self, scores: Float32) -> Float32 | Float64:
        """Return scores of targets, in double precision where these are far from zero."""
        # By its type: NumPy 1 adds a number to an array of float32 in float32.
        return np.add(scores, self.target_center, dtype=np.float64) if self.target_center else scores

    def ranking_weights(self, params: Parameters) -> Float32:
        """Return the w of values as they are, (n_features,), that ranks items as `params` rank centered ones.

        What the users' centers take off S_u is the same for all users, and so weighs the features of items.
        """
        w, users = self.item_centers.w(params), self.centers
        return w - (params.V @ (users.values @ params.V[users.columns]).astype(np.float32)) if len(users) else w

    def to_training(self, scorers: list[Parameters]) -> None:
        """Turn parameters for values as the user has them into parameters for scaled values, in place."""
        for params in scorers:
            self.features.to_unit_size(params)

    def to_user(self, scorers: list[Parameters]) -> None:
        """Undo `to_training`."""
        with np.errstate(over="ignore", invalid="ignore"):
            for params in scorers:
                self.features.to_user_units(params)

    def copies_for_user(self, scorers: list[Parameters]) -> list[Parameters]:
        """Return the parameters in the user's units: copies, or the same where the units are."""
        if not len(self.features.columns):
            return scorers
        copies = [params.copy() for params in scorers]
        self.to_user(copies)
        return copies


def mean_weight(weights: Float32 | None) -> float:
    """Return the mean of the weights, (n_weights,), that are positive; 1 for None."""
    return 1.0 if weights is None else float(weights.mean(dtype=np.float64, where=weights > 0))
