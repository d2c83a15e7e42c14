"""Retrieval of the best items for users, from the vectors of a trained model.

`ItemIndex` holds item vectors and finds, for each user vector, the items with the largest inner product: exactly, or
in inverted lists when there are millions of items. It also finds similar items, leaves out items that a user has seen,
and takes new items without a new fit. `recommend` goes through the users of a feature matrix in batches, and returns
scores as the model predicts them. `CooccurrenceReranker` re-ranks what a search has found.

Examples
--------
>>> import numpy as np
>>> from fastfm_ext import FMRegressor
>>> from fastfm_ext.retrieval import ItemIndex, recommend
>>> X = np.array(
...     [[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]]
... )  # two users, two items
>>> model = FMRegressor(n_factors=2, random_state=0).fit(X, [5.0, 1.0, 4.0, 2.0])
>>> index = ItemIndex().fit(
...     model.item_vector([[0, 0, 1, 0], [0, 0, 0, 1]]), ids=["Alien", "Brazil"]
... )
>>> ids, scores = index.search(model.user_vector([[1, 0, 0, 0]]), n=1)
>>> ids.tolist()
[['Alien']]
>>> [
...     batch.ids.tolist()
...     for batch in recommend(model, index, np.array([[1, 0, 0, 0], [0, 1, 0, 0]]), n=1)
... ]
[[['Alien'], ['Alien']]]
"""

from fastfm_ext.retrieval.for_users import recommend
from fastfm_ext.retrieval.index import ItemIndex
from fastfm_ext.retrieval.reranking import CooccurrenceReranker

__all__ = [
    "CooccurrenceReranker",
    "ItemIndex",
    "recommend",
]
