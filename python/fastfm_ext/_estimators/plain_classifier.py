"""What `FMClassifier` is without scikit-learn: what trains and predicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from numpy.typing import ArrayLike

from fastfm_ext._estimators.foreign_parameters import model_of
from fastfm_ext._estimators.labels import rising_classes
from fastfm_ext._estimators.row_classifier import RowClassifier
from fastfm_ext._estimators.vectors import VectorsMixin


class PlainClassifier(VectorsMixin, RowClassifier):
    """Factorization machine for classification, with the hyperparameters, methods and attributes of `FMClassifier`.

    It is what the command line takes for text: importing scikit-learn lasts longer than many a fit.
    """

    _public_name = "FMClassifier"

    def __init__(
        self,
        n_factors: int = 16,
        *,
        multi_class: Literal["ovr", "multinomial"] = "ovr",
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        negative_sampling_rate: float | None = None,
        solver: str = "adagrad",
        dtype: Literal["float32", "float16"] = "float32",
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
        self.dtype = dtype

    # As errors about unknown hyperparameters name it.
    __init__.__qualname__ = "FMClassifier.__init__"

    @classmethod
    def from_parameters(
        cls, w0: ArrayLike, w: ArrayLike, V: ArrayLike, *, classes: ArrayLike = (0, 1), **hyperparameters: Any
    ) -> Self:
        """Return a model with the parameters of another program, such as libFM's, as if it had been fitted.

        It predicts at once. Training goes on from these parameters with any solver, by `partial_fit`, or by `fit` and
        `fit_stream` with ``warm_start=True``: the optimizer begins anew, and the first rows decide the units as they do
        for a new model.

        Parameters
        ----------
        w0 : float, or array-like of shape (n_classes,)
        w : array-like of shape (n_features,) or (n_classes, n_features)
        V : array-like of shape (n_features, n_factors) or (n_classes, n_features, n_factors)
            Of the log odds of the second class; with more than two classes, of each class against the rest.
        classes : array-like of shape (n_classes,), default=(0, 1)
            The classes, in rising order.
        **hyperparameters
            Those of the constructor; `n_factors` is that of V.

        Returns
        -------
        FMClassifier

        Raises
        ------
        ValueError
            For other shapes, fewer than two classes or some that do not rise, values that float32 cannot hold, or an
            invalid hyperparameter.

        Examples
        --------
        >>> from fastfm_ext import FMClassifier
        >>> w, V = [1.0, 2.0], [[1.0, 1.0], [2.0, 0.0]]
        >>> model = FMClassifier.from_parameters(-2.0, w, V, classes=["no", "yes"])
        >>> model.predict([[1.0, 0.0], [1.0, 1.0]]).tolist()
        ['no', 'yes']
        """
        named = rising_classes(classes)
        model = model_of(cls, hyperparameters, 1 if len(named) == 2 else len(named), w0=w0, w=w, V=V)
        model.classes_ = named
        return model

    def _check_params(self) -> None:
        super()._check_params()
        if self.multi_class == "multinomial" and self.dtype != "float32":
            raise ValueError(f'dtype={self.dtype!r} needs multi_class="ovr"; "multinomial" has its factors in float32.')
