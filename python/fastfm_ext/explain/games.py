"""Scores of a fitted model as games of its features, whose Shapley values have a closed form.

A model of one machine a score has those of the machine. One that keeps draws from a posterior has their average, which
adds up to the average score: predictions of a Bayesian regressor. Field-aware models have other pairs, and their own
sums; all that is here asks of a model are values that add up to the score.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import scipy.sparse as sp

from fastfm_ext._common.arrays import AnyArray, Float64, Int32
from fastfm_ext._engine.contributions import (
    Background,
    GroupSums,
    contributions_to_zeros,
    feature_contributions,
    group_contributions,
)
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._validation.matrices import check_no_overflow, to_csr
from fastfm_ext.explain.opened import Columns

# Values in memory for each score where rows are explained feature by feature against a background.
MOST_VALUES = 1 << 28


class ScoreParts(NamedTuple):
    """Contributions to a score.

    Attributes
    ----------
    parts : list of ndarray
        Of groups: one array (n_rows, n_groups). Of features: those of the nonzeros, (nnz,), and what the features of
        the background add, (n_rows, n_features of it).
    base : float
        The mean score of the background.
    stds : list of ndarray, or None
        The spread of the parts over the draws.
    """

    parts: list[AnyArray]
    base: float
    stds: list[AnyArray] | None = None


@dataclass(frozen=True)
class PlayedMachine:
    """One machine with the background in its terms: plays the features of rows."""

    params: Parameters
    background: Background | None
    groups: GroupSums | None

    @classmethod
    def of(cls, params: Parameters, B: Csr | None, columns: Columns, n_threads: int) -> Self:
        """Measure the background, (n_background, n_features), by these parameters."""
        background = None if B is None else Background.of(B, params, n_threads)
        groups = None
        if columns.group_of is not None:
            groups = GroupSums.of(columns.group_of, len(columns), params, background)
        return cls(params, background, groups)

    def values(self, X: Csr, n_threads: int) -> ScoreParts:
        """Return the contributions to the scores of rows."""
        base = self.params.w0 + (0.0 if self.background is None else float(self.background.of_zeros.sum()))
        if self.groups is not None:
            return ScoreParts([group_contributions(X, self.params, self.groups, n_threads)], base)
        if self.background is None:
            return ScoreParts([contributions_to_zeros(X, self.params, n_threads)], base)
        return ScoreParts([*feature_contributions(X, self.params, self.background, n_threads)], base)

    @property
    def features(self) -> Int32:
        """The features of the background."""
        return np.zeros(0, dtype=np.int32) if self.background is None else self.background.features


@dataclass(frozen=True)
class Score:
    """A score of a model: a machine, and the draws around it, if these are kept.

    Attributes
    ----------
    machine : PlayedMachine
    draws : PosteriorDraws, or None
    share : float
        The part of the way from the machine's score to the mean of the draws' at which predictions are.
    """

    machine: PlayedMachine
    draws: Any = None
    share: float = 0.0


@dataclass(frozen=True)
class Games:
    """All scores of a model, with a background, for the columns that play.

    Whoever prepares and plays them holds the lock of the model's parameters meanwhile.
    """

    model: Any
    columns: Columns
    B: Csr | None
    scores: Sequence[Score]
    n_threads: int

    @classmethod
    def of(cls, model: Any, background: Any, columns: Columns, n_threads: int) -> Self:
        """Prepare the games of a model's scores.

        Parameters
        ----------
        model : estimator
            Fitted, and changed by no other thread.
        background : {array-like, sparse matrix} of shape (n_background, n_features), or None for zeros
        columns : Columns
        n_threads : int
        """
        B = _background_rows(model, background)
        draws, means = getattr(model, "_draws", None), getattr(model, "_means", None)
        if draws is None or means is None:
            machines = [PlayedMachine.of(params, B, columns, n_threads) for params in model._scorers]
            return cls(model, columns, B, [Score(machine) for machine in machines], n_threads)
        scores = [
            Score(PlayedMachine.of(mean, B, columns, n_threads), of_score, share)
            for mean, of_score, share in zip(means, draws, model._covariance_shares, strict=True)
        ]
        return cls(model, columns, B, scores, n_threads)

    @property
    def features(self) -> Int32:
        """The features of the background."""
        return self.scores[0].machine.features

    @property
    def n_rest(self) -> int:
        """ScoreParts of a row that its own features do not have."""
        return len(self.columns) if self.columns.group_of is not None else len(self.features)

    def rows_of(self, X: Any) -> Csr:
        """Return rows as the machines score them."""
        return to_csr(self.model, X, centers=self.model._units.centers)

    def check_memory(self, X: Csr) -> None:
        """Raise ValueError if the values of all rows take more than a gigabyte."""
        n_values = X.n_rows * self.n_rest
        if n_values > MOST_VALUES:
            whose = "every column" if self.columns.group_of is not None else "every feature of the background"
            raise ValueError(
                f"each of the {X.n_rows:,} rows of X has a contribution of {whose}, {self.n_rest:,}: "
                f"{4 * n_values / 1e9:.1f} GB. Explain by column (encoder or fields), against zeros "
                "(background=None), or fewer rows at a time."
            )

    def values(self, X: Csr) -> Iterator[ScoreParts]:
        """Give the contributions to each score of rows that `read` has read."""
        center = self.model._units.target_center + self.model._units.score_offset
        for score in self.scores:
            found = self._of_score(score, X)
            for part in found.parts:
                # NaN and infinity reach the least or the largest value, and neither needs memory.
                if part.size and not np.isfinite([part.min(), part.max()]).all():
                    check_no_overflow(row_sums(found.parts, X).astype(np.float32), X, "sum of the contributions")
            yield found._replace(base=found.base + center)

    def _of_score(self, score: Score, X: Csr) -> ScoreParts:
        of_mean = score.machine.values(X, self.n_threads)
        if score.draws is None:
            return of_mean
        # Differences from the mean machine, whose squares lose no digits.
        moments = [np.zeros((2, *part.shape)) for part in of_mean.parts]
        base, n = 0.0, len(score.draws)
        for params in score.draws.all_parameters(score.machine.params):
            of_draw = PlayedMachine.of(params, self.B, self.columns, self.n_threads).values(X, self.n_threads)
            base += (of_draw.base - of_mean.base) / n
            for sums, drawn, mean in zip(moments, of_draw.parts, of_mean.parts, strict=True):
                step = drawn.astype(np.float64) - mean
                sums[0] += step / n
                sums[1] += step**2 / n
        parts = [part + score.share * sums[0] for part, sums in zip(of_mean.parts, moments, strict=True)]
        stds = [np.sqrt(np.maximum(sums[1] - sums[0] ** 2, 0.0)) for sums in moments]
        return ScoreParts(parts, of_mean.base + score.share * base, stds)

    def as_matrix(self, X: Csr, parts: list[AnyArray]) -> Any:
        """Return the parts as one array (n_rows, n_groups) of groups, or one sparse one (n_rows, n_features)."""
        if self.columns.group_of is not None:
            return parts[0]
        shape = (X.n_rows, X.n_features)
        own = sp.csr_array((parts[0], X.indices, X.indptr), shape=shape)
        if len(parts) == 1:
            return own
        features = self.features
        places = np.tile(features, X.n_rows), np.arange(X.n_rows + 1) * len(features)
        return sp.csr_array(own + sp.csr_array((parts[1].ravel(), *places), shape=shape))


def _background_rows(model: Any, background: Any) -> Csr | None:
    """Return the background as machines score it; None for zeros, where nothing is centered."""
    centers = model._units.centers
    if background is None:
        if not len(centers):
            return None
        # What is 0 in a centered column is less than its center.
        background = sp.csr_array((1, model.n_features_in_), dtype=np.float64)
        return to_csr(model, background, centers=centers)
    # One row may come without its second dimension, or as the matrix that the mean of a sparse one is.
    if hasattr(background, "to_frame") and hasattr(background, "index"):  # the mean of a data frame of pandas
        background = background.to_frame().T
    if isinstance(background, list | tuple | np.ndarray):
        background = np.atleast_2d(np.asarray(background))
    return to_csr(model, background, name="background", centers=centers)


def row_sums(parts: list[AnyArray], X: Csr) -> Float64:
    """Return the sums of the parts of each row, (n_rows,)."""
    sums = np.zeros(X.n_rows)
    for part in parts:
        if part.ndim == 2:
            sums += part.sum(axis=1, dtype=np.float64)
        else:
            sums += np.bincount(np.repeat(np.arange(X.n_rows), np.diff(X.indptr)), part, X.n_rows)
    return sums
