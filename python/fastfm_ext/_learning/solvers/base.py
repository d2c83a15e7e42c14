"""Interface of a solver: what it declares, and what it does with a problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fastfm_ext._learning.losses import Loss
    from fastfm_ext._learning.problem import Problem, Training


@dataclass(frozen=True)
class Defaults:
    """Default settings of a solver for a loss, in units of the target's spread: see `Options.in_units_of`."""

    learning_rate: float
    l2_w: float
    l2_V: float
    init_stdev: float


class Solver(Protocol):
    """A solver of rows with targets."""

    @property
    def name(self) -> str:
        """The value of the hyperparameter `solver`."""

    @property
    def title(self) -> str:
        """Its name in prose."""

    @property
    def models(self) -> frozenset[str]:
        """Models whose parameters it finds."""

    @property
    def losses(self) -> frozenset[str]:
        """Losses that it minimises."""

    @property
    def reads(self) -> frozenset[str]:
        """Hyperparameters that not every solver reads."""

    @property
    def trains_on_batches(self) -> bool:
        """Whether it can go on with other rows, as `partial_fit` and `fit_stream` do."""

    @property
    def advice(self) -> str:
        """What to try after a divergence."""

    def defaults(self, loss: Loss) -> Defaults:
        """Return the settings where the user names none."""

    def begin(self, problem: Problem) -> Training:
        """Return the training that changes the problem's parameters in place."""
