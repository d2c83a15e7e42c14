"""Multinomial logistic regression by factorization machines in NumPy, float64: one machine a class, and their softmax.

    q_c(x) = e^{p_c(x)} / sum_d e^{p_d(x)}        L = -log q_y        dL/dp_c = q_c - [c = y]

(Bishop, "Pattern Recognition and Machine Learning", 2006, eq. 4.104 to 4.109, with Rendle's p_c for linear ones).
The machines share no parameter. With Fm's notation and update rules; everything is dense and slow on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax

from fastfm_ext._reference.fm import Array, Fm


def multinomial(y: int, p: Array) -> tuple[float, Array]:
    """Return -log q_y for class y and scores p (n_classes,), and its derivatives in p (n_classes,)."""
    log_q = log_softmax(p)
    return -float(log_q[y]), np.exp(log_q) - (np.arange(len(p)) == y)


@dataclass
class MultinomialFm:
    """The machines of all classes, (n_classes,), and their training, one row a step."""

    machines: list[Fm]

    def epoch(
        self, X: Array, y: Iterable[int], sample_weight: Array | None = None, order: Iterable[int] | None = None
    ) -> float:
        """Visit the rows in ``order``, one step each; return the weighted sum of the losses seen on the way."""
        labels, total = list(y), 0.0
        for r in range(len(labels)) if order is None else order:
            s = 1.0 if sample_weight is None else sample_weight[r]
            if s > 0:
                total += s * self._step(X[r], labels[r], s)
        return total

    def _step(self, x: Array, y: int, s: float) -> float:
        p = np.array([machine.score(x) for machine in self.machines])
        value, g = multinomial(y, p)
        for machine, g_c in zip(self.machines, g, strict=True):
            machine.step(x, float(g_c), s)
        return value
