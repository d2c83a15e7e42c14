"""Collisions of a hashed column: how many values it has had, and how many of them share features.

Of the hashes that a column's values have, the least 2^16 are kept. As long as these are all, everything is counted;
from there on the number of values follows from the largest of them, to within some 1 % (Bar-Yossef et al., "Counting
Distinct Elements in a Data Stream", RANDOM 2002, algorithm 1), and collisions are those of values that fall on
features at random.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import AnyArray

MOST_HASHES = 1 << 16
_N_HASHES = 2.0**32

# Few values are few features: nothing is saved by sharing them, and so nobody is warned of it.
LEAST_VALUES_OF_WARNING = 1000
WARNS_FROM, ADVISES = 0.25, 0.1


@dataclass(frozen=True)
class HashCollisions:
    """How the values of a hashed column share its features.

    Attributes
    ----------
    n_values : int
        Distinct values that `fit` and `partial_fit` have seen.
    n_features : int
        Features that there are for them.
    n_used : int
        Features that have a value.
    share : float
        Share of the values that have a feature together with others.
    is_exact : bool
        Whether all of this is counted, as it is up to 65,536 values; else it is estimated.

    Examples
    --------
    >>> from fastfm_ext import FMEncoder, hashed
    >>> encoder = FMEncoder([hashed("ad", 64)]).fit({"ad": list(range(40))})
    >>> encoder.collisions_["ad"]
    HashCollisions(n_values=40, n_features=64, n_used=29, share=0.525, is_exact=True)
    >>> encoder.collisions_["ad"].bits_for(0.1)
    9
    """

    n_values: int
    n_features: int
    n_used: int
    share: float
    is_exact: bool

    def bits_for(self, share: float = ADVISES) -> int:
        """Return the least b for which of so many values, among 2^b features, at most this share collides on average.

        Parameters
        ----------
        share : float, default=0.1
            Above 0 and below 1.

        Returns
        -------
        int

        Raises
        ------
        ValueError
            For another share.
        """
        if not 0 < share < 1:
            raise ValueError(f"share must be above 0 and below 1; got {share!r}.")
        wanted = (self.n_values - 1) / -math.log1p(-share)
        return max(0, math.ceil(math.log2(wanted))) if wanted > 0 else 0

    def __str__(self) -> str:
        about = "" if self.is_exact else "about "
        return (
            f"{about}{self.share:.1%} of {about}{self.n_values:,} values share a feature with others; "
            f"{self.n_used:,} of {self.n_features:,} features used"
        )


def warn_of(collisions: HashCollisions, column: str) -> None:
    """Warn of a column many of whose values share features."""
    if collisions.n_values < LEAST_VALUES_OF_WARNING or collisions.share <= WARNS_FROM:
        return
    bits = collisions.bits_for(ADVISES)
    warnings.warn(
        f"hashed({column!r}): {collisions}. n_features=2**{bits} would bring the share below {ADVISES:.0%}.",
        UserWarning,
        stacklevel=2,
    )


class HashedValues(NamedTuple):
    """Hashes of a column's values, as statistics of it.

    Attributes
    ----------
    hashes : uint32 ndarray of shape (n,)
        The least ones, ascending; all there are, if they are fewer than `MOST_HASHES`.
    """

    hashes: NDArray[np.uint32]

    @classmethod
    def of(cls, hashes: AnyArray) -> Self:
        """Take int32 or uint32 hashes (n,), which may repeat."""
        return cls(np.unique(hashes.view(np.uint32))[:MOST_HASHES])

    @classmethod
    def restored(cls, hashes: AnyArray) -> Self:
        """Take hashes of a file.

        Raises
        ------
        ValueError
            For an array that `hashes` never is.
        """
        if hashes.dtype != np.uint32 or hashes.ndim != 1 or len(hashes) > MOST_HASHES or (np.diff(hashes) == 0).any():
            raise ValueError(f"hashes of the type {hashes.dtype} and shape {hashes.shape}")
        return cls.of(hashes)

    def joined(self, other: Self) -> Self:
        """Return the hashes of the values of both."""
        return self.of(np.concatenate((self.hashes, other.hashes)))

    @property
    def n_values(self) -> int:
        """How many there are, or about so many."""
        n = len(self.hashes)
        if n < MOST_HASHES:
            return n
        n_hashes = (n - 1) / ((float(self.hashes[-1]) + 1) / _N_HASHES)
        return round(-_N_HASHES * math.log1p(-min(n_hashes / _N_HASHES, 1 - 1 / _N_HASHES)))

    def collisions(self, positions_of: Any, n_features: int) -> HashCollisions:
        """Return how these values share features; `positions_of` takes int32 hashes (n,)."""
        n = self.n_values
        if len(self.hashes) < MOST_HASHES:
            _, counts = np.unique(positions_of(self.hashes.view(np.int32)), return_counts=True)
            n_alone = int(np.count_nonzero(counts == 1))
            return HashCollisions(n, n_features, len(counts), 1 - n_alone / n if n else 0.0, True)
        n_used = round(-n_features * math.expm1(-n / n_features))
        return HashCollisions(n, n_features, n_used, -math.expm1(-(n - 1) / n_features), False)
