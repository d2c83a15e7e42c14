"""Scoring form of a fitted model: all that is computed of a row, as arrays, for programs that compute it themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Float32, Float64
from fastfm_ext._engine.centers import NO_CENTERS, Centers
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.units import FAR_TARGET, Units

LinkKind = Literal["identity", "logistic", "softmax", "probit", "ordered probit", "similarity"]


@dataclass(frozen=True, eq=False)
class Link:
    """What becomes of the scores of a row.

    Attributes
    ----------
    kind : {"identity", "logistic", "softmax", "probit", "ordered probit", "similarity"}
        The prediction is the score; or probabilities, of two classes or, with a score for each class, of that class
        against the rest, divided by their sum; their softmax; those between `cuts`; or there is none, and rows of users
        and of items are compared.
    classes : ndarray of shape (n_classes,), or None
    limits : ndarray of shape (2,), or None
        Between which predictions are clipped.
    cuts : ndarray of shape (n_classes - 1,), or None
    temperature : float or None
        Of cosines; None for the inner product.
    """

    kind: LinkKind
    classes: AnyArray | None = None
    limits: Float64 | None = None
    cuts: Float64 | None = None
    temperature: float | None = None


@dataclass(frozen=True, eq=False)
class ScoringForm:
    """Parameters of z = x - c, as copies that later training does not change, and the link.

    Attributes
    ----------
    w0 : ndarray of shape (n_scores,), float64
    w : ndarray of shape (n_scores, n_features), float32
    V : ndarray of shape (n_scores, n_features, n_factors), float32
    link : Link
    target_center : float
        To be added to a score in double precision; 0 unless the targets are far from zero.
    centers : Centers
        Of all rows, or of those of users.
    item_centers : Centers
        Of the rows of items, where these are apart.
    n_history_items : int
        Items of histories, whose factors are the last ones; each of H counts ``|H|^(-1/2)`` in a row of a user.
    """

    w0: Float64
    w: Float32
    V: Float32
    link: Link
    target_center: float = 0.0
    centers: Centers = NO_CENTERS
    item_centers: Centers = NO_CENTERS
    n_history_items: int = 0

    @classmethod
    def of(cls, scorers: list[Parameters], units: Units, link: Link) -> Self:
        """Copy the parameters of every score."""
        w0 = np.array([params.w0 for params in scorers], dtype=np.float64) + units.score_offset
        is_far = abs(units.target_center) > FAR_TARGET * units.target
        return cls(
            w0 if is_far else w0 + units.target_center,
            np.stack([params.w for params in scorers]),
            np.stack([params.V for params in scorers]),
            link,
            units.target_center if is_far else 0.0,
            units.centers,
            units.item_centers,
        )

    @property
    def n_scores(self) -> int:
        """Number of scores of a row."""
        return len(self.w0)

    @property
    def n_features(self) -> int:
        """Number of features, without the items of histories."""
        return int(self.V.shape[1]) - self.n_history_items

    @property
    def n_factors(self) -> int:
        """Number of factors."""
        return int(self.V.shape[2])
