"""Features of a fitted encoder: their names, where a value's feature is, and what a feature stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from fastfm_ext.encoding.columns.base import Feature
from fastfm_ext.encoding.layout import Layout


class FeatureLookup(BaseEstimator):
    """Base of `FMEncoder`: look-ups of features in its layout."""

    n_features_out_: int
    fields_: NDArray[np.int32]
    field_names_: list[str]
    _layout: Layout

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Name every feature: ``user_id=42``, ``genres=Action``, ``age``.

        Parameters
        ----------
        input_features : ignored
            Present because pipelines pass it.

        Returns
        -------
        ndarray of str objects of shape (`n_features_out_`,)
            In the order of the matrix's columns.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the encoder is not fitted.
        """
        check_is_fitted(self, "fields_")
        return self._layout.labels()

    def feature_index(self, column: str, value: Any = None) -> int:
        """Find the feature of a value.

        Parameters
        ----------
        column : str
            One of `field_names_`.
        value : object, default=None
            The value, None for a missing one, a tuple for crossed columns; ignored for a numeric column.

        Returns
        -------
        int
            Column of the encoded matrix, row of `V_` and place in `w_` of a model trained on it.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the encoder is not fitted.
        KeyError
            If there is no such column, or `transform` gives the value no feature.
        TypeError
            If the value can't be a category, such as a list.

        Examples
        --------
        >>> from fastfm_ext.encoding import FMEncoder
        >>> encoder = FMEncoder(user=["user_id"]).fit({"user_id": [7, 42]})
        >>> encoder.feature_index("user_id", 42)
        1
        """
        check_is_fitted(self, "fields_")
        if column not in self.field_names_:
            raise KeyError(f"no column {column!r}; there are {', '.join(self.field_names_)}")
        return self._layout.index_of(self.field_names_.index(column), value)

    def feature_at(self, index: int) -> Feature:
        """Say what a feature stands for: the inverse of `feature_index`.

        Parameters
        ----------
        index : int
            Column of the encoded matrix, 0 <= index < `n_features_out_`.

        Returns
        -------
        Feature
            A named tuple: its field, its kind (``"value"``: the feature of a single value), and the value.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the encoder is not fitted.
        IndexError
            If there is no such feature.

        Examples
        --------
        >>> from fastfm_ext.encoding import FMEncoder
        >>> encoder = FMEncoder(user=["user_id"]).fit({"user_id": [7, 42]})
        >>> encoder.feature_at(1)
        Feature(field='user_id', kind='value', value=42)
        """
        check_is_fitted(self, "fields_")
        if not 0 <= index < self.n_features_out_:
            raise IndexError(f"index must be from 0 to {self.n_features_out_ - 1}, got {index!r}")
        return self._layout.feature_at(index, int(self.fields_[index]))

    @property
    def slices_(self) -> dict[str, slice]:
        """Features of every field, as long as those of each lie side by side."""
        check_is_fitted(self, "fields_")
        return self._layout.slices
