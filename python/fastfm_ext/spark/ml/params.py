"""Params of the estimators and models: those of `pyspark.ml`'s factorization machines, and those of this package."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any, ClassVar, Self

import numpy as np
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import (
    HasFeaturesCol,
    HasFitIntercept,
    HasLabelCol,
    HasMaxIter,
    HasPredictionCol,
    HasRegParam,
    HasSeed,
    HasSolver,
    HasStepSize,
    HasTol,
    HasValidationIndicatorCol,
    HasWeightCol,
)

from fastfm_ext._names import PUBLIC_NAMES

# Names of Spark's solvers, which take a step for each pass over the data; here they stand for the default one.
SPARK_SOLVERS = ("adamW", "gd")
DEFAULT_SOLVER = "adagrad"
# The estimator's hyperparameter that a Param of another name sets.
_NAMES_HERE = {
    "factorSize": "n_factors",
    "fitIntercept": "fit_intercept",
    "fitLinear": "fit_linear",
    "initStd": "init_stdev",
    "maxIter": "max_iter",
    "stepSize": "learning_rate",
    "tol": "tol",
}
_SAME_NAMES = (
    "l2_w",
    "l2_V",
    "l1_w",
    "l1_V",
    "clip_gradient",
    "early_stopping",
    "validation_fraction",
    "n_iter_no_change",
    "refit",
    "shuffle",
    "n_jobs",
)


def classes_of_kinds(local_class: type[Any]) -> dict[str, type[Any]]:
    """Return the classes of this package for the task of FMRegressor or FMClassifier, by `modelKind`."""
    task = local_class.__name__.removeprefix("FM")
    field_aware = [public for public in PUBLIC_NAMES if ".field_aware." in public.module and public.name.endswith(task)]
    kinds = {public.name.removesuffix(task).lower(): public for public in field_aware}
    return {"fm": local_class} | {
        kind: getattr(import_module(public.module), public.name) for kind, public in kinds.items()
    }


def _param(name: str, doc: str, converter: Any) -> Any:
    return Param(Params._dummy(), name, doc, typeConverter=converter)


def _setter(name: str, kind: str, doc: str) -> Any:
    """Return the method that sets a Param."""

    def setter(self: Any, value: Any) -> Any:
        self._set(**{name: value})
        return self

    return _named(
        setter,
        "set",
        name,
        f"Set `{name}`: {doc}.\n\nParameters\n----------\nvalue : {kind}\n\nReturns\n-------\nself\n",
    )


def _getter(name: str, kind: str, doc: str) -> Any:
    """Return the method that gives a Param's value, or None where it has none."""

    def getter(self: Any) -> Any:
        return self._given(name)

    return _named(getter, "get", name, f"Return `{name}`: {doc}.\n\nReturns\n-------\n{kind}\n")


def _named(method: Any, verb: str, name: str, doc: str) -> Any:
    method.__name__ = verb + name[0].upper() + name[1:]
    method.__qualname__, method.__doc__ = method.__name__, doc
    return method


def _switch_or_auto(value: Any) -> Any:
    """Return True, False or "auto"."""
    return value if value == "auto" else TypeConverters.toBoolean(value)


def _integers(value: Any) -> list[int]:
    """Return a list of integers, also of those that NumPy holds in 32 bits."""
    integers: list[int] = TypeConverters.toListInt(np.asarray(value).tolist())
    return integers


