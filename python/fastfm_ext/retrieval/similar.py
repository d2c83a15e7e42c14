"""Items that are like items of an index."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import effective_n_jobs

from fastfm_ext._engine.search import ItemLists
from fastfm_ext._validation.vectors import Float32, check_n
from fastfm_ext.retrieval.exact import ExactSearch, comparable
from fastfm_ext.retrieval.ids import as_id_array
from fastfm_ext.retrieval.items import ItemStore

METRICS = ("cosine", "inner")


class FindsSimilar(ItemStore):
    """Mixin of the index."""

    n_jobs: int | None

    def similar_items(
        self, ids: Iterable[Hashable], n: int = 10, *, metric: str = "cosine", skip_bias: bool = True
    ) -> tuple[npt.NDArray[Any], Float32]:
        """Find the items most similar to items of the index.

        Parameters
        ----------
        ids : iterable of hashables
            Items of the index, m of them.
        n : int, default=10
            Neighbours of each, at least 1; an item is none of its own.
        metric : {"cosine", "inner"}, default="cosine"
            Cosine of the angle between the vectors, or their inner product.
        skip_bias : bool, default=True
            Leave the first coordinate out. In a vector of a factorization machine it is the item's own worth
            (``item_vector``) or the constant 1 (``user_vector``) and says nothing about what the item is like.

        Returns
        -------
        ids : ndarray of shape (m, n)
            Most similar first; equal ones in index order.
        similarities : ndarray of shape (m, n), float32
            Where the index has too few items, the rest of a row is as in `search`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If an id is not in the index, `n` < 1, `metric` is unknown, `skip_bias` leaves no coordinate, or the index
            keeps no vectors.

        Notes
        -----
        Similar users are found in the same way, in an index over their vectors:
        ``ItemIndex().fit(model.user_vector(X_users), ids=users).similar_items(["ann"])``.

        The first call of a kind keeps one more copy of the vectors, until the items change. A vector of length 0 has
        similarity 0 to all.

        Examples
        --------
        >>> from fastfm_ext.retrieval import ItemIndex
        >>> index = ItemIndex().fit([[0.5, 1.0, 0.0], [0.1, 3.0, 0.3], [0.9, 0.0, 2.0]], ids=["a", "b", "c"])
        >>> index.similar_items(["a", "c"], n=1)[0].tolist()
        [['b'], ['b']]
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
        queries = search.items.vectors[own]
        positions, similarities = search.top_n(queries, n, themselves, None, effective_n_jobs(self.n_jobs))
        return items.take_ids(positions), similarities
