"""Step sizes, L2 and spread of the first factors where the user names none.

Those of AdaGrad are the outcome of `benchmarks/defaults.py`, on training and validation rows of four data sets for
regression and four for classification: the setting that loses least to the best one of each data set. The others are a
compromise from small searches over MovieLens 100K and 1M (ratings), Frappe (one-hot clicks) and scikit-learn's small
dense tables.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Defaults:
    """Values in units of the target's spread; see `Options.in_units_of`."""

    learning_rate: float
    l2_w: float
    l2_V: float
    init_stdev: float


DEFAULTS = {
    ("squared", "adagrad"): Defaults(learning_rate=0.05, l2_w=0.01, l2_V=0.05, init_stdev=0.01),
    ("squared", "sgd"): Defaults(learning_rate=0.01, l2_w=0.01, l2_V=0.02, init_stdev=0.05),
    ("squared", "ftrl"): Defaults(learning_rate=0.1, l2_w=5.0, l2_V=5.0, init_stdev=0.05),
    ("logistic", "ftrl"): Defaults(learning_rate=0.1, l2_w=1.0, l2_V=1.0, init_stdev=0.1),
    ("logistic", "adagrad"): Defaults(learning_rate=0.05, l2_w=0.01, l2_V=0.01, init_stdev=0.03),
    # Of ranking: softmax's from searches over parts of the training files of Gowalla and MovieLens 1M; those of BPR and
    # WARP are customary values that nobody has searched for.
    ("bpr", "adagrad"): Defaults(learning_rate=0.1, l2_w=0.01, l2_V=0.01, init_stdev=0.1),
    ("warp", "adagrad"): Defaults(learning_rate=0.1, l2_w=0.01, l2_V=0.01, init_stdev=0.1),
    ("softmax", "adagrad"): Defaults(learning_rate=0.1, l2_w=0.1, l2_V=0.1, init_stdev=0.1),
    ("logistic", "sgd"): Defaults(learning_rate=0.02, l2_w=0.0001, l2_V=0.0001, init_stdev=0.1),
}
