"""Users or items that a recommender knows: their ids, features and titles, in one order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from scipy import sparse

from fastfm_ext._common.arrays import AnyArray, Bools, Int64, object_array
from fastfm_ext.retrieval.ids import IdPositions, as_id_array, plain_ids, positions_by_id


@dataclass(frozen=True)
class Roster:
    """Users, or items.

    Attributes
    ----------
    name : str
        The column that has their ids.
    ids : ndarray of shape (n,)
        int64 where all are integers, else objects.
    X : csr_array of shape (n, n_features)
        What is known of each.
    titles : object ndarray of shape (n,), or None
        None where one has no title.
    """

    name: str
    ids: AnyArray
    X: sparse.csr_array
    titles: AnyArray | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def position(self) -> IdPositions:
        """Position of each id."""
        return positions_by_id(self.ids)

    def find(self, ids: Iterable[Any], argument: str) -> Int64:
        """Return the position of each id (n_given,), -1 for unknown and missing ones.

        Raises
        ------
        TypeError
            If an id is not hashable.
        ValueError
            If their kind can't be that of the known ids.
        """
        wanted = plain_ids(ids)
        found = self.position.find(wanted, argument, f"in {self.name!r}") if wanted else []
        return np.array(found, dtype=np.int64)

    def with_rows(self, ids: AnyArray, X: sparse.csr_array, titles: AnyArray | None) -> Self:
        """Return the same with these rows: in place of those with their ids, else behind all others."""
        found = self.find(ids.tolist(), f"column {self.name!r}")
        is_new = found < 0
        sources = np.arange(len(self) + int(is_new.sum()))
        sources[found[~is_new]] = len(self) + np.flatnonzero(~is_new)
        sources[len(self) :] = len(self) + np.flatnonzero(is_new)
        all_titles = None
        if self.titles is not None:
            given = object_array([None] * len(ids)) if titles is None else titles
            all_titles = np.concatenate([self.titles, given])[sources]
        return replace(
            self,
            ids=as_id_array([*self.ids.tolist(), *ids[is_new].tolist()]),
            X=sparse.csr_array(sparse.vstack([self.X, X], format="csr")[sources]),
            titles=all_titles,
        )

    def is_known(self, trained: Bools) -> Bools:
        """Return whether each, (n,), has a feature that training knew; `trained` is of shape (n_features,)."""
        return has_any(self.X, trained)


def has_any(X: sparse.csr_array, trained: Bools) -> Bools:
    """Return whether each row of X has an entry in one of the columns of a mask, (n_rows,)."""
    hits: Bools = np.asarray((X != 0).astype(np.float64) @ trained.astype(np.float64)) > 0
    return hits
