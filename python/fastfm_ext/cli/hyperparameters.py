"""Options of `fit` that set hyperparameters of the estimators."""

import argparse
from typing import Any

from fastfm_ext._learning.losses import FMRANKER_LOSSES, MULTI_CLASS, SIMILARITIES, losses_of
from fastfm_ext._learning.solvers.gradient import DTYPES
from fastfm_ext._learning.solvers.registry import SOLVERS, solvers_that_read
from fastfm_ext.cli.words import class_weight, fraction, integer, n_jobs, number

# As xLearn has them.
_SHORT = {"n_factors": ("-k",), "learning_rate": ("-r",), "max_iter": ("-e",), "init_stdev": ("-u",)}


def add_hyperparameters(training: Any) -> list[str]:
    """Add the options that set hyperparameters of the estimators, and return the names of these."""
    training.add_argument("--solver", "-p", choices=[solver.name for solver in SOLVERS], help="(default: adagrad)")
    what = "type of the factors, with --solver adagrad (default: float32; float16 takes half the memory)"
    training.add_argument("--dtype", choices=DTYPES, help=what)
    losses = dict.fromkeys(loss.name for loss in (*losses_of("regression"), *FMRANKER_LOSSES))
    what = "loss of a regression (default: squared) or of a ranking (default: softmax)"
    training.add_argument("--loss", choices=[*losses], help=what)
    what = "more than two classes each against the rest, or as one softmax (default: ovr)"
    training.add_argument("--multi-class", choices=MULTI_CLASS, help=what)
    with_l1 = " or ".join(solver.name for solver in solvers_that_read("l1_w"))
    with_value = {
        "n_factors": (
            integer(0),
            "K",
            "length of the factor vectors (default: 16, of a ranking 64; 0: a linear model)",
        ),
        "learning_rate": (number, "RATE", "step size (default: depends on task and solver)"),
        "class_weight": (
            class_weight,
            "WEIGHTS",
            "what the rows of each class count: balanced, or CLASS=WEIGHT,... (default: 1)",
        ),
        "negative_sampling_rate": (
            number,
            "RATE",
            "share of the negatives that were kept; probabilities are then those of all rows (default: 1)",
        ),
        "max_iter": (
            integer(1),
            "N",
            "most epochs (default: 100, of a ranking by softmax 30; early stopping may end before)",
        ),
        "l2_w": (number, "L2", "L2 on linear weights (default: depends on task and solver)"),
        "l2_V": (number, "L2", "L2 on factors (default: depends on task and solver)"),
        "l2_exponent": (
            number,
            "NU",
            "share L2 by frequency: a feature of n visits pays in proportion to n**NU (default: 1)",
        ),
        "l1_w": (number, "L1", f"L1 on linear weights, with --solver {with_l1} (default: 0)"),
        "l1_V": (number, "L1", f"L1 on factors, with --solver {with_l1} (default: 0)"),
        "delta": (
            number,
            "DELTA",
            "residual from which --loss huber is linear, in the target's spread (default: 1)",
        ),
        "clip_gradient": (
            number,
            "BOUND",
            "bound on the gradient of a row's loss, in the target's spread (default: none)",
        ),
        "init_stdev": (number, "STDEV", "spread of the first factors (default: depends on task and solver)"),
        "validation_fraction": (fraction, "SHARE", "rows held out for early stopping (default: 0.1)"),
        "n_iter_no_change": (integer(1), "N", "stop after so many epochs without a gain (default: 5)"),
        "tol": (
            number,
            "TOL",
            "what counts as a gain, in units of the target's variance (default: 0.0001); of a "
            "Bayesian model, the part by which chance may raise the error (default: 0.0005)",
        ),
        "max_sweeps": (integer(1), "N", "most sweeps of a Bayesian model (default: 2000)"),
        "max_seconds": (number, "SECONDS", "time after which a Bayesian model makes no more sweeps (default: none)"),
        "n_jobs": (n_jobs, "N", "threads, -1 for all (default: 1; with more, results vary a little)"),
        "random_state": (integer(0), "SEED", "seed of all that is random (default: 0)"),
    }
    switches = {
        "adaptive_l2": "learn the L2 of each column on rows that are held out (default: no)",
        "clip_predictions": "keep predictions of a regression within the targets of training (default: no)",
        "early_stopping": "hold rows out and stop when they get no better (default: from 10,000 rows on; with "
        "fewer, five folds of the rows find the number of epochs)",
        "refit": "then train on all rows for the best number of epochs (default: yes)",
        "fit_intercept": "learn an intercept (default: yes)",
        "fit_linear": "learn linear weights (default: yes)",
        "normalize": "scale rows to unit length, with a field-aware --model-kind (default: no)",
        "shuffle": "visit the rows in a new order in each epoch (default: yes)",
    }
    for name, (kind, metavar, what) in with_value.items():
        flag = "--seed" if name == "random_state" else f"--{name.replace('_', '-')}"
        training.add_argument(flag, *_SHORT.get(name, ()), type=kind, metavar=metavar, dest=name, help=what)
    for name, what in switches.items():
        flag = f"--{name.replace('_', '-')}"
        training.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=what)
    return ["solver", "dtype", "loss", "multi_class", *with_value, *switches]


def add_hyperparameters_of_rankings(rankings: Any) -> list[str]:
    """Add the options that set hyperparameters of the ranker alone, and return the names of these."""
    rankings.add_argument(
        "--similarity",
        choices=SIMILARITIES,
        help="whether the factors of user and item add their cosine to a score, for --loss softmax, or their inner "
        "product (default: cosine for softmax, unless most features are numbers with negative ones among them)",
    )
    with_value = {
        "temperature": (
            number,
            "T",
            "by which cosines are divided; a lower one tells items further apart (default: found on held-out events; "
            "0.12 without them)",
        ),
        "n_negatives": (integer(1), "N", "items drawn to stand against a choice (default: depends on the loss)"),
        "n_positives": (integer(1), "N", "choices of a user that --loss warp-kos looks at in a visit (default: 10)"),
        "kth_positive": (
            integer(1),
            "K",
            "which of these --loss warp-kos learns, counted from the one of the highest score (default: 5)",
        ),
        "popularity": (
            number,
            "POWER",
            "draw items in proportion to this power of how many users chose them (default: 0.5 for cosines, 0.25 for "
            "bpr, else 0)",
        ),
        "unobserved_weight": (
            number,
            "WEIGHT",
            "with --loss squared, what every pair of user and item counts beside a choice (default: all pairs count 20 "
            "times as much as the choices)",
        ),
        "validation_metric": (
            str,
            "METRIC",
            "recall@K or ndcg@K of the held-out events, by which training is judged (default: ndcg@20)",
        ),
    }
    for name, (kind, metavar, what) in with_value.items():
        rankings.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=metavar, dest=name, help=what)
    rankings.add_argument(
        "--user-history",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="represent users by what they chose, also after training, and not by their ids (default: no)",
    )
    return ["similarity", *with_value, "user_history"]
