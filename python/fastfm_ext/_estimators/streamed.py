"""Streams and estimators: what `RowEstimator.fit_stream` does."""

from __future__ import annotations

import copy
import itertools
import os
import secrets
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from fastfm_ext._common.arrays import Float32, Float64
from fastfm_ext._common.checks import is_integer, is_real
from fastfm_ext._common.files import remove_leftovers
from fastfm_ext._common.interrupt import DeferredInterrupt
from fastfm_ext._engine.centers import ColumnsInDouble
from fastfm_ext._engine.models import Fields
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._estimators.base import TrainingCall
from fastfm_ext._estimators.first_rows import learned_samples
from fastfm_ext._estimators.hyperparameters import check_holds_rows_out, values_of
from fastfm_ext._estimators.listeners import Listeners
from fastfm_ext._estimators.row_problems import typical_loss
from fastfm_ext._estimators.saving import plain_params
from fastfm_ext._learning.l2 import scale_by_counts, sum_of_counts
from fastfm_ext._learning.learner import Terms
from fastfm_ext._learning.loop import History
from fastfm_ext._learning.progressive import Figures
from fastfm_ext._learning.samples import Samples
from fastfm_ext._learning.stream.batches import batches_of, checksum, first_batches, first_samples, handed_over
from fastfm_ext._learning.stream.buffers import Plan
from fastfm_ext._learning.stream.checkpoint import StreamPosition, read_checkpoint
from fastfm_ext._learning.stream.fit import StreamFit, StreamSettings
from fastfm_ext._learning.stream.source import BufferSource
from fastfm_ext._learning.units import Units
from fastfm_ext._validation.rows import CountedRows

if TYPE_CHECKING:
    from fastfm_ext._estimators.rows import RowEstimator

# Hyperparameters that two runs of one fit may differ in: they play no part in fit_stream, or not in what is learned.
MAY_DIFFER = {
    "max_iter",
    "early_stopping",
    "validation_fraction",
    "refit",
    "clip_predictions",
    "item_fields",
    "n_jobs",
    "verbose",
    "warm_start",
}
# Hyperparameters that checkpoints of earlier builds lack, with the values that those trained by.
_LATER = {
    "class_weight": None,
    "multi_class": "ovr",
    "negative_sampling_rate": None,
    "l2_exponent": 1.0,
    "adaptive_l2": False,
    "dtype": "float32",
}


class EstimatorAsLearner:
    """An estimator as a `Learner`.

    Parameters
    ----------
    estimator : RowEstimator
    classes : ndarray of shape (n_classes,), or None
        Classes that the user named.
    is_first : bool
        Whether the model begins anew.
    """

    def __init__(self, estimator: RowEstimator, classes: Any, *, is_first: bool) -> None:
        check_holds_rows_out(estimator)
        self.estimator = estimator
        if is_first or not self.counts_visits:
            estimator._visit_counts = None
        self.call = TrainingCall(is_first, is_batch=False, is_stream=True)
        self._classes = None if classes is None else estimator._check_classes(classes, first=is_first)

    @property
    def n_features(self) -> int:
        """Features of the model."""
        return int(self.estimator.n_features_in_)

    @n_features.setter
    def n_features(self, n_features: int) -> None:
        self.estimator.n_features_in_ = n_features

    @property
    def units(self) -> Units:
        """The units of training."""
        return self.estimator._units

    @property
    def counts_visits(self) -> bool:
        """Whether L2 depends on how often features are visited."""
        return bool(self.estimator.l2_exponent != 1.0)

    def l2_scale(self, counts: Float64, n_features: int) -> Float32:
        """Add counts of visits, (n_features,) or fewer; return by those so far what L2 is multiplied by."""
        estimator = self.estimator
        estimator._visit_counts = sum_of_counts(estimator._visit_counts, counts, n_features)
        return scale_by_counts(estimator._visit_counts, estimator.l2_exponent)

    def fields_of(self, n_features: int) -> Fields:
        """Return the fields of so many features, or raise ValueError where they are not known."""
        return self.estimator._fields_of(n_features)

    def check_target(self, y: Any, name: str) -> Any:
        """Return targets, (n_rows,), that can be learned, or raise ValueError."""
        return self.estimator._check_target(y, name)

    def learned_samples(self, rows: CountedRows, in_double: ColumnsInDouble) -> Samples:
        """Learn the units from the first rows, unless they are known; return these rows in them."""
        return learned_samples(self.estimator, rows, in_double, self._classes, self.call)

    def take_in(self, rows: CountedRows) -> CountedRows:
        """Learn from rows to train on what no step learns; return them as they count."""
        return self.estimator._take_in(rows, is_batch=True)

    def encode_target(self, y: Any, name: str) -> Float32:
        """Return the targets as the loss wants them: (n_scorers, n_rows)."""
        return self.estimator._encode_target(y, name)

    def keep(self, scorers: list[Parameters], history: History, progressive: Figures) -> None:
        """Become the model of these parameters, in the user's units."""
        self.estimator._keep(scorers, history)
        self.estimator.progressive_ = progressive

    def model(self, scorers: list[Parameters], history: History, progressive: Figures) -> RowEstimator:
        """Return the model of these parameters, in the user's units, as an estimator of its own."""
        model = copy.copy(self.estimator)
        model._keep(scorers, history)
        model.progressive_ = progressive
        return model

    def terms(self, settings: StreamSettings, typical_loss: float) -> Terms:
        """Return the terms of a training, once the units are known."""
        estimator = self.estimator
        schedule = estimator._schedule_of(settings.n_epochs, settings.end_epoch)
        guard = estimator._guard(typical_loss)
        return Terms(estimator._options(), estimator._loss, estimator._units, schedule, guard)


