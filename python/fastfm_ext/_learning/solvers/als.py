"""Alternating least squares: each feature's parameters in closed form given all others, without a learning rate.

Rendle, Gantner, Freudenthaler, Schmidt-Thieme, "Fast context-aware recommendations with factorization machines" (SIGIR
2011), by the sweeps of Gibbs sampling (`gibbs.py`) without their noise:

    min  sum_r s_r / 2 (y_r - p_r)^2 + l2_w / 2 |w|^2 + l2_V / 2 |V|^2
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastfm_ext._learning.losses import Loss
from fastfm_ext._learning.solvers.base import Defaults

if TYPE_CHECKING:
    from fastfm_ext._learning.problem import Problem, Training


@dataclass(frozen=True)
class AlternatingLeastSquares:
    """Alternating least squares: see `Solver` for the attributes."""

    name: str = "als"
    title: str = "ALS"
    models: frozenset[str] = frozenset({"fm"})
    losses: frozenset[str] = frozenset({"squared"})
    reads: frozenset[str] = frozenset()
    trains_on_batches: bool = False
    advice: str = "Try a larger l2_V, or features scaled to about [-1, 1]."

    def defaults(self, loss: Loss) -> Defaults:
        """Return the settings where the user names none."""
        return Defaults(learning_rate=0.0, l2_w=3.0, l2_V=14.0, init_stdev=0.1)

    def begin(self, problem: Problem) -> Training:
        """Return the training that changes the problem's parameters in place."""
        from fastfm_ext._learning.solvers.sweeps import Sweeps

        return Sweeps(problem)


ALS = AlternatingLeastSquares()
