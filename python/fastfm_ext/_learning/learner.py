"""Interface of an estimator, as far as training from a stream asks."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from fastfm_ext._common.arrays import Float32, Float64
from fastfm_ext._engine.centers import ColumnsInDouble
from fastfm_ext._engine.models import Fields
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.divergence import Guard
from fastfm_ext._learning.loop import History, Schedule
from fastfm_ext._learning.losses import Loss
from fastfm_ext._learning.progressive import Figures
from fastfm_ext._learning.samples import Samples
from fastfm_ext._learning.units import Units
from fastfm_ext._validation.rows import CountedRows


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
    def units(self) -> Units:
        """The units of training."""

    @property
    def estimator(self) -> Any:
        """The estimator, which knows the number of features and their names."""

    def fields_of(self, n_features: int) -> Fields:
        """Return the fields of so many features, or raise ValueError where they are not known."""

    def check_target(self, y: Any, name: str) -> Any:
        """Return targets, (n_rows,), that can be learned, or raise ValueError."""

    def learned_samples(self, rows: CountedRows, in_double: ColumnsInDouble) -> Samples:
        """Learn the units from the first rows, unless they are known; return these rows in them.

        ``in_double`` gives columns of the rows as the user has them.
        """

    def take_in(self, rows: CountedRows) -> CountedRows:
        """Learn from rows to train on what no step learns; return them as they count."""

    def encode_target(self, y: Any, name: str) -> Float32:
        """Return the targets as the loss wants them: (n_scorers, n_rows)."""

    def l2_scale(self, counts: Float64, n_features: int) -> Float32:
        """Add counts of visits, (n_features,) or fewer; return by those so far what L2 is multiplied by."""

    def keep(self, scorers: list[Parameters], history: History, progressive: Figures) -> None:
        """Become the model of these parameters, in the user's units."""

    def model(self, scorers: list[Parameters], history: History, progressive: Figures) -> Any:
        """Return the model of these parameters, in the user's units, as an estimator of its own."""
