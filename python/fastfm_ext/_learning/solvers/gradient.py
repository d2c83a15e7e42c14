"""Solvers by per-sample gradient descent: one for each update rule of the compiled core.

The default settings are the outcome of `python -m benchmarks.defaults`, on training and validation rows of four to six
data sets for each loss. For FTRL and SGD it is the setting whose worst regret, over these data sets, is about the
smallest; for AdaGrad, whose search is an older one, the setting with the least mean regret. Adam's are from a smaller
search over the same data sets but MovieLens 1M, and over scikit-learn's small dense tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastfm_ext._learning.losses import LOSSES, MULTINOMIAL, Loss
from fastfm_ext._learning.solvers.base import Defaults

if TYPE_CHECKING:
    from fastfm_ext._learning.problem import Problem, Training


# Types that factors may have in memory.
DTYPES = ("float32", "float16")
# For rules that take L2 at each visit: it may differ from feature to feature.
_L2_AT_VISITS = frozenset({"l2_exponent", "adaptive_l2"})


@dataclass(frozen=True)
class GradientSolver:
    """Per-sample gradient descent by an update rule: see `Solver` for the attributes.

    Attributes
    ----------
    by_loss : mapping of str to Defaults
        Default settings by the name of a loss, or of the loss that it is `like`.
    only : frozenset of str
        Hyperparameters that not every rule reads.
    """

    name: str
    title: str
    by_loss: Mapping[str, Defaults]
    only: frozenset[str] = frozenset()
    losses: frozenset[str] = frozenset(loss.name for loss in (*LOSSES, MULTINOMIAL))
    trains_on_batches: bool = True
    advice: str = (
        "Try a smaller learning_rate, a clip_gradient of 1 or less, features scaled to about [-1, 1], a larger l2_V or "
        "a smaller init_stdev."
    )

    @property
    def models(self) -> frozenset[str]:
        """The models that it trains: all that the kernels know."""
        from fastfm_ext._engine.models.spec import NUMBERS

        return frozenset(NUMBERS)

    @property
    def reads(self) -> frozenset[str]:
        """Hyperparameters that not every solver reads."""
        return frozenset({"learning_rate", "clip_gradient", "shuffle"}) | self.only

    def defaults(self, loss: Loss) -> Defaults:
        """Return the settings where the user names none."""
        return self.by_loss.get(loss.name) or self.by_loss[loss.like]

    def begin(self, problem: Problem) -> Training:
        """Return the training that changes the problem's parameters in place."""
        from fastfm_ext._learning.solvers.descent import Descent

        return Descent(problem)


ADAGRAD = GradientSolver(
    name="adagrad",
    title="AdaGrad",
    by_loss={
        "squared": Defaults(learning_rate=0.05, l2_w=0.01, l2_V=0.05, init_stdev=0.01),
        "logistic": Defaults(learning_rate=0.05, l2_w=0.01, l2_V=0.01, init_stdev=0.03),
    },
    only=_L2_AT_VISITS | {"dtype"},
)
SGD = GradientSolver(
    name="sgd",
    title="SGD",
    by_loss={
        "squared": Defaults(learning_rate=0.005, l2_w=0.01, l2_V=0.01, init_stdev=0.03),
        "logistic": Defaults(learning_rate=0.01, l2_w=0.003, l2_V=0.01, init_stdev=0.03),
    },
    only=_L2_AT_VISITS,
)
FTRL = GradientSolver(
    name="ftrl",
    title="FTRL",
    by_loss={
        "squared": Defaults(learning_rate=0.2, l2_w=5.0, l2_V=30.0, init_stdev=0.01),
        "logistic": Defaults(learning_rate=0.1, l2_w=3.0, l2_V=100.0, init_stdev=0.03),
    },
    only=frozenset({"l1_w", "l1_V"}),
)
ADAM = GradientSolver(
    name="adam",
    title="Adam",
    by_loss={
        "squared": Defaults(learning_rate=0.001, l2_w=0.01, l2_V=0.05, init_stdev=0.05),
        "logistic": Defaults(learning_rate=0.003, l2_w=0.001, l2_V=0.01, init_stdev=0.03),
    },
    only=_L2_AT_VISITS,
)
GRADIENT_SOLVERS = (ADAGRAD, SGD, FTRL, ADAM)
