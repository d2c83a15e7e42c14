"""Recommendations for many users, in batches and in bounded memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from fastfm_ext._common.arrays import AnyArray, Float32
from fastfm_ext._common.checks import kind_of
from fastfm_ext._validation.matrices import checked_csr
from fastfm_ext._validation.vectors import check_count, check_matrix, check_n
from fastfm_ext.retrieval.ids import IdPositions
from fastfm_ext.retrieval.index import ItemIndex, ItemsOfUsers
from fastfm_ext.retrieval.user_items import AllowedItems, UserItemsArgument, mask_of


class Recommended(NamedTuple):
    """The best items of some users.

    Attributes
    ----------
    users : range
        Rows of the users in ``X_user``.
    ids : ndarray of shape (len(users), n)
        Best first; -1 (integer ids) or None where nothing remains.
    scores : ndarray of shape (len(users), n), float32
        What the model predicts for the pair, before the link of a classifier; ``-inf`` where nothing remains.
    """

    users: range
    ids: AnyArray
    scores: Float32


def recommend(
    model: Any,
    index: ItemIndex,
    X_user: Any,
    n: int = 10,
    *,
    exclude: ItemsOfUsers | None = None,
    only: Collection[Any] | None = None,
    only_by_user: ItemsOfUsers | None = None,
    batch_size: int = 4096,
    verbose: bool = False,
) -> Iterator[Recommended]:
    """Find the best items of every user, a batch of users at a time.

    Parameters
    ----------
    model : FMRegressor, FMClassifier or FMRanker
        Fitted.
    index : ItemIndex
        Over the model's item vectors. Changes after the call have no effect on the batches.
    X_user : {array, sparse matrix} of shape (n_users, n_features)
        The users' features, with zeros on the item's side; ``encoder.transform(users, side="user")``.
    n : int, default=10
        Items a user, at least 1.
    exclude, only, only_by_user : optional
        As for `ItemIndex.search`.
    batch_size : int, default=4096
        Users of a batch.
    verbose : bool, default=False
        Print a line after each batch.

    Returns
    -------
    iterator of Recommended
        One for each batch, with the fields `users` (a range of rows), `ids` and `scores`. Each batch is searched when
        it is asked for, so memory beyond the arguments is that of one batch.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If `index` has no items yet, or, with the first batch, if `model` is not fitted.
    TypeError
        If `model` or `index` is something else, `X_user` is neither an array nor a sparse matrix, or a set of items has
        a wrong form.
    ValueError
        If an argument does not fit the model or the index, a count is below 1, or a sparse matrix is damaged.

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext import FMRegressor, ItemIndex, recommend
    >>> X = np.array(
    ...     [[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]]
    ... )  # two users, two items
    >>> model = FMRegressor(n_factors=2, random_state=0).fit(X, [5.0, 1.0, 4.0, 2.0])
    >>> index = ItemIndex().fit(
    ...     model.item_vector([[0, 0, 1, 0], [0, 0, 0, 1]]), ids=["Alien", "Brazil"]
    ... )
    >>> for batch in recommend(
    ...     model, index, np.array([[1, 0, 0, 0], [0, 1, 0, 0]]), n=1, batch_size=1
    ... ):
    ...     print(batch.users, batch.ids.tolist())
    range(0, 1) [['Alien']]
    range(1, 2) [['Alien']]
    """
    if not hasattr(model, "user_vector"):
        raise TypeError(f"model must have a method user_vector, got {kind_of(model)}.")
    if not isinstance(index, ItemIndex):
        raise TypeError(f"index must be an ItemIndex, got {kind_of(index)}.")
    if not (sparse.issparse(X_user) or isinstance(X_user, np.ndarray)):
        raise TypeError(f"X_user must be a NumPy array or a SciPy sparse matrix, got {kind_of(X_user)}.")
    if X_user.ndim != 2:
        raise ValueError(f"X_user must have shape (n_users, n_features), got {X_user.shape}.")
    items = index._items_to_search()
    n_users, batch_size = X_user.shape[0], check_count(batch_size, "batch_size")
    n = check_n(n, min(batch_size, n_users), len(items))
    excluded = _one_set_a_user(exclude, "exclude", n_users, items.position)
    chosen = _one_set_a_user(only_by_user, "only_by_user", n_users, items.position)
    mask = None if only is None else mask_of(only, "only", items.position)
    X = checked_csr(X_user, "X_user") if sparse.issparse(X_user) else X_user

    def batches() -> Iterator[Recommended]:
        for first in range(0, n_users, batch_size):
            last = min(first + batch_size, n_users)
            vectors, bias = _vectors_and_bias(model, X[first:last])
            users = check_matrix(vectors, "user_vectors", items.width)
            left_out = None if excluded is None else excluded.read(first, last)
            only_ones = None if chosen is None else chosen.read(first, last)
            allowed = AllowedItems.of(left_out, only_ones, mask, len(items))
            ids, scores = index._search_checked(items, users, n, allowed)
            if verbose:
                print(f"users {last}/{n_users}", flush=True)
            yield Recommended(range(first, last), ids, scores + bias[:, None])

    return batches()


def _one_set_a_user(value: Any, name: str, n_users: int, position: IdPositions) -> UserItemsArgument | None:
    """Return an argument with a set of items for each user, or None for None.

    Raises
    ------
    TypeError, ValueError
        If it is not for so many users, or as for `UserItemsArgument`.
    """
    if value is None:
        return None
    if sparse.issparse(value):
        if value.ndim != 2 or value.shape[0] != n_users:
            raise ValueError(f"{name} must have one row a user, so {n_users}; got shape {value.shape}.")
    elif not isinstance(value, Collection) or isinstance(value, str | bytes | dict):
        raise TypeError(f"{name} must be a list of collections of ids, one a user, got {kind_of(value)}.")
    return UserItemsArgument(value, name, n_users, position)


def _vectors_and_bias(model: Any, X: Any) -> tuple[Float32, Float32]:
    """Return the vectors, (n_users, d), and the biases, (n_users,), of users with the features X."""
    if hasattr(model, "user_vectors_and_bias"):
        vectors, bias = model.user_vectors_and_bias(X)
    else:  # an object that wraps a model
        vectors, bias = model.user_vector(X), model.user_bias(X)
    return vectors, bias
