"""Solver of rankings: least squares over all pairs of users and items, users and items in turn.

The default settings are from a search over training interactions of five data sets; see `benchmarks/README.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastfm_ext._engine.csr import Csr
from fastfm_ext._learning.losses import SQUARED_PAIRS, PairsLoss
from fastfm_ext._learning.solvers.base import Defaults

if TYPE_CHECKING:
    from fastfm_ext._learning.problem import Problem
    from fastfm_ext._learning.solvers.alternation import Alternation

# The weight of all pairs over that of the choices.
ALL_OVER_CHOSEN = 20.0
# Steps of conjugate gradients before it is the other side's turn: of each row by itself, and of a whole side. For rows
# of ids, more than three steps ranked no better after any number of sweeps.
ROW_STEPS, SIDE_STEPS = 3, 8


def default_unobserved_weight(interactions: Csr) -> float:
    """Return the weight by which all pairs weigh so much more than the choices, at most 1; of users with a choice."""
    n_users = int(np.count_nonzero(np.diff(interactions.indptr)))
    return min(1.0, ALL_OVER_CHOSEN * interactions.nnz / (n_users * interactions.n_features))


@dataclass(frozen=True)
class AllPairsLeastSquares:
    """Alternating least squares over all pairs: see `Solver` for the attributes.

    Attributes
    ----------
    unobserved_weight : float
        Weight of every pair, where a choice has a mean weight of 1 on top of it.
    """

    unobserved_weight: float
    name = "sgd"  # the layout of the parameters: without the state of an optimizer
    title = "alternating least squares"
    models = frozenset({"fm"})
    losses = frozenset({SQUARED_PAIRS.name})
    reads = frozenset({"unobserved_weight"})
    trains_on_batches = False
    advice = "Try features scaled to about [-1, 1], or a larger l2_V."

    @staticmethod
    def defaults(loss: PairsLoss) -> Defaults:
        """Return the settings where the user names none; there is no learning rate."""
        return Defaults(learning_rate=1.0, l2_w=0.001, l2_V=0.001, init_stdev=0.01)

    @staticmethod
    def typical_loss(n_items: int) -> float:
        """Return the loss of a choice when all scores are 0."""
        return 1.0

    def begin(self, problem: Problem) -> Alternation:
        """Return the training that changes the problem's parameters in place."""
        from fastfm_ext._learning.solvers.alternation import Alternation

        return Alternation(problem, self.unobserved_weight, ROW_STEPS, SIDE_STEPS)
