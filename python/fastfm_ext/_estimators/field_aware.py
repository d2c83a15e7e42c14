"""Estimators of field-aware models: what they add to those of factorization machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import FunctionType
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from fastfm_ext._common.arrays import AnyArray, Float32, Int32
from fastfm_ext._common.sparse import is_sparse
from fastfm_ext._engine.models import Fields
from fastfm_ext._estimators.base import TrainingCall
from fastfm_ext._estimators.field_map import FieldMap
from fastfm_ext._estimators.foreign_parameters import model_of
from fastfm_ext._estimators.labels import rising_classes
from fastfm_ext._estimators.row_classifier import RowClassifier
from fastfm_ext._estimators.row_regressor import RowRegressor
from fastfm_ext._estimators.rows import RowEstimator
from fastfm_ext._estimators.scoring_form import ScoringForm
from fastfm_ext._estimators.side_vectors import SideVectors
from fastfm_ext._learning.problem import Problem
from fastfm_ext._learning.undo import Undo


class FieldAware(SideVectors, RowEstimator):
    """What the estimators of field-aware models have in common; a subclass names its model in `_spec`."""

    fields: ArrayLike | None
    normalize: bool
    # None until the first rows say how many columns there are, each a field of its own.
    _field_map: FieldMap | None
    # The default of n_factors.
    _usual_factors: ClassVar[int] = 16

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "_public_name" in vars(cls):  # a model's own class: errors about its arguments name it
            cls.__init__ = _constructor(cls.__init__, cls._public_name, cls._usual_factors)  # type: ignore[attr-defined,method-assign]

    @property
    def fields_(self) -> Int32:
        """Field of each feature, (n_features,), as its place in `field_names_`."""
        return self._known_fields().of_feature[: self.n_features_in_]

    @property
    def field_names_(self) -> AnyArray:
        """Fields as `fields` names them, ascending, (n_fields,)."""
        return self._known_fields().names

    def _known_fields(self) -> FieldMap:
        found: FieldMap | None = vars(self).get("_field_map")
        if found is None:
            raise AttributeError(f"This {type(self).__name__} is not fitted yet; call fit first.")
        return found

    # --- what the base asks ------------------------------------------------------------------------------------------

    def _prepare(self, data: Any, validation: Any, call: TrainingCall, undo: list[Undo]) -> Problem:
        self._meet(data[0], is_first=call.is_first)
        return super()._prepare(data, validation, call, undo)

    def _meet(self, X: Any, *, is_first: bool) -> None:
        """Learn the fields of features from the hyperparameter, or from rows that an encoder has made."""
        if is_sparse(X) and hasattr(X, "item_fields"):
            self._item_fields_of_rows = X.item_fields
        given = self.fields
        if given is not None and is_sparse(X):
            _refuse_fields_of_values(given, X)
        elif is_sparse(X):
            given = getattr(X, "fields", None)
        known = None if is_first else self._field_map
        if known is None:
            self._field_map = None if given is None else FieldMap.of(given)
        elif given is not None and given is not known.source:
            self._field_map = known.extended(given)

    def _fields_of(self, n_features: int) -> Fields:
        if self._field_map is None:
            self._field_map = FieldMap.of_columns(n_features, getattr(self, "feature_names_in_", None))
        if n_features > len(self._field_map.of_feature):
            self._meet(None, is_first=False)
        return self._field_map.first(n_features)

    def _scoring_form(self) -> ScoringForm:
        form = super()._scoring_form()
        assert form.of_fields is not None
        items = self._item_field_numbers() if np.size(self._given_item_fields) else None
        return replace(form, of_fields=replace(form.of_fields, is_normalized=self.normalize, item_fields=items))

    def _to_state(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        meta, arrays = super()._to_state()
        given = {name: meta["params"].pop(name) is not None for name in ("fields", "item_fields")}
        meta |= {"model": self._spec.name, "given": given}
        arrays |= self._known_fields().to_arrays()
        items = self.item_fields if given["item_fields"] else getattr(self, "_item_fields_of_rows", None)
        return meta, arrays if items is None else arrays | {"item_fields": np.asarray(items)}

    @classmethod
    def _from_state(cls, meta: dict[str, Any], arrays: dict[str, AnyArray]) -> Any:
        if meta["model"] != cls._spec.name:
            raise ValueError(f"parameters of the model {meta['model']!r}")
        known = {"fields": FieldMap.from_arrays(arrays).of_known, "item_fields": arrays.get("item_fields")}
        params = {name: known[name] if meta["given"][name] else None for name in known}
        model = super()._from_state(meta | {"params": dict(meta["params"]) | params}, arrays)
        if "item_fields" in arrays and not meta["given"]["item_fields"]:
            model._item_fields_of_rows = arrays["item_fields"]
        return model


class PairStrengths(FieldAware):
    """What pairs of fields have in models where features have a single vector."""

    @property
    def R_(self) -> Float32:
        """What each pair of fields has, (n_fields, n_fields, ...), or (n_classes, ...) of that; see the class."""
        R: Float32 = self._per_output(lambda params, units: params.R)
        return R


class FieldAwareClassifier(FieldAware, RowClassifier):
    """A field-aware model for classification, without scikit-learn."""

    def __init__(
        self,
        n_factors: int = 16,
        *,
        fields: ArrayLike | None = None,
        item_fields: ArrayLike | None = None,
        normalize: bool = False,
        multi_class: Literal["ovr", "multinomial"] = "ovr",
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        negative_sampling_rate: float | None = None,
        solver: str = "adagrad",
        learning_rate: float | None = None,
        max_iter: int = 100,
        l2_w: float | None = None,
        l2_V: float | None = None,
        l2_exponent: float = 1.0,
        adaptive_l2: bool = False,
        l1_w: float = 0.0,
        l1_V: float = 0.0,
        clip_gradient: float | None = None,
        init_stdev: float | None = None,
        fit_intercept: bool = True,
        fit_linear: bool = True,
        shuffle: bool = True,
        early_stopping: bool | Literal["auto"] = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        refit: bool = True,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int | Literal["bar"] = 0,
    ) -> None:
        super().__init__(
            n_factors,
            multi_class=multi_class,
            class_weight=class_weight,
            negative_sampling_rate=negative_sampling_rate,
            solver=solver,
            learning_rate=learning_rate,
            max_iter=max_iter,
            l2_w=l2_w,
            l2_V=l2_V,
            l2_exponent=l2_exponent,
            adaptive_l2=adaptive_l2,
            l1_w=l1_w,
            l1_V=l1_V,
            clip_gradient=clip_gradient,
            init_stdev=init_stdev,
            fit_intercept=fit_intercept,
            fit_linear=fit_linear,
            shuffle=shuffle,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            refit=refit,
            warm_start=warm_start,
            n_jobs=n_jobs,
            random_state=random_state,
            verbose=verbose,
        )
        self.fields = fields
        self.item_fields = item_fields
        self.normalize = normalize

    @classmethod
    def from_parameters(
        cls,
        w0: ArrayLike,
        w: ArrayLike,
        V: ArrayLike,
        R: ArrayLike | None = None,
        *,
        classes: ArrayLike = (0, 1),
        **hyperparameters: Any,
    ) -> Self:
        """Return a model with the parameters of another program, such as libffm's, as if it had been fitted.

        It predicts at once, and trains on as one of `FMClassifier.from_parameters` does.

        Parameters
        ----------
        w0 : float, or array-like of shape (n_classes,)
        w : array-like of shape (n_features,) or (n_classes, n_features)
        V : array-like
            In the shape of `V_`. Fields are in the order of `field_names_`, which is ascending.
        R : array-like, optional
            In the shape of `R_`, for models that have it: symmetric in the fields, matrices transposed.
        classes : array-like of shape (n_classes,), default=(0, 1)
            The classes, in rising order; of more than two, all parameters have a first axis of their length.
        **hyperparameters
            Those of the constructor, `fields` among them; `n_factors` is that of V.

        Returns
        -------
        estimator

        Raises
        ------
        ValueError
            For other shapes, fewer than two classes or some that do not rise, values that float32 cannot hold, an
            invalid hyperparameter, or R where the model has none, or none where it has it.
        """
        named = rising_classes(classes)
        model = model_of(cls, hyperparameters, 1 if len(named) == 2 else len(named), w0=w0, w=w, V=V, R=R)
        model.classes_ = named
        return model


class FieldAwareRegressor(FieldAware, RowRegressor):
    """A field-aware model for regression, without scikit-learn."""

    def __init__(
        self,
        n_factors: int = 16,
        *,
        fields: ArrayLike | None = None,
        item_fields: ArrayLike | None = None,
        normalize: bool = False,
        loss: str = "squared",
        delta: float = 1.0,
        clip_predictions: bool = False,
        solver: str = "adagrad",
        learning_rate: float | None = None,
        max_iter: int = 100,
        l2_w: float | None = None,
        l2_V: float | None = None,
        l2_exponent: float = 1.0,
        adaptive_l2: bool = False,
        l1_w: float = 0.0,
        l1_V: float = 0.0,
        clip_gradient: float | None = None,
        init_stdev: float | None = None,
        fit_intercept: bool = True,
        fit_linear: bool = True,
        shuffle: bool = True,
        early_stopping: bool | Literal["auto"] = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        refit: bool = True,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int | Literal["bar"] = 0,
    ) -> None:
        super().__init__(
            n_factors,
            loss=loss,
            delta=delta,
            clip_predictions=clip_predictions,
            solver=solver,
            learning_rate=learning_rate,
            max_iter=max_iter,
            l2_w=l2_w,
            l2_V=l2_V,
            l2_exponent=l2_exponent,
            adaptive_l2=adaptive_l2,
            l1_w=l1_w,
            l1_V=l1_V,
            clip_gradient=clip_gradient,
            init_stdev=init_stdev,
            fit_intercept=fit_intercept,
            fit_linear=fit_linear,
            shuffle=shuffle,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            refit=refit,
            warm_start=warm_start,
            n_jobs=n_jobs,
            random_state=random_state,
            verbose=verbose,
        )
        self.fields = fields
        self.item_fields = item_fields
        self.normalize = normalize

    @classmethod
    def from_parameters(
        cls, w0: ArrayLike, w: ArrayLike, V: ArrayLike, R: ArrayLike | None = None, **hyperparameters: Any
    ) -> Self:
        """Return a model with the parameters of another program, such as libffm's, as if it had been fitted.

        It predicts at once, and trains on as one of `FMRegressor.from_parameters` does.

        Parameters
        ----------
        w0 : float
        w : array-like of shape (n_features,)
        V : array-like
            In the shape of `V_`. Fields are in the order of `field_names_`, which is ascending.
        R : array-like, optional
            In the shape of `R_`, for models that have it: symmetric in the fields, matrices transposed.
        **hyperparameters
            Those of the constructor, `fields` among them; `n_factors` is that of V.

        Returns
        -------
        estimator

        Raises
        ------
        ValueError
            For other shapes, values that float32 cannot hold, an invalid hyperparameter, or R where the
            model has none, or none where it has it.
        """
        return model_of(cls, hyperparameters, 1, w0=w0, w=w, V=V, R=R)


def _refuse_fields_of_values(fields: Any, X: Any) -> None:
    """Raise ValueError for what `read_libffm` returns, a field for each value, in place of one for each feature."""
    if np.size(fields) == X.nnz > X.shape[1]:
        raise ValueError(
            f"fields must hold the field of each feature; got {X.nnz:,} of them for {X.shape[1]:,} features, which is "
            "one for each value of X, as read_libffm returns them. Pass fields=fields_of_features(X, fields), of "
            "fastfm_ext.text_formats."
        )


def _constructor(given: Any, public_name: str, n_factors: int) -> Any:
    """Return a constructor of the same signature, with another default of `n_factors`, under a class's own name."""
    constructor = FunctionType(given.__code__, given.__globals__, given.__name__, (n_factors,), given.__closure__)
    constructor.__kwdefaults__ = dict(given.__kwdefaults__)
    constructor.__annotations__ = dict(given.__annotations__)
    constructor.__qualname__ = f"{public_name}.__init__"
    return constructor