def fit_stream(estimator: RowEstimator, stream: Any, validation: Any, classes: Any, settings: StreamSettings) -> None:
    """Train an estimator on a stream: see `RowEstimator.fit_stream`."""
    _check_streams(stream, validation, settings)
    model = estimator._as_it_is()
    with DeferredInterrupt() as interrupt:
        fit, is_new = _begin(model, stream, validation, classes, settings, interrupt)
        ended_by = fit.run(is_new=is_new)
        estimator._become(model)
    if ended_by is not None:
        raise ended_by


def _begin(
    estimator: RowEstimator,
    stream: Any,
    validation: Any,
    classes: Any,
    settings: StreamSettings,
    interrupt: DeferredInterrupt,
) -> tuple[StreamFit, bool]:
    """Return a fit at its beginning, or where the checkpoint stands, and whether it is a new one."""
    validation = [validation] if isinstance(validation, tuple) else validation
    fixed = _fixed_settings(estimator, stream, validation, settings)
    if settings.cache is not None:
        os.makedirs(settings.cache, exist_ok=True)
    found = None
    if settings.checkpoint is not None:
        remove_leftovers(settings.checkpoint)
        found = read_checkpoint(settings.checkpoint, type(estimator), fixed)
    if found is not None:
        model, position = found
        hyperparameters = values_of(estimator)
        estimator.__dict__ = vars(model) | hyperparameters
        learner = EstimatorAsLearner(estimator, classes, is_first=False)
        scorers, begun = list[Parameters](estimator._scorers), None
        estimator._units.to_training(scorers)
    else:
        is_first = not (estimator.warm_start and hasattr(estimator, "_scorers"))
        learner = EstimatorAsLearner(estimator, classes, is_first=is_first)
        batches = batches_of(stream)
        first = first_batches(batches, settings.buffer_rows)
        estimator._meet(first[0].X if first else None, is_first=is_first)
        scorers, position = _first_scorers(learner, first, fixed, settings)
        begun = itertools.chain(handed_over(first), batches)
    terms = learner.terms(settings, position.typical_loss)
    plan = Plan(
        buffer_rows=settings.buffer_rows,
        shuffle=terms.schedule.shuffle,
        seed=position.seed,
        n_threads=terms.schedule.n_threads,
        record=scorers[0].record,
        counts_visits=learner.counts_visits,
    )
    cache = None if settings.cache is None else os.path.join(settings.cache, position.cache_name)
    source = BufferSource(learner, stream, plan, position.first_rows, cache, settings.checkpoint, begun)
    fit = StreamFit(learner, scorers, terms, source, validation, position, settings, interrupt)
    return fit, found is None


