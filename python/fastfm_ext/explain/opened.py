"""Models as explanations need them: the estimator and the encoder of a Pipeline, rows, and names of columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from fastfm_ext._common.arrays import AnyArray, Float64, Int32, object_array
from fastfm_ext._common.checks import errors_that_name, kind_of
from fastfm_ext._validation.matrices import check_not_empty


@dataclass(frozen=True)
class OpenedModel:
    """A fitted estimator with the encoder of its rows, and what a Pipeline does with them before.

    Attributes
    ----------
    estimator : FMRegressor, FMClassifier, FMRanker, field-aware or Bayesian estimator
    encoder : FMEncoder, or None
    before : Pipeline, or None
        The steps before the estimator.
    """

    estimator: Any
    encoder: Any
    before: Any

    @classmethod
    def of(cls, model: Any, encoder: Any = None) -> Self:
        """Open a Pipeline; take others as they are."""
        before = None
        if hasattr(model, "named_steps"):
            steps = [step for _, step in model.steps]
            found = next((step for step in steps if hasattr(step, "field_names_")), None)
            encoder = found if encoder is None else encoder
            before, model = (model[:-1] if len(steps) > 1 else None), steps[-1]
        if encoder is not None:
            if not hasattr(encoder, "get_feature_names_out") or isinstance(encoder, type):
                raise TypeError(f"encoder must be the FMEncoder that has encoded the rows; got {kind_of(encoder)}")
            check_is_fitted(encoder, "fields_")
        return cls(model, encoder, before)

    def scorer(self, wanted_by: str) -> Any:
        """Return the estimator as it is now, which scores rows one by one.

        Raises
        ------
        TypeError
            For a ranker or what is no model of this package.
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            For a model in the centered form.
        """
        if hasattr(self.estimator, "fold_in"):
            raise TypeError(
                f"{wanted_by} takes models that score rows, and {type(self.estimator).__name__} scores pairs of a user "
                "and an item: explain these with ranking_contributions."
            )
        if not hasattr(self.estimator, "_as_it_is") or isinstance(self.estimator, type):
            got = kind_of(self.estimator)
            raise TypeError(f"{wanted_by} takes models of fastfm_ext, or Pipelines that end with one; got {got}.")
        model = self.estimator._as_it_is()
        check_is_fitted(model, "_scorers")
        self.check_form(wanted_by)
        return model

    def check_form(self, wanted_by: str) -> None:
        """Raise ValueError for a Bayesian model in the centered form, where features of one block do not interact."""
        if getattr(self.estimator, "_centered", None) is not None:  # form may have been set since
            raise ValueError(
                f"{wanted_by} takes factorization machines as they are written, and this one is centered; fit with "
                'form="fm" to explain it'
            )

    def refuse_fields(self, fields: ArrayLike | None) -> None:
        """Raise ValueError if fields are given for a model that has its own."""
        if fields is not None and hasattr(self.estimator, "field_names_"):
            name = type(self.estimator).__name__
            raise ValueError(f"fields are those that the model has; {name} was trained with them")

    def rows(self, X: Any, name: str = "X") -> Any:
        """Return rows as the estimator takes them; what is wrong with them is said of this argument."""
        rows = X
        if self.before is not None:
            # One row, such as the mean of a background, is a matrix of one row.
            some = X[None] if isinstance(X, np.ndarray) and X.ndim == 1 else X
            with errors_that_name(name):
                rows = self.before.transform(some)
        shape = getattr(rows, "shape", None)
        if shape:
            check_not_empty(shape, name)
        return rows.tocsr() if hasattr(rows, "to_blocks") else rows


@dataclass(frozen=True)
class Columns:
    """Columns of a table, or other groups, that features belong to.

    Attributes
    ----------
    n_features : int
    given_names : ndarray of shape (n_features,), or None
        Names of the features; None for their numbers.
    group_of : int32 ndarray of shape (n_features,), or None
        None where each feature stands for itself.
    group_names : object ndarray of shape (n_groups,), or None
    """

    n_features: int
    given_names: AnyArray | None
    group_of: Int32 | None = None
    group_names: AnyArray | None = None

    @classmethod
    def of(cls, model: OpenedModel, n_features: int, fields: ArrayLike | None = None) -> Self:
        """Find the names of the features, and their groups by the encoder or by `fields`.

        Raises
        ------
        ValueError
            If both are given, or are of another number of features.
        """
        encoder = model.encoder
        if encoder is not None and fields is not None:
            raise ValueError("encoder and fields both say which features are of one field; give one of them")
        if encoder is not None:
            _check_size("the encoder", len(encoder.fields_), n_features)
            names, group_names = encoder.get_feature_names_out(), object_array(encoder.field_names_)
            return cls(n_features, names, encoder.fields_.astype(np.int32), group_names)
        names = getattr(model.estimator, "feature_names_in_", None)
        if fields is None:
            return cls(n_features, names)
        given: NDArray[Any] = np.asarray(fields)
        if given.ndim != 1:
            raise ValueError(f"fields must hold one field a feature; got an array of shape {given.shape}")
        _check_size("fields", len(given), n_features)
        try:
            values, group_of = np.unique(given, return_inverse=True)
        except TypeError as error:
            raise ValueError("fields must be all of one kind, numbers or text, and none may be missing") from error
        return cls(n_features, names, group_of.astype(np.int32), object_array(map(str, values.tolist())))

    @property
    def of_features(self) -> Columns:
        """Each feature for itself."""
        return Columns(self.n_features, self.given_names)

    @property
    def as_groups(self) -> Columns:
        """The groups; each feature is one where there are none."""
        if self.group_of is not None:
            return self
        return Columns(self.n_features, self.given_names, np.arange(self.n_features, dtype=np.int32), self.names)

    @property
    def feature_names(self) -> AnyArray:
        """Names of the features: (n_features,)."""
        names = self.given_names
        return (np.arange(self.n_features).astype(str) if names is None else names).astype(object)

    @property
    def names(self) -> AnyArray:
        """Names of the groups, (n_groups,), or of the features."""
        return self.feature_names if self.group_names is None else self.group_names

    def __len__(self) -> int:
        return self.n_features if self.group_names is None else len(self.group_names)


def typical_sizes(model: Any, n_features: int) -> Float64:
    """Return the typical size (n_features,) of each feature's values, as training has found it."""
    sizes = np.ones(n_features)
    scale = model._units.features
    sizes[scale.columns] = 1.0 / scale.factors[:, 0].astype(np.float64)
    return sizes


def _check_size(what: str, found: int, n_features: int) -> None:
    if found != n_features:
        raise ValueError(f"{what} has {found} features, and the model has {n_features}")
