"""Row norms of a training table: a step on a row moves that row's own score in proportion to its squared norm.

A step of size eta on row x moves the row's linear score by about eta g |x|^2, g being the derivative of its loss. With
a loss whose second derivative is at most h, steps are stable on average where eta h E|x|^4 / E|x|^2 is well below 2
(R^2 of Bach, Moulines, "Non-strongly-convex smooth stochastic approximation with convergence rate O(1/n)", NIPS 2013),
and on each row where eta h |x|^2 is. One-hot rows have squared norms of 2 to 40, for which the settings are given; the
400 standardised columns of a wide dense table have 400. Such rows train as if all values were divided by one number,
which brings them back to 40. Steps that are divided by the rows' squared norm are those of normalised LMS (Nagumo,
Noda, "A learning method for system identification", 1967); Ross, Mineiro, Langford, "Normalized online learning" (UAI
2013), do the same for online learners.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.options import OPTIMIZERS, STEPLESS, Options

# Rows up to this squared norm train as the settings say: one-hot rows of clicks have up to about 40 ones.
USUAL_NORM = 40.0
# The logistic loss, whose second derivative is at most 1/4, bears rows of four times the norm. Measured, AdaGrad gains
# by that, and the other rules lose: their defaults for this loss take long steps already. FTRL's default steps for the
# squared loss are four times as long as AdaGrad's.
USUAL_NORMS = {("adagrad", "logistic"): 4 * USUAL_NORM, ("ftrl", "squared"): USUAL_NORM / 4}


class RowNorms(NamedTuple):
    """Squared norms of the rows that a model learned its units from, in the units of training.

    Attributes
    ----------
    mean : float
        E|x|^2.
    weighted_mean : float
        E|x|^4 / E|x|^2: the mean in which a row weighs as its squared norm.
    largest : float
    """

    mean: float
    weighted_mean: float
    largest: float

    @classmethod
    def of(cls, X: Csr) -> Self:
        """Measure rows, (n_rows, n_features), that are in the units of training."""
        norms = np.diff(X.indptr).astype(np.float64)
        if X.data is not None:
            filled = np.flatnonzero(norms)
            norms[filled] = np.add.reduceat(np.square(X.data, dtype=np.float64), X.indptr[filled]) if X.nnz else 0.0
        mean = float(norms.mean())
        return cls(mean, float(np.square(norms).mean()) / mean if mean else 0.0, float(norms.max()))

    def options(self, options: Options) -> Options:
        """Return options that train on these rows as `options` do on rows of usual norm."""
        if options.solver in STEPLESS:
            return options
        usual = USUAL_NORMS.get((options.solver, options.loss), USUAL_NORM)
        return options.for_rows_of(max(1.0, self._decisive(options.solver) / usual))

    def _decisive(self, solver: str) -> float:
        """Return the norm that steps have to suit.

        The steps of most rules shrink by themselves where gradients are large, so a few long rows do no harm, and among
        rows of usual norm nothing has to change. Steps of plain descent do not: one row suffices to diverge.
        """
        if not OPTIMIZERS[solver].normalises:
            return self.largest
        return self.weighted_mean if self.mean > USUAL_NORM else 0.0
