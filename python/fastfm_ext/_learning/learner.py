"""Interface of an estimator, as far as training from a stream asks."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from fastfm_ext._common.arrays import Float32, Int64
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.divergence import Guard
from fastfm_ext._learning.loop import History, Schedule
from fastfm_ext._learning.losses import Loss
from fastfm_ext._learning.samples import Samples
from fastfm_ext._learning.units import Units


class CountedRows(NamedTuple):
    """Validated rows of positive weight.

    Attributes
    ----------
    X : Csr of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
        Targets as the user gave them.
    sample_weight : ndarray of shape (n_rows,), or None
    numbers : ndarray of shape (n_rows,), or None
        Their numbers in the batch, where these are only some of its rows.
    """

    X: Csr
    y: Any
    sample_weight: Float32 | None
    numbers: Int64 | None


class Terms(NamedTuple):
    """Terms of a streamed training, once the units are known."""

    options: Options
    loss: Loss
    units: Units
    schedule: Schedule
    guard: Guard


class Learner(Protocol):
    """An estimator that learns from a stream."""

    n_features: int

    @property
    def has_names(self) -> bool:
        """Whether its features have names, so that there can be no others."""

    def count_first(self, X: Any, y: Any, sample_weight: Any) -> CountedRows:
        """Validate the first rows, which decide the number of features and their names."""

    def count(self, X: Any, y: Any, sample_weight: Any, n_features: int) -> CountedRows:
        """Validate rows of this many features; safe in another thread."""

    def learn_units(self, rows: CountedRows) -> None:
        """Learn the units of the target and of the features from the first rows."""

    def samples(self, rows: CountedRows) -> Samples:
        """Return the rows in the units of training; safe in another thread."""

    def keep(self, scorers: list[Parameters], history: History) -> None:
        """Become the model of these parameters, in the user's units."""

    def model(self, scorers: list[Parameters], history: History) -> Any:
        """Return the model of these parameters, in the user's units, as an estimator of its own."""
