"""Recommendation for many users: batch after batch, in bounded memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from fastfm_ext._validation.matrices import checked_csr
from fastfm_ext._validation.vectors import check_count

if TYPE_CHECKING:
    from fastfm_ext.retrieval.index import ItemIndex, ItemsOfUsers


class Recommended(NamedTuple):
    """The best items of some users.

    Attributes
    ----------
    users : range
        The users' rows in ``X_user``.
    ids : ndarray of shape (len(users), n)
        Best first; -1 (integer ids) or None where nothing remains.
    scores : ndarray of shape (len(users), n), float32
        What the model predicts for the pair, before the link of a classifier; ``-inf`` where nothing remains.
    """

    users: range
    ids: npt.NDArray[Any]
    scores: npt.NDArray[np.float32]


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
        Over the model's item vectors.
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
        One for each batch, with the fields `users` (a range of rows), `ids` and `scores`. A batch is searched when it
        is asked for, so memory beyond the arguments is that of one batch.

    Raises
    ------
    TypeError
        If `model` or `index` is something else, `X_user` is neither an array nor a sparse matrix, or a set of items has
        a wrong form.
    ValueError
        If an argument does not fit the model or the index, a count is below 1, or a sparse matrix is damaged.

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext import FMRegressor, ItemIndex, recommend
    >>> X = np.array([[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]])  # two users, two items
    >>> model = FMRegressor(n_factors=2, random_state=0).fit(X, [5.0, 1.0, 4.0, 2.0])
    >>> index = ItemIndex().fit(model.item_vector([[0, 0, 1, 0], [0, 0, 0, 1]]), ids=["Alien", "Brazil"])
    >>> for batch in recommend(model, index, np.array([[1, 0, 0, 0], [0, 1, 0, 0]]), n=1, batch_size=1):
    ...     print(batch.users, batch.ids.tolist())
    range(0, 1) [['Alien']]
    range(1, 2) [['Alien']]
    """
    for needed, (name, value) in {"user_vector": ("model", model), "search": ("index", index)}.items():
        if not hasattr(value, needed):
            raise TypeError(f"{name} must have a method {needed}, got a {type(value).__name__}.")
    if not (sparse.issparse(X_user) or isinstance(X_user, np.ndarray)):
        raise TypeError(f"X_user must be a NumPy array or a SciPy sparse matrix, got a {type(X_user).__name__}.")
    if X_user.ndim != 2:
        raise ValueError(f"X_user must have shape (n_users, n_features), got {X_user.shape}.")
    n, batch_size = check_count(n, "n"), check_count(batch_size, "batch_size")
    n_users = X_user.shape[0]
    sets = {"exclude": _sliceable(exclude, "exclude", n_users)}
    sets["only_by_user"] = _sliceable(only_by_user, "only_by_user", n_users)
    # A generator would be used up by the first batch.
    chosen = list(only) if isinstance(only, Iterator) else only
    rows = checked_csr(X_user, "X_user") if sparse.issparse(X_user) else X_user

    def batches() -> Iterator[Recommended]:
        for first in range(0, n_users, batch_size):
            last = min(first + batch_size, n_users)
            X = rows[first:last]
            given = {name: None if items is None else items[first:last] for name, items in sets.items()}
            ids, scores = index.search(model.user_vector(X), n, only=chosen, **given)
            if verbose:
                print(f"users {last}/{n_users}", flush=True)
            yield Recommended(range(first, last), ids, scores + model.user_bias(X)[:, None])

    return batches()


def _sliceable(items: Any, name: str, n_users: int) -> Any:
    """Return sets of items such that those of some users can be taken, after a look at how many there are."""
    if items is None:
        return None
    if sparse.issparse(items):
        if items.ndim != 2 or items.shape[0] != n_users:
            raise ValueError(f"{name} must have one row a user, so {n_users}; got shape {items.shape}.")
        return checked_csr(items, name)
    if not isinstance(items, Collection) or isinstance(items, str | bytes | dict):
        raise TypeError(f"{name} must be a list of collections of ids, one a user, got a {type(items).__name__}.")
    if len(items) != n_users:
        raise ValueError(f"{name} has {len(items)} entries for {n_users} users: give one collection a user.")
    return list(items)
