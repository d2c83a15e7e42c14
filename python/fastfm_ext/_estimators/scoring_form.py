"""Scoring form of a fitted model: all that is computed of a row, as arrays, for programs that compute it themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import AnyArray, Float32, Float64
from fastfm_ext._engine.centers import NO_CENTERS, Centers
from fastfm_ext._engine.field_contributions import with_themselves
from fastfm_ext._engine.models import Fields
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
class FieldForm:
    """Pairs of a model with fields: ``<v_i, v_j>`` is not all that its features have.

    Attributes
    ----------
    fields : Fields
    pull : callable
        As `ModelSpec` has it.
    R : ndarray of shape (n_scores, n_fields, n_fields, ...), or None
    with_themselves : ndarray of shape (n_scores, n_features), float64
        What each feature would add with itself, of a value of 1.
    w0_of_x, w_of_x : ndarray of shapes (n_scores,), float64, and (n_scores, n_features), float32
        Those of x, where w0 and w are those of z = x - c.
    is_normalized : bool
        Whether rows are scaled to unit length before.
    item_fields : ndarray of shape (n_item_fields,), or None
        Fields of items, where they are known.
    """

    fields: Fields
    pull: Callable[[AnyArray, AnyArray | None], AnyArray]
    R: Float32 | None
    with_themselves: Float64
    w0_of_x: Float64
    w_of_x: Float32
    is_normalized: bool = False
    item_fields: NDArray[np.integer] | None = None

    @classmethod
    def of(cls, scorers: list[Parameters], units: Units) -> Self | None:
        """Copy what models with fields have in addition; None for other models."""
        first = scorers[0]
        if first.model.pull is None:
            return None
        every = np.arange(first.n_features)
        return cls(
            first.fields,
            first.model.pull,
            np.stack([params.R for params in scorers]) if "R" in first.tables else None,
            np.stack([with_themselves(every, params) for params in scorers]),
            np.array([units.centers.w0(params) for params in scorers]) + units.score_offset + units.target_center,
            np.stack([units.centers.w(params) for params in scorers]),
        )


@dataclass(frozen=True, eq=False)
class ScoringForm:
    """Parameters of z = x - c, as copies that later training does not change, and the link.

    Attributes
    ----------
    w0 : ndarray of shape (n_scores,), float64
    w : ndarray of shape (n_scores, n_features), float32
    V : ndarray of shape (n_scores, n_features, n_factors), float32
        With a vector for each field, (n_scores, n_features, n_fields, n_factors).
    link : Link
    target_center : float
        To be added to a score in double precision; 0 unless the targets are far from zero.
    centers : Centers
        Of all rows, or of those of users.
    item_centers : Centers
        Of the rows of items, where these are apart.
    n_history_items : int
        Items of histories, whose factors are the last ones; each of H counts ``|H|^(-1/2)`` in a row of a user.
    of_fields : FieldForm or None
        For models with fields.
    """

    w0: Float64
    w: Float32
    V: Float32
    link: Link
    target_center: float = 0.0
    centers: Centers = NO_CENTERS
    item_centers: Centers = NO_CENTERS
    n_history_items: int = 0
    of_fields: FieldForm | None = None

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
            of_fields=FieldForm.of(scorers, units),
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
        return int(self.V.shape[-1])
