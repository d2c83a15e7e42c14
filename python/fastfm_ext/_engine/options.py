"""Options of a training run: loss, solver and step sizes, and the names that these can have."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np

from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.models.fm import FM
from fastfm_ext._engine.models.spec import ModelSpec
from fastfm_ext._native import core

LOSSES = core.losses()
OPTIMIZERS = core.optimizers()
SOLVERS = {name: traits.number for name, traits in OPTIMIZERS.items()}
# Solvers that take no steps, and so keep no state of them.
STEPLESS = frozenset({"als"})
STATE_SLOTS = {name: traits.n_slots for name, traits in OPTIMIZERS.items()} | dict.fromkeys(STEPLESS, 0)


class StepSizes(NamedTuple):
    """What an optimizer needs to know of one kind of parameter: ``StepSizes`` of ``types/gradient.hpp``."""

    learning_rate: float
    beta: float
    l1: float
    l2: float
    initial_acc: float = 1.0


@dataclass(frozen=True)
class Options:
    """Loss, solver and step sizes of one training run.

    ``initial_acc_*`` is what AdaGrad's sums of squared gradients start from; ``beta_*`` and ``l1_*`` are FTRL's.
    ``clip_gradient`` bounds the derivative of a row's loss with respect to its score. ``delta`` is the threshold of a
    loss that has one. ``heaviest`` is the largest weight of a row. With ``l2_exponent`` nu, a feature of n visits pays
    L2 in proportion to n^nu. ``dtype`` is the type of factors in memory, "float32" or "float16". ``model`` is trained.
    """

    loss: str
    solver: str
    learning_rate_w: float
    learning_rate_V: float
    l2_w: float
    l2_V: float
    init_stdev: float
    learning_rate_R: float = 0.0
    l2_R: float = 0.0
    l1_w: float = 0.0
    l1_V: float = 0.0
    l1_R: float = 0.0
    beta_w: float = 1.0
    beta_V: float = 1.0
    beta_R: float = 1.0
    initial_acc_w: float = 1.0
    initial_acc_V: float = 1.0
    initial_acc_R: float = 1.0
    clip_gradient: float = math.inf
    delta: float = 1.0
    fit_intercept: bool = True
    fit_linear: bool = True
    heaviest: float = 1.0
    l2_exponent: float = 1.0
    dtype: str = "float32"
    model: ModelSpec = FM

    def in_units_of(self, scale: float) -> Self:
        """Return options that train on targets of standard deviation ``scale`` as these do on standard deviation 1.

        Dividing the targets by s and multiplying the predictions by s is the same as training on the targets as they
        are with w = s w' and V = sqrt(s) V', where ' marks what the scaled problem would have learned. A table that
        grows by s^d has gradients that grow by s^(2 - d), for the loss grows by s^2: this gives the powers below.
        """
        s = scale
        normalises = self.solver in STEPLESS or OPTIMIZERS[self.solver].normalises
        changes: dict[str, Any] = {"clip_gradient": self.clip_gradient * s, "delta": self.delta * s}
        for table in self.model.tables:
            if table.name == "w0":  # which takes the step sizes of w
                continue
            d = table.target_power
            powers = {
                "learning_rate": d if normalises else 2 * d - 2,
                "l2": 2 - 2 * d,
                "l1": 2 - d,
                "beta": 2 - d,
                "initial_acc": 4 - 2 * d,
            }
            for size, power in powers.items():
                name = f"{size}_{table.name}"
                changes[name] = getattr(self, name) * _power(s, power)
            if table.is_drawn:
                changes["init_stdev"] = self.init_stdev * _power(s, d)
        return replace(self, **changes)

    def for_rows_of(self, m: float) -> Self:
        """Return options that train on rows of m times the usual squared norm as these do on usual ones.

        Dividing all values by sqrt(m), and what was learned by it again, is the same as training on the values as they
        are with gradients that are sqrt(m) times as large, and parameters that are as many times smaller: this gives
        the powers of step sizes, and of the L2 of V, whose pairs grow with the rows. The L2 of w alone does not follow:
        its sum over a row's features stays that of a usual row, since more features share the same target.
        """
        if m == 1.0:
            return self
        root = math.sqrt(m)
        steps = root if OPTIMIZERS[self.solver].normalises else m
        return replace(
            self,
            learning_rate_w=self.learning_rate_w / steps,
            learning_rate_V=self.learning_rate_V / steps,
            beta_w=self.beta_w * root,
            beta_V=self.beta_V * root,
            initial_acc_w=self.initial_acc_w * m,
            initial_acc_V=self.initial_acc_V * m,
            l2_w=self.l2_w / m,
            l2_V=self.l2_V * m,
            init_stdev=self.init_stdev / root,
        )

    def bounding(self, l2_scale: Float32) -> tuple[Self, Float32]:
        """Return options for L2 that is multiplied by this, (n_features,), and the multiples that they allow.

        Where steps are not normalised, rare features of much L2 are held to what takes them to 0 at a visit, so that
        they do not take step sizes from all others.
        """
        if not OPTIMIZERS[self.solver].normalises:
            most = max(self.learning_rate_w * self.l2_w, self.learning_rate_V * self.l2_V) * self.heaviest
            l2_scale = np.minimum(l2_scale, np.float32(1.0 / max(most, 1e-30)))
        return replace(self, heaviest=self.heaviest * float(l2_scale.max(initial=0.0))), l2_scale

    @property
    def w0(self) -> StepSizes:
        return StepSizes(self.learning_rate_w, self.beta_w, 0.0, 0.0, self.initial_acc_w)

    @property
    def w(self) -> StepSizes:
        return self._sizes("w")

    @property
    def V(self) -> StepSizes:
        return self._sizes("V")

    @property
    def R(self) -> StepSizes:
        return self._sizes("R")

    def _sizes(self, table: str) -> StepSizes:
        rate, beta, l1, l2, acc = (
            getattr(self, f"{size}_{table}") for size in ("learning_rate", "beta", "l1", "l2", "initial_acc")
        )
        # On a row of weight s, L2 alone takes a parameter to (1 - s eta l2) theta: beyond 0, and further than it was,
        # once s eta l2 is above 2. Rules that normalise their steps are bounded by that.
        if not OPTIMIZERS[self.solver].normalises and rate * l2 * self.heaviest > 1.0:
            rate = 1.0 / (l2 * self.heaviest)
        return StepSizes(rate, beta, l1, l2, acc)


def _power(s: float, exponent: float) -> float:
    """Return s to this power, the reciprocal of a number exactly rounded."""
    power: float = s**exponent if exponent >= 0 else 1.0 / s**-exponent
    return power
