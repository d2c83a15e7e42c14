"""Hyperparameters of a ranker: valid values, and which similarity and which solver they ask for."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from fastfm_ext._common.checks import check_param, is_bool, is_integer, is_real, optional
from fastfm_ext._engine.csr import Csr
from fastfm_ext._estimators.hyperparameters import one_of
from fastfm_ext._learning.losses import FMRANKER_LOSSES, RANKING_LOSSES, SIMILARITIES, WARP_KOS
from fastfm_ext._learning.solvers.all_pairs import AllPairsLeastSquares
from fastfm_ext._learning.solvers.negative_sampling import NegativeSampling

MAX_NEGATIVES = 1_000_000  # each thread keeps a vector for each
MAX_POSITIVES = 64  # the kernel keeps their scores on the stack
# What cosines are told apart by where nothing is held out: between what few and what many items want.
TEMPERATURE = 0.12


def check_loss(ranker: Any) -> None:
    """Raise ValueError unless the loss is one of those there are."""
    check_param(ranker, "loss", *one_of(loss.name for loss in FMRANKER_LOSSES))


def check_settings(ranker: Any) -> None:
    """Raise ValueError that names the first of the hyperparameters that only a ranker has, if its value will not do."""
    wanted = f"an integer of at least 1 and at most {MAX_NEGATIVES}, or None for the default"
    check_param(ranker, "n_negatives", optional(_is_number_of_negatives), wanted)
    for name in ("n_positives", "kth_positive"):
        wanted = f"an integer of at least 1 and at most {MAX_POSITIVES}, or None for the default"
        check_param(ranker, name, optional(_is_number_of_positives), wanted)
    wanted = "a finite number of at least 0 and below 10, or None for the default"
    check_param(ranker, "popularity", optional(is_real(0, high=10)), wanted)
    wanted = "a finite number above 0, or None for the default"
    check_param(ranker, "unobserved_weight", optional(is_real(0, open_at_low=True)), wanted)
    check_param(ranker, "validation_metric", _is_metric, '"recall@k" or "ndcg@k" with a whole number k')
    is_one, wanted = one_of(SIMILARITIES)
    check_param(ranker, "similarity", optional(is_one), f"{wanted}, or None for the default")
    wanted = "a number of at least 0.001 and at most 1000, or None for one that is found"
    check_param(ranker, "temperature", optional(_is_temperature), wanted)
    if ranker.loss == "warp-kos":
        n, kth = NegativeSampling(WARP_KOS, None, None, ranker.n_positives, ranker.kth_positive).positives
        if kth > n:
            raise ValueError(f"kth_positive must be at most n_positives; got {kth} of {n}.")
    check_param(ranker, "user_history", is_bool, "True or False")
    if ranker.user_history and (ranker.loss != "softmax" or ranker.similarity == "dot"):
        given = f"loss={ranker.loss!r}, similarity={ranker.similarity!r}"
        raise ValueError(f'user_history needs loss="softmax" and similarity="cosine"; got {given}.')
    if ranker.similarity == "cosine" and ranker.loss != "softmax":
        raise ValueError(f'similarity="cosine" needs loss="softmax"; got loss={ranker.loss!r}.')
    if ranker.temperature is not None and (ranker.loss != "softmax" or ranker.similarity == "dot"):
        raise ValueError(f'temperature needs similarity="cosine"; got temperature={ranker.temperature!r} without it.')


def check_reads(ranker: Any, reads: frozenset[str]) -> None:
    """Raise ValueError for a hyperparameter that was given and that the loss or its solver does not read."""
    of_losses = frozenset().union(*(loss.reads for loss in RANKING_LOSSES))
    read = reads - (of_losses - getattr(ranker._loss, "reads", frozenset()))
    for name in sorted((NegativeSampling.reads | AllPairsLeastSquares.reads) - read):
        if getattr(ranker, name) is not None:
            raise ValueError(
                f"{name} is not read with loss={ranker.loss!r}; got {name}={getattr(ranker, name)!r}. Leave {name} at "
                "None, or change loss."
            )


def wants_cosine(ranker: Any) -> bool | None:
    """Return whether a ranker with these hyperparameters learns cosines; None leaves it to the features."""
    if ranker.loss != "softmax":
        return False
    if ranker.similarity is None:
        return True if ranker.user_history or ranker.temperature is not None else None
    return bool(ranker.similarity == "cosine")


def is_mostly_signed(X: Csr) -> bool:
    """Return whether most values of rows stand in columns that have negative ones.

    Such numbers say how much, and a cosine would forget it.
    """
    if X.data is None or not X.nnz:
        return False
    has_negative = np.zeros(X.n_features, dtype=bool)
    has_negative[X.indices[X.data < 0]] = True
    return bool(has_negative[X.indices].mean() > 0.5)


def _is_number_of_negatives(value: Any) -> bool:
    return is_integer(1)(value) and value <= MAX_NEGATIVES


def _is_number_of_positives(value: Any) -> bool:
    return is_integer(1)(value) and value <= MAX_POSITIVES


def _is_temperature(value: Any) -> bool:
    return is_real(0.001)(value) and value <= 1000


def _is_metric(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"(recall|ndcg)@[1-9]\d{0,8}", value) is not None
