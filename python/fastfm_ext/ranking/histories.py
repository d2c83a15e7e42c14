"""Users represented by what they chose: the rows that hold features and histories, and the model's part for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_is_fitted

from fastfm_ext._common.arrays import Float32
from fastfm_ext._common.checks import kind_of
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.ranking import with_histories
from fastfm_ext._engine.scipy_matrices import as_scipy
from fastfm_ext._estimators.scorers import Scorers
from fastfm_ext._estimators.scoring_form import ScoringForm
from fastfm_ext._validation.interactions import to_interactions
from fastfm_ext._validation.matrices import check_not_misread, checked_csr, to_csr


def no_features(interactions: Any, X_item: Any) -> sp.csr_array:
    """Return the rows of users of whom no feature is known: of interactions, (n_users, n_items), and of items."""
    shapes = [np.shape(X) for X in (interactions, X_item)]
    for name, shape in zip(("interactions", "X_item"), shapes, strict=True):
        if len(shape) != 2:
            raise ValueError(f"{name} must have two dimensions; got shape {shape}.")
    return sp.csr_array((shapes[0][0], shapes[1][1]), dtype=np.float32)


def _n_dimensions(values: Any) -> int:
    try:
        return np.ndim(values)
    except ValueError:  # lists of several lengths
        return 1


class HistoriesMixin:
    """The part of a ranker that represents users by what they chose."""

    user_history: bool
    n_features_in_: int
    n_items_in_: int
    _scorers: Scorers
    _as_it_is: Callable[[], Any]

    def with_history(self, history: Any, X_user: Any = None) -> sp.csr_array:
        """Return rows of users with what they chose, as `user_vector` takes them after `user_history`.

        Parameters
        ----------
        history : {array-like, sparse matrix} of shape (n_users, n_items)
            Nonzero where the user has chosen the item; items are those of `fit`.
        X_user : {array-like, sparse matrix} of shape (n_users, n_features), optional
            The features of these users.

        Returns
        -------
        csr_array of shape (n_users, n_features + n_items), float32
            For `user_vector`, `fastfm_ext.evaluate` and `fastfm_ext.recommend`. `user_vector` weighs the items itself.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            Without `user_history`, for another number of items, or for input that `fit` would refuse.

        Examples
        --------
        >>> import numpy as np
        >>> from fastfm_ext import FMRanker
        >>> chosen = np.array(
        ...     [[1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 1, 1]]
        ... )
        >>> model = FMRanker(n_factors=4, user_history=True, random_state=0).fit(
        ...     None, np.eye(6), chosen
        ... )
        >>> newcomer = model.user_vector(model.with_history([[0, 0, 0, 0, 1, 1]]))
        >>> int(
        ...     np.argmax(
        ...         np.where([0, 0, 0, 0, 1, 1], -np.inf, newcomer @ model.item_vector(np.eye(6)).T)
        ...     )
        ... )
        3
        """
        check_is_fitted(self, "_scorers")
        model = self._as_it_is()
        if not hasattr(model, "n_items_in_"):
            raise ValueError("with_history needs a ranker that was trained with user_history=True.")
        if not sp.issparse(history) and _n_dimensions(history) != 2:
            raise ValueError(
                f"history must be a matrix with a row a user and the {model.n_items_in_} items of fit in columns; "
                f"got {kind_of(history)} of another shape. fold_in takes lists of items."
            )
        n_users = np.shape(history)[0] if X_user is None else np.shape(X_user)[0]
        chosen = to_interactions(history, n_users, model.n_items_in_, "history", may_be_empty=True)
        if X_user is None:
            features = sp.csr_array((n_users, model.n_features_in_), dtype=np.float32)
        else:
            to_csr(model, X_user, name="X_user")
            features = sp.csr_array(X_user if sp.issparse(X_user) else np.asarray(X_user))
        rows: sp.csr_array = sp.hstack([features, as_scipy(chosen)], format="csr")
        return rows

    @property
    def history_V_(self) -> Float32:
        """Factors of the items in histories, with `user_history`: (n_items, n_factors)."""
        if not hasattr(self, "n_items_in_"):
            raise AttributeError("history_V_: only a ranker that was fitted with user_history=True has it.")
        V: Float32 = self._scorers[0].V[self.n_features_in_ :]
        return V

    def _learn_items(self, n_items: int, *, is_first: bool) -> None:
        """Keep the number of items of histories, if there are any.

        Raises
        ------
        ValueError
            If the model was trained on others, or with the other representation of users.
        """
        before = getattr(self, "n_items_in_", None)
        if not is_first and self.user_history != (before is not None):
            raise ValueError(
                f"user_history is now {self.user_history}, and the model was trained with the other. Set it back to go "
                "on, or train anew: fit with warm_start=False."
            )
        if not is_first and before not in (None, n_items):
            raise ValueError(
                f"interactions has {n_items} items, and histories hold the {before} of training. Pass these, in the "
                "same columns, or train anew: fit with warm_start=False."
            )
        self.__dict__.pop("n_items_in_", None)
        if self.user_history:
            self.n_items_in_ = n_items

    def _scoring_form(self) -> ScoringForm:
        form: ScoringForm = super()._scoring_form()  # type: ignore[misc]
        return replace(form, n_history_items=form.V.shape[1] - self.n_features_in_)

    def _widened(self, X: Csr) -> Csr:
        """Return rows of features with room for the items of histories behind them, if there are any."""
        return replace(X, n_features=X.n_features + getattr(self, "n_items_in_", 0))

    @property
    def V_(self) -> Float32:
        """Factors of the features: (n_features, n_factors). A view, which `partial_fit` changes: copy it to keep it."""
        V: Float32 = super().V_[: self.n_features_in_]  # type: ignore[misc]
        return V

    def _read_whole_users(self, X: Any) -> Csr:
        """Return rows that `with_history` has made, as training has them."""
        n_features, n_items = self.n_features_in_, self.n_items_in_
        if not sp.issparse(X):
            check_not_misread(X, "X")
        shape = np.shape(X)
        if len(shape) != 2 or shape[1] != n_features + n_items:
            raise ValueError(
                f"X must have the {n_features} features and behind them the {n_items} items of histories, since this "
                f"model represents users by what they chose (user_history=True): with_history makes such rows of both. "
                f"Got shape {shape}."
            )
        rows = checked_csr(X, "X") if sp.issparse(X) else np.asarray(X)
        centers = self._units.centers  # type: ignore[attr-defined]
        features = to_csr(self, rows[:, :n_features], centers=centers)
        chosen = to_interactions(rows[:, n_features:], shape[0], n_items, "X", may_be_empty=True)
        return with_histories(features, chosen, n_features)
