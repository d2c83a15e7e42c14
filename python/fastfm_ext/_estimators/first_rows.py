"""First rows of a training, from which a model learns its units before the first step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastfm_ext._engine.centers import NO_CENTERS, Centers, ColumnsInDouble
from fastfm_ext._estimators.base import TrainingCall
from fastfm_ext._estimators.negative_sampling import adopt_rate
from fastfm_ext._learning.samples import Samples
from fastfm_ext._learning.units import Units
from fastfm_ext._validation.rows import CountedRows

if TYPE_CHECKING:
    from fastfm_ext._estimators.rows import RowEstimator


def learned_samples(
    model: RowEstimator, rows: CountedRows, in_double: ColumnsInDouble, classes: Any, call: TrainingCall
) -> Samples:
    """Let a model learn its units from rows, unless it knows them; return the rows in these units.

    Parameters
    ----------
    model : RowEstimator
        Changed in place.
    rows : CountedRows
        Centered, if the model is not new.
    in_double : callable
        Gives columns of these rows as the user has them.
    classes : ndarray of shape (n_classes,), or None
        Classes that the user named.
    call : TrainingCall
    """
    centers = NO_CENTERS
    if call.is_first:
        # What centering takes off w0 and w have to bring back, and a model without them is another one of x - c.
        if model.fit_intercept and model.fit_linear and not model.normalize:
            X, centers = Centers.learned(rows.X, in_double, is_beginning=call.is_on_some)
            rows = rows._replace(X=X)
        target = model._learn_target(rows.y, rows.sample_weight, classes)
    elif model._has_no_units:
        target = model._learn_target(rows.y, rows.sample_weight, getattr(model, "classes_", None))
        target = target._replace(center=0.0)  # the parameters are those of targets as they are
    rows = model._take_in(rows, is_batch=call.is_on_some)
    if call.is_first or model._has_no_units:
        model._units = Units.of(rows.X, centers, rows.sample_weight, target, is_scaled=not model.normalize)
    elif not call.is_batch:
        model._units = model._units.weighed_anew(rows.sample_weight)
    adopt_rate(model, call)
    return model._units.samples(rows, model._encode_target(rows.y, "y"))
