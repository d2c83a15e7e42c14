"""Similar items of an index, by cosine or inner product."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from typing import Any

import numpy as np
from joblib import effective_n_jobs

from fastfm_ext._common.arrays import AnyArray, Bools, Float32
from fastfm_ext._engine.search import ItemLists
from fastfm_ext._validation.vectors import check_n
from fastfm_ext.retrieval.exact import ExactSearch, comparable
from fastfm_ext.retrieval.ids import IdPositions, as_id_array
from fastfm_ext.retrieval.items import ItemStore
from fastfm_ext.retrieval.user_items import AllowedItems, mask_of

METRICS = ("cosine", "inner")


class FindsSimilar(ItemStore):
    """The part of `ItemIndex` that finds similar items."""

    n_jobs: int | None

    def similar_items(
        self,
        ids: Iterable[Hashable],
        n: int = 10,
        *,
        metric: str = "cosine",
        skip_bias: bool = True,
        exclude: Collection[Any] | None = None,
        only: Collection[Any] | None = None,
    ) -> tuple[AnyArray, Float32]:
        """Find the items most similar to items of the index.

        Parameters
        ----------
        ids : iterable of hashables
            Items of the index, m of them.
        n : int, default=10
            Neighbours of each, at least 1. An item is not its own neighbour.
        metric : {"cosine", "inner"}, default="cosine"
            Cosine of the angle between the vectors, or their inner product.
        skip_bias : bool, default=True
            Leave the first coordinate out. In a vector of a factorization machine it is the item's own score
            (``item_vector``) or the constant 1 (``user_vector``), and does not describe the item.
        exclude : collection of ids or boolean array of shape (n_items,), optional
            Items that are nobody's neighbours, such as those sold out; a mask is in the order of the index's `ids`.
            Unknown ids are ignored.
        only : collection of ids or boolean array of shape (n_items,), optional
            The items to choose neighbours from, such as those of one genre, in the same forms.

        Returns
        -------
        ids : ndarray of shape (m, n)
            Most similar first, equal similarities in index order.
        similarities : ndarray of shape (m, n), float32
            Where there are too few items, the rest of a row is as in `search`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        TypeError
            If `exclude` or `only` is not in one of these forms.
        ValueError
            If an id is not in the index, `n` < 1, `metric` is unknown, `skip_bias` leaves no coordinate, a mask is
            for another number of items, or the index keeps no vectors.

        Notes
        -----
        Similar users are found in the same way, in an index over their vectors:
        ``ItemIndex().fit(model.user_vector(X_users), ids=users).similar_items(["ann"])``.

        The first call with a `metric` and `skip_bias` keeps one more copy of the vectors until the items change: for
        cosines, divided by their lengths, which in float16 rounds them once more and moves a cosine by at most 0.001.
        A vector of length 0 has similarity 0 to all.

        Examples
        --------
        >>> from fastfm_ext.retrieval import ItemIndex
        >>> index = ItemIndex().fit(
        ...     [[0.5, 1.0, 0.0], [0.1, 3.0, 0.3], [0.9, 0.0, 2.0]], ids=["a", "b", "c"]
        ... )
        >>> index.similar_items(["a", "c"], n=1)[0].tolist()
        [['b'], ['b']]
        >>> index.similar_items(["a"], n=1, exclude=["b"])[0].tolist()
        [['c']]
        """
        items = self._fitted()
        vectors = items.vectors
        if vectors is None:
            raise ValueError("similar_items needs vectors, and this index keeps codes alone: set keep_vectors=True.")
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {list(METRICS)}, got {metric!r}.")
        if skip_bias and vectors.shape[1] == 1:
            raise ValueError("skip_bias leaves no coordinate of vectors of width 1: pass skip_bias=False.")
        own = items.positions_of(as_id_array(ids))
        n = check_n(n, len(own), len(items))
        key = (metric, bool(skip_bias))
        if key not in items.searches:
            items.searches[key] = ExactSearch(comparable(vectors[:, 1:] if skip_bias else vectors, metric))
        search: ExactSearch = items.searches[key]
        themselves = ItemLists(np.arange(len(own) + 1, dtype=np.int64), own.astype(np.int32), may_get=False)
        queries = search.items.vectors[own].astype(np.float32)
        allowed = AllowedItems(themselves, _mask(exclude, only, items.position))
        positions, similarities = search.top_n(queries, n, allowed, effective_n_jobs(self.n_jobs))
        return items.take_ids(positions), similarities


def _mask(exclude: Collection[Any] | None, only: Collection[Any] | None, position: IdPositions) -> Bools | None:
    """Return the items that may be neighbours, (n_items,), or None for all."""
    mask = None if only is None else mask_of(only, "only", position)
    if exclude is None:
        return mask
    allowed = ~mask_of(exclude, "exclude", position)
    return allowed if mask is None else mask & allowed