def _first_scorers(
    learner: EstimatorAsLearner, first: list[Any], fixed: dict[str, Any], settings: StreamSettings
) -> tuple[list[Parameters], StreamPosition]:
    """Learn the units from the first rows; return the parameters to begin with, and the beginning of the stream."""
    estimator, call = learner.estimator, learner.call
    samples = first_samples(learner, first, settings.buffer_rows, fitted=not call.is_first)
    targets, weight = samples.targets, samples.sample_weight
    seed = estimator._seed()
    rng = np.random.default_rng(seed)
    options, w0 = estimator._options(), None
    if call.is_first:
        w0 = estimator._first_w0(targets, weight, np.arange(len(targets[0]), dtype=np.int64), options)
    # Where the model goes on, each buffer draws what it finds fresh.
    trained = samples.X.indices if call.is_first else np.zeros(0, dtype=np.int32)
    scorers = estimator._scorers_for(call, options, samples.X.n_features, w0, rng, trained, None, [])
    return scorers, StreamPosition(
        settings=fixed,
        seed=seed,
        typical_loss=typical_loss(estimator, scorers, targets, weight, options),
        first_rows=checksum(samples, settings.buffer_rows),
        cache_name=f"rows-{secrets.token_hex(8)}",
    )


def _fixed_settings(estimator: RowEstimator, stream: Any, validation: Any, settings: StreamSettings) -> dict[str, Any]:
    """Return by name what must be the same when a fit is taken up again."""
    fixed = fixed_params(estimator)
    fixed |= {"buffer_rows": settings.buffer_rows, "cache": settings.cache is not None}
    fixed |= {"validation": validation is not None}
    describe = getattr(stream, "describe", None)
    return fixed | ({"batches": describe()} if callable(describe) else {})


def fixed_params(estimator: RowEstimator) -> dict[str, Any]:
    """Return by name the hyperparameters that must be the same when a fit is taken up again."""
    fixed = {k: v for k, v in plain_params(estimator).items() if k not in MAY_DIFFER}
    fixed = {k: v for k, v in fixed.items() if k not in _LATER or v != _LATER[k]}
    if fixed.get("fields") is not None:
        fixed["fields"] = zlib.crc32(repr(np.asarray(fixed["fields"]).tolist()).encode())
    return fixed


def checked_settings(
    n_epochs: int,
    buffer_rows: int,
    read_ahead: int,
    cache: str | os.PathLike[str] | None,
    checkpoint: str | os.PathLike[str] | None,
    checkpoint_every: float,
    listeners: Listeners,
) -> StreamSettings:
    """Return the arguments of `RowEstimator.fit_stream`; ValueError for one of an invalid value."""
    for name, low, value in (
        ("n_epochs", 1, n_epochs),
        ("buffer_rows", 1, buffer_rows),
        ("read_ahead", 0, read_ahead),
    ):
        if not is_integer(low)(value):
            raise ValueError(f"{name} must be an integer of at least {low}; got {value!r}.")
    if not is_real(0)(checkpoint_every):
        raise ValueError(
            f"checkpoint_every must be a finite number of seconds of at least 0; got {checkpoint_every!r}."
        )
    return StreamSettings(
        n_epochs,
        buffer_rows,
        read_ahead,
        _path(cache),
        _path(checkpoint),
        checkpoint_every,
        listeners.end_buffer,
        listeners.end_epoch,
        listeners.end_period,
    )


def _path(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.path.abspath(os.fsdecode(path))


def _check_streams(stream: Any, validation: Any, settings: StreamSettings) -> None:
    """Raise ValueError for streams that can be gone through less often than the epochs need."""
    if settings.n_epochs > 1 and settings.cache is None and _is_spent_once(stream):
        raise ValueError(
            f"batches can be gone through only once, and n_epochs is {settings.n_epochs}. Pass a function that begins "
            "anew at each call, or name a folder as cache."
        )
    if settings.n_epochs > 1 and _is_spent_once(validation):
        raise ValueError(
            "validation can be gone through only once, and is needed after each epoch. Pass a function that begins "
            "anew at each call, or a list of batches."
        )


def _is_spent_once(stream: Any) -> bool:
    return hasattr(stream, "__next__")
