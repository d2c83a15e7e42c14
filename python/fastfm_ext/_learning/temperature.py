"""Temperature of a cosine softmax: the one that serves held-out interactions best.

It says how much a score may gain by looking one way: too low a temperature learns the interactions by heart, too high a
one cannot tell items apart. Few items, of which users chose many, want a higher one; so do items that training has not
seen, which held-out interactions of its own items say nothing about.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np

from fastfm_ext._engine.csr import Csr
from fastfm_ext._learning.divergence import DivergenceError
from fastfm_ext._learning.held_out import HeldOutChoices
from fastfm_ext._learning.problem import Problem, validated
from fastfm_ext._learning.similarity import Similarity
from fastfm_ext._learning.solvers.cosine_softmax import CosineSoftmax

# Steps of a factor of about the square root of 2, and the first two to be tried.
TEMPERATURES = (0.025, 0.035, 0.05, 0.07, 0.1, 0.14, 0.2, 0.28, 0.4)
FIRST = 4
# Items without ids of their own are there to rank others by their features. On films of MovieLens 100K, 1M and
# latest-small that were hidden from training, genres and years ranked best at 2 to 3 times the temperature found.
STEPS_WITHOUT_IDS = 2
# Such short trainings, each with falling step sizes, put temperatures in the order of long ones.
SEARCH_EPOCHS = 8


def at_temperature(problem: Problem, temperature: float) -> Problem:
    """Return the problem with held-out data, that of its folds too, ranked at this temperature."""
    held_out = problem.held_out
    if isinstance(held_out, HeldOutChoices):
        held_out = replace(held_out, similarity=Similarity(temperature))
    folds = tuple(at_temperature(fold, temperature) for fold in problem.folds)
    return replace(problem, held_out=held_out, folds=folds)


def best_temperature(problem: Problem, solver: CosineSoftmax) -> float:
    """Return the best of `TEMPERATURES` for the held-out data: from two in the middle, on to where it gets better.

    The parameters of the problem stay as they are.
    """
    values: dict[int, float] = {}

    def value(number: int) -> float:
        if number not in values:
            values[number] = _value(problem, solver, TEMPERATURES[number])
        return values[number]

    best, step = (FIRST + 1, 1) if value(FIRST + 1) > value(FIRST) else (FIRST, -1)
    while 0 <= best + step < len(TEMPERATURES) and value(best + step) > value(best):
        best += step
    return TEMPERATURES[best]


def suited_to(items: Csr, temperature: float) -> float:
    """Return the temperature for items like these: a higher one of `TEMPERATURES` if most have no id of their own."""
    if have_ids(items):
        return temperature
    return TEMPERATURES[min(TEMPERATURES.index(temperature) + STEPS_WITHOUT_IDS, len(TEMPERATURES) - 1)]


def have_ids(items: Csr) -> bool:
    """Return whether at least half of the rows have a feature that no other row has."""
    is_own = np.bincount(items.indices, minlength=items.n_features)[items.indices] == 1
    rows = np.repeat(np.arange(items.n_rows), np.diff(items.indptr))
    return bool(2 * len(np.unique(rows[is_own])) >= items.n_rows)


def _value(problem: Problem, solver: CosineSoftmax, temperature: float) -> float:
    """Return the metric of the held-out data, the mean over folds, after a short training at this temperature."""
    parts = (replace(problem, folds=()), *problem.folds)
    try:
        values = [_value_of_part(at_temperature(part, temperature), solver, temperature) for part in parts]
    except DivergenceError:
        return float("-inf")
    return sum(values) / len(values)


def _value_of_part(problem: Problem, solver: CosineSoftmax, temperature: float) -> float:
    n_epochs = min(SEARCH_EPOCHS, problem.schedule.max_iter)
    part = replace(
        problem,
        scorers=[params.copy() for params in problem.scorers],
        schedule=replace(problem.schedule, max_iter=n_epochs, report=None),
        rng=copy.deepcopy(problem.rng),
    )
    training = replace(solver, temperature=temperature).begin(part)
    for epoch in range(1, n_epochs + 1):
        training.run_epoch(epoch)
    return validated(part, n_epochs)
