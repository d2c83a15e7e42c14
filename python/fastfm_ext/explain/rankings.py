"""Contributions to scores of rankings: why this item for this user, by pairs of a user's and an item's features."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils import check_array

from fastfm_ext._common.arrays import object_array
from fastfm_ext._common.checks import errors_that_name, is_integer, kind_of
from fastfm_ext.explain.opened import Columns, OpenedModel
from fastfm_ext.explain.vector_parts import pairs_of, parts_of, with_shares


class PairContribution(NamedTuple):
    """What a feature of a user and a feature of an item add to the item's score together.

    Attributes
    ----------
    user_feature, item_feature : str
        Names of the features. "(anybody)" and "(item alone)" stand for what the item scores whoever asks, "(all else)"
        for what no feature gives: choices that were folded in, and means of centered columns.
    value : float

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext import FMRanker
    >>> from fastfm_ext.explain import ranking_contributions
    >>> users, items = np.eye(5)[:2], np.eye(5)[2:]
    >>> model = FMRanker(2, similarity="dot", random_state=0, max_iter=3).fit(
    ...     users, items, np.eye(2, 3)
    ... )
    >>> part = max(
    ...     ranking_contributions(model, users[:1], items[:1])[0], key=lambda part: part.value
    ... )
    >>> part.user_feature, part.item_feature
    ('(anybody)', '(item alone)')
    """

    user_feature: str
    item_feature: str
    value: float


def ranking_contributions(
    model: Any, X_user: Any, X_item: Any, n: int | None = 10, encoder: Any = None, *, user_vectors: Any = None
) -> list[list[PairContribution]]:
    """Take the scores of items for users apart: what each item scores by itself, and each pair of features.

    A ranker's score is ``own(t) + <S_u, S_t>``, and its second part the sum of ``<v_i, v_j> x_i x_j`` over the features
    i of the user and j of the item. By cosines it is ``<S_u, S_t> / (temperature |S_u| |S_t|)``: the lengths are taken
    as those that this user and this item have, and so each product is divided by the same number. The values of a pair
    add up to the score; by cosines they are not Shapley values, for which the lengths would have to change, too.

    Parameters
    ----------
    model : FMRanker, or another fitted model with user and item vectors
    X_user : {array-like, sparse matrix} of shape (n_pairs, n_features) or (1, n_features)
        Features of the users; a single row stands for all pairs. After ``user_history``, rows of `with_history`: then
        what a user has chosen is a feature, too, "has item 3".
    X_item : {array-like, sparse matrix} of shape (n_pairs, n_features) or (1, n_features)
        Features of the items.
    n : int, optional, default=10
        Contributions of a pair, the largest; None for all.
    encoder : FMEncoder, optional
        The one that has encoded the rows: names the features.
    user_vectors : array-like of shape (n_pairs, n_factors + 1) or (1, n_factors + 1), optional
        Vectors of the users, where they are others than those of their features, as `fold_in` gives them.

    Returns
    -------
    list of list of PairContribution
        Of each user and item, by falling size.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    TypeError
        If the model has no vectors.
    ValueError
        If `n` is not positive, or the rows do not fit the model or each other.

    References
    ----------
    Rendle, "Factorization Machines" (2010), lemma 3.1, with the sum split into the user's and the item's features.

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext import FMRanker
    >>> from fastfm_ext.explain import ranking_contributions
    >>> users, items = np.eye(5)[:2], np.eye(5)[2:]
    >>> model = FMRanker(2, similarity="dot", random_state=0, max_iter=3).fit(
    ...     users, items, np.eye(2, 3)
    ... )
    >>> why = ranking_contributions(model, users[:1], items[:1])[0]
    >>> sorted((part.user_feature, part.item_feature) for part in why)
    [('(anybody)', '(item alone)'), ('0', '2')]
    """
    if n is not None and not is_integer(1)(n):
        raise ValueError(f"n must be a positive integer, or None for all; got {n!r}")
    opened = OpenedModel.of(model, encoder)
    ranker = opened.estimator
    if not hasattr(ranker, "item_vector") or isinstance(ranker, type):
        raise TypeError(f"model must be a fitted model with user and item vectors; got {kind_of(ranker)}")
    items = ranker.item_vector(X_item)
    if user_vectors is None:
        users = ranker.user_vector(X_user)
    else:
        with errors_that_name("user_vectors"):
            users = check_array(user_vectors, dtype=np.float64, input_name="user_vectors")
    n_pairs = max(len(users), len(items))
    wanted = (items.shape[1], {1, n_pairs})
    if users.shape[1] != wanted[0] or not {len(users), len(items)} <= wanted[1]:
        raise ValueError(
            f"X_user, X_item and user_vectors must be of as many users as items, or of one; got vectors of shapes "
            f"{users.shape} and {items.shape}"
        )
    given_users, given_items = _as_csr(X_user), _as_csr(X_item)
    if given_users.shape[0] not in (1, n_pairs):
        raise ValueError(f"X_user has {given_users.shape[0]} rows, and there are {n_pairs} pairs")
    names, V = Columns.of(opened, ranker.n_features_in_).feature_names, ranker.V_
    names_of_users, V_of_users = names, V
    if hasattr(ranker, "n_items_in_"):
        given_users = sparse.vstack([with_shares(row, len(V)) for row in _rows(given_users)], format="csr")
        V_of_users = np.concatenate([V, ranker.history_V_])
        names_of_users = np.append(names, object_array([f"has item {item}" for item in range(len(ranker.history_V_))]))
    of_users = [
        parts_of(ranker.user_vector, V_of_users, given_users[[at % given_users.shape[0]]], users[at % len(users)])
        for at in range(max(given_users.shape[0], len(users)))
    ]
    of_items = [
        parts_of(ranker.item_vector, V, row, vector) for row, vector in zip(_rows(given_items), items, strict=True)
    ]
    found = []
    for pair in range(n_pairs):
        user, item = of_users[pair % len(of_users)], of_items[pair % len(of_items)]
        parts = pairs_of(user, item, names_of_users, float(items[pair % len(items), 0]))
        columns = [values[:n].tolist() for values in parts.values()]
        found.append([PairContribution(*values) for values in zip(*columns, strict=True)])
    return found


def _as_csr(X: Any) -> sparse.csr_array:
    """Return rows that a model has taken as a sparse matrix without zeros."""
    rows = sparse.csr_array(X if sparse.issparse(X) else np.asarray(X), dtype=np.float32)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    return rows


def _rows(X: sparse.csr_array) -> list[sparse.csr_array]:
    return [X[[row]] for row in range(X.shape[0])]
