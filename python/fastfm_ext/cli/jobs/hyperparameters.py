"""Hyperparameters from flags and from [settings] of a file, checked before any row is read."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from fastfm_ext._common.checks import is_integer, optional
from fastfm_ext._estimators.hyperparameters import CHECKS, Check, one_of, values_of
from fastfm_ext._learning.losses import FMRANKER_LOSSES, losses_of
from fastfm_ext._names import PLAIN_CLASSES
from fastfm_ext.cli.settings import MODEL_KINDS

if TYPE_CHECKING:
    from fastfm_ext._estimators.plain_classifier import PlainClassifier
    from fastfm_ext._estimators.plain_regressor import PlainRegressor
    from fastfm_ext.bayesian.classifier import BayesianFMClassifier
    from fastfm_ext.bayesian.regressor import BayesianFMRegressor

    ModelOfRows: TypeAlias = PlainRegressor | PlainClassifier | BayesianFMRegressor | BayesianFMClassifier

_CHECKS: dict[str, Check] = CHECKS | {
    "loss": one_of(loss.name for loss in losses_of("regression")),
    "n_negatives": (optional(is_integer(1)), "a whole number of at least 1"),
    "random_state": (optional(is_integer(0)), "a whole number of at least 0"),
}
_RANKING_CHECKS: dict[str, Check] = _CHECKS | {"loss": one_of(loss.name for loss in FMRANKER_LOSSES)}


def estimator_of(task: str, *, bayesian: bool, kind: str) -> type[ModelOfRows]:
    """Return the class of the models of a kind for a regression or a classification."""
    return _estimators(bayesian=bayesian, kind=kind)[task]


def _estimators(*, bayesian: bool, kind: str) -> dict[str, type[ModelOfRows]]:
    """Return the class of the models for each task; those without draws do without scikit-learn."""
    if not bayesian:
        places = {name.lower(): place for name, place in PLAIN_CLASSES.items()}
        of_kind = {"regression": places[f"{kind}regressor"], "classification": places[f"{kind}classifier"]}
        return {task: getattr(import_module(module), cls) for task, (module, cls) in of_kind.items()}
    from fastfm_ext.bayesian.classifier import BayesianFMClassifier
    from fastfm_ext.bayesian.regressor import BayesianFMRegressor

    return {"regression": BayesianFMRegressor, "classification": BayesianFMClassifier}


def check_hyperparameters(
    hyperparameters: dict[str, Any], task: str | None, *, bayesian: bool, kind: str = "fm"
) -> None:
    """Raise ValueError that names the first hyperparameter which is unknown, of another task, or of a wrong value.

    `task` is None where it is not known yet.
    """
    known_of = _settings_of(bayesian=bayesian, kind=kind)
    is_of_rows = task != "ranking" and hyperparameters.keys() <= set.union(*known_of.values())
    if not bayesian and kind == "fm" and not is_of_rows:
        from fastfm_ext.ranking.ranker import FMRanker

        known_of["ranking"] = set(values_of(FMRanker()))
    known = set.union(*known_of.values())
    checks = _RANKING_CHECKS if task == "ranking" else _CHECKS
    for name, value in hyperparameters.items():
        if name not in known:
            raise ValueError(f"[settings] {name}: there is no such setting{_advice(name, known, bayesian, kind)}")
        if task is not None and name not in known_of[task]:
            raise ValueError(f"{name} is no setting of a {task}; leave it out, or choose another --task")
        is_valid, wanted = checks.get(name, (lambda _: True, ""))
        if not is_valid(value):
            raise ValueError(f"{name} must be {wanted}; got {value!r}")


def _settings_of(*, bayesian: bool, kind: str) -> dict[str, set[str]]:
    """Return the names of the hyperparameters for each task."""
    return {task: set(values_of(estimator())) for task, estimator in _estimators(bayesian=bayesian, kind=kind).items()}


def _advice(name: str, known: set[str], bayesian: bool, kind: str) -> str:
    """Return what to do about a hyperparameter that is not among the known ones of a model."""
    kinds = [each for each in MODEL_KINDS if name in set.union(*_settings_of(bayesian=False, kind=each).values())]
    if kinds and not bayesian:
        return f" with --model-kind {kind}; leave it out, or choose --model-kind {' or '.join(kinds)}"
    of = " with --bayesian" if bayesian else f" with --model-kind {kind}" * (kind != "fm")
    return f"{of}; there are {', '.join(sorted(known))}"