class FMParams(
    HasLabelCol,
    HasFeaturesCol,
    HasPredictionCol,
    HasMaxIter,
    HasStepSize,
    HasTol,
    HasSolver,
    HasSeed,
    HasFitIntercept,
    HasRegParam,
    HasWeightCol,
    HasValidationIndicatorCol,
):
    """Params that estimators and models have in common.

    Values are checked by the estimator of this package that the Params are handed to, when `fit` is called.
    """

    # Further Params that the estimator of this package has under the same names.
    _more: ClassVar[tuple[str, ...]] = ()

    factorSize = _param("factorSize", "length of each feature's factor vector", TypeConverters.toInt)
    fitLinear = _param("fitLinear", "whether to fit the linear terms", TypeConverters.toBoolean)
    miniBatchFraction = _param(
        "miniBatchFraction", "not read: each row takes a step of its own", TypeConverters.toFloat
    )
    modelKind = _param("modelKind", "fm, or a field-aware model: ffm, fwfm, fmfm or fvfm", TypeConverters.toString)
    fields = _param(
        "fields",
        "number of each feature's field, for a field-aware model, as fields_ of FMEncoder holds it",
        _integers,
    )
    normalize = _param("normalize", "scale rows to unit length, for a field-aware model", TypeConverters.toBoolean)
    initStd = _param(
        "initStd", "standard deviation of the first factors; by default that of the solver", TypeConverters.toFloat
    )
    stepSize = _param(
        "stepSize",
        "step size of the solver; by default its own. Not read for the solvers adamW and gd, whose steps are others",
        TypeConverters.toFloat,
    )
    regParam = _param(
        "regParam", "L2 on weights and factors, in place of l2_w and l2_V; undefined by default", TypeConverters.toFloat
    )
    solver = _param(
        "solver", "adagrad, sgd, ftrl or adam; adamW and gd, which are Spark's, mean adagrad", TypeConverters.toString
    )
    l2_w = _param("l2_w", "L2 on linear weights; by default that of the solver", TypeConverters.toFloat)
    l2_V = _param("l2_V", "L2 on factors; by default that of the solver", TypeConverters.toFloat)
    l1_w = _param("l1_w", "L1 on linear weights, for ftrl", TypeConverters.toFloat)
    l1_V = _param("l1_V", "L1 on factors, for ftrl", TypeConverters.toFloat)
    clip_gradient = _param(
        "clip_gradient", "bound of the derivative of a row's loss; undefined by default", TypeConverters.toFloat
    )
    early_stopping = _param(
        "early_stopping", "whether to hold out rows and stop at the best epoch: True, False or auto", _switch_or_auto
    )
    validation_fraction = _param("validation_fraction", "share of the rows to hold out", TypeConverters.toFloat)
    n_iter_no_change = _param("n_iter_no_change", "stop after so many epochs without a gain", TypeConverters.toInt)
    refit = _param("refit", "train anew on all rows for the best number of epochs", TypeConverters.toBoolean)
    shuffle = _param("shuffle", "visit rows in a new random order in each epoch", TypeConverters.toBoolean)
    n_jobs = _param("n_jobs", "threads of each worker", TypeConverters.toInt)
    numWorkers = _param(
        "numWorkers", "partitions that train apart; by default as many as tasks run at once", TypeConverters.toInt
    )
    partitionCol = _param(
        "partitionCol",
        "column whose equal values lie in one partition, such as the user; by default found among the features",
        TypeConverters.toString,
    )

    numRounds = _param(
        "numRounds", "how often in an epoch workers merge; by default chosen by the rows", TypeConverters.toInt
    )
    checkpoint = _param(
        "checkpoint", "folder in Spark's storage for the state after each epoch, to go on from", TypeConverters.toString
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._setDefault(
            factorSize=8,
            modelKind="fm",
            normalize=False,
            fitIntercept=True,
            fitLinear=True,
            miniBatchFraction=1.0,
            maxIter=100,
            tol=1e-4,
            solver=DEFAULT_SOLVER,
            seed=0,
            l1_w=0.0,
            l1_V=0.0,
            early_stopping="auto",
            validation_fraction=0.1,
            n_iter_no_change=5,
            refit=True,
            shuffle=True,
        )

    def _given(self, name: str) -> Any:
        """Return the value of a Param, or None where it has none."""
        return self.getOrDefault(name) if self.isDefined(name) else None

    getFactorSize = _getter("factorSize", "int", "length of each factor vector")
    getFitLinear = _getter("fitLinear", "bool", "whether the linear terms are fitted")
    getMiniBatchFraction = _getter("miniBatchFraction", "float", "what was set, and is not read")
    getNumWorkers = _getter("numWorkers", "int or None", "partitions that train apart, None for the default")
    getNumRounds = _getter("numRounds", "int or None", "rounds of an epoch, None for the default")
    getCheckpoint = _getter("checkpoint", "str or None", "folder of checkpoints, None for no checkpoints")
    getPartitionCol = _getter("partitionCol", "str or None", "column to partition by, None for the default")

    def getInitStd(self) -> float:
        """Return the standard deviation of the first factors.

        Returns
        -------
        float
            What was set, or that of the solver.
        """
        return float(self._settings().init_stdev)

    def getStepSize(self) -> float:
        """Return the step size that the solver takes.

        Returns
        -------
        float
            What was set, or that of the solver; for Spark's solvers that of the one which takes their place.
        """
        return float(self._settings().learning_rate)

    def getRegParam(self) -> float:
        """Return L2 on the factors.

        Returns
        -------
        float
            What was set, or that of the solver.
        """
        return float(self._settings().l2_V)

    # --- the estimator of this package -------------------------------------------------------------------------------

    _local_class: ClassVar[type[Any]]

    def _settings(self) -> Any:
        """Return the step size, L2 and first spread that training takes."""
        return self._local_estimator(warns=False)._settings()

    def _local_estimator(self, *, warns: bool = True) -> Any:
        """Return an estimator of this package, not fitted, with the hyperparameters that the Params stand for.

        Raises
        ------
        ValueError
            For a Param of an invalid value.
        """
        values = {here: self._given(name) for name, here in _NAMES_HERE.items()}
        values |= {name: self._given(name) for name in (*_SAME_NAMES, *self._more)}
        if self.isDefined(self.regParam):
            values |= {"l2_w": self._given("regParam"), "l2_V": self._given("regParam")}
        solver = self.getOrDefault(self.solver)
        if solver in SPARK_SOLVERS:
            values |= {"learning_rate": None}
            if warns and self.isSet(self.stepSize):
                warnings.warn(
                    f"stepSize={self._given('stepSize')} is not read with solver={solver!r}: Spark's steps are those "
                    f"of whole passes, and {DEFAULT_SOLVER} takes one for each row, of its own size. Leave stepSize "
                    f"out, or set solver={DEFAULT_SOLVER!r} to use it.",
                    UserWarning,
                    stacklevel=4,
                )
            solver = DEFAULT_SOLVER
        if warns and self.getMiniBatchFraction() != 1.0:
            warnings.warn(
                "miniBatchFraction is not read: each row takes a step of its own. Leave it out.",
                UserWarning,
                stacklevel=4,
            )
        kinds, kind = classes_of_kinds(self._local_class), self._given("modelKind")
        if kind not in kinds:
            raise ValueError(f"modelKind must be one of {', '.join(kinds)}; got {kind!r}.")
        of_fields = {name: self._given(name) for name in ("fields", "normalize")}
        if kind != "fm":
            values |= of_fields
        elif any(of_fields.values()):
            raise ValueError("fields and normalize are for field-aware models: set modelKind, or leave them out.")
        estimator = kinds[kind](**values, solver=solver, random_state=int(self.getSeed()) % 2**32)
        estimator._check_params()
        return estimator

    def _adopt(self, estimator: Any) -> None:
        """Set the Params to the hyperparameters of an estimator of this package."""
        values = estimator.get_params(deep=False)
        named = {name: values[here] for name, here in _NAMES_HERE.items()}
        named |= {name: values[name] for name in (*_SAME_NAMES, *self._more, "solver")}
        kinds = classes_of_kinds(self._local_class)
        named["modelKind"] = next(kind for kind, each in kinds.items() if type(estimator) is each)
        if named["modelKind"] != "fm":
            named |= {"fields": estimator.fields_.tolist(), "normalize": estimator.normalize}
        if isinstance(values["random_state"], int):
            named["seed"] = values["random_state"]
        self._set(**{name: value for name, value in named.items() if value is not None})

    def _set_given(self, given: dict[str, Any]) -> Self:
        """Set the Params that are given, but for None and for what is the default anyway."""
        for name, value in given.items():
            if not self.hasParam(name):
                raise TypeError(f"{type(self).__name__} has no Param {name!r}.")
            if value is not None:
                self._set(**{name: value})
        return self


class FMSetters:
    """Setters of the estimators' Params, by the names of `pyspark.ml`."""

    setCheckpoint = _setter("checkpoint", "str", "folder of checkpoints")
    setNumRounds = _setter("numRounds", "int", "how often in an epoch workers merge")
    setFactorSize = _setter("factorSize", "int", "length of each factor vector")
    setFitIntercept = _setter("fitIntercept", "bool", "whether to fit the intercept")
    setFitLinear = _setter("fitLinear", "bool", "whether to fit the linear terms")
    setInitStd = _setter("initStd", "float", "standard deviation of the first factors")
    setMaxIter = _setter("maxIter", "int", "most epochs")
    setMiniBatchFraction = _setter("miniBatchFraction", "float", "not read")
    setNumWorkers = _setter("numWorkers", "int", "partitions that train apart")
    setPartitionCol = _setter("partitionCol", "str", "column whose equal values lie in one partition")
    setRegParam = _setter("regParam", "float", "L2 on weights and factors")
    setSeed = _setter("seed", "int", "seed of the first factors, the hold-out and the order of the rows")
    setSolver = _setter("solver", "str", "the solver")
    setStepSize = _setter("stepSize", "float", "step size of the solver")
    setTol = _setter("tol", "float", "least gain, in units of the loss")
    setValidationIndicatorCol = _setter("validationIndicatorCol", "str", "booleans: which rows are to validate on")
    setWeightCol = _setter("weightCol", "str", "column of weights")
