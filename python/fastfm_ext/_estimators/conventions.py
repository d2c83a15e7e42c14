"""Conventions of scikit-learn, for the estimators that users see."""

from typing import Any

from sklearn.base import BaseEstimator


class ScikitLearnEstimator(BaseEstimator):
    """Last base of an estimator, behind those that train and predict, which know nothing of scikit-learn."""

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_scorers")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
