"""Solver of rankings: each choice against items drawn at random, one AdaGrad step a visit.

The default settings of BPR and WARP, the number of drawn items and their popularity among them, are the outcome of
`python -m benchmarks.defaults` over training choices of five data sets: the largest share of the best NDCG@20 that they
lack on any of these is about the least. Softmax's are from searches over parts of the training files of Gowalla and
MovieLens 1M.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from fastfm_ext._engine import ranking
from fastfm_ext._engine.ranking import Choices, ChoiceVisits, Negatives
from fastfm_ext._learning.losses import RANKING_LOSSES, RankingLoss
from fastfm_ext._learning.problem import Problem
from fastfm_ext._learning.solvers.base import Defaults

# Losses that share the drawn items between several choices of a user have about this many drawn for each choice.
NEGATIVES_PER_CHOICE = 32
CHOICES_IN_A_ROW = 8  # visits of one user one after the other find its parameters in the cache

BY_LOSS: Mapping[str, Defaults] = MappingProxyType(
    {
        "softmax": Defaults(learning_rate=0.1, l2_w=0.1, l2_V=0.1, init_stdev=0.1),
        "bpr": Defaults(learning_rate=0.2, l2_w=0.01, l2_V=0.03, init_stdev=0.05),
        "warp": Defaults(learning_rate=0.05, l2_w=0.001, l2_V=0.01, init_stdev=0.02),
        "warp-kos": Defaults(learning_rate=0.05, l2_w=0.001, l2_V=0.01, init_stdev=0.02),
    }
)


@dataclass(frozen=True)
class NegativeSampling:
    """Solver of rankings by negative sampling.

    Attributes
    ----------
    loss : RankingLoss
    n_negatives : int or None
        Items drawn for a visit; None takes the loss's own number.
    popularity : float or None
        Items are drawn in proportion to ``(1 + n)**popularity``, n being how many users chose them; None takes the
        loss's own exponent.
    n_positives, kth_positive : int or None
        Choices of the user that a visit looks at, and which of them it learns, by falling score; None takes the loss's
        own numbers.
    """

    loss: RankingLoss
    n_negatives: int | None
    popularity: float | None
    n_positives: int | None = None
    kth_positive: int | None = None
    name = "adagrad"  # the update rule, and with it the layout of the parameters
    title = "negative sampling"
    models = frozenset({"fm"})
    losses = frozenset(loss.name for loss in RANKING_LOSSES)
    reads = frozenset({"learning_rate", "n_negatives", "popularity", "n_positives", "kth_positive"})
    trains_on_batches = True
    advice = "Try a smaller learning_rate, features scaled to about [-1, 1], a larger l2_V or a smaller init_stdev."

    @staticmethod
    def defaults(loss: RankingLoss) -> Defaults:
        """Return the settings where the user names none."""
        return BY_LOSS[loss.name]

    @property
    def n_drawn(self) -> int:
        """Items drawn for a visit."""
        return self.loss.n_negatives if self.n_negatives is None else int(self.n_negatives)

    @property
    def exponent(self) -> float:
        """Power of how many users chose an item, in proportion to which it is drawn."""
        return self.loss.popularity if self.popularity is None else float(self.popularity)

    @property
    def positives(self) -> tuple[int, int]:
        """How many choices a visit looks at, and which of them it learns, by falling score."""
        n = self.loss.n_positives if self.n_positives is None else int(self.n_positives)
        kth = min(n, self.loss.kth_positive) if self.kth_positive is None else int(self.kth_positive)
        return n, kth

    def typical_loss(self, n_items: int) -> float:
        """Return the loss of a choice when all scores are 0."""
        return self.loss.of_zeros(n_items, self.n_drawn)

    def begin(self, problem: Problem) -> SampledRanking:
        """Return the training that changes the problem's parameters in place."""
        negatives = negatives_of(problem.data, self.n_drawn, self.exponent)
        return SampledRanking(problem, self.loss, negatives, self.positives)


def negatives_of(choices: Choices, n: int, exponent: float) -> Negatives:
    """Return n draws in proportion to this power of how many users chose an item, and of 1 more."""
    if exponent == 0:
        return Negatives(n)
    counts = np.bincount(choices.interactions.indices, minlength=choices.items.n_rows)
    return Negatives.in_proportion(n, np.power(1.0 + counts.astype(np.float64), exponent))


class SampledRanking:
    """Training of a problem's parameters by one step for each visit to a user's choices."""

    def __init__(
        self, problem: Problem, loss: RankingLoss, negatives: Negatives, positives: tuple[int, int] = (1, 1)
    ) -> None:
        self._problem = problem
        self._negatives = negatives
        self._positives = positives
        self._together = max(1, negatives.n // NEGATIVES_PER_CHOICE) if loss.shares_negatives else 1
        choices: Choices = problem.data
        self._choices = choices
        self._users = choices.users_of_interactions[problem.visited]
        weights = choices.interactions.data
        self._total_weight = float(
            len(problem.visited) if weights is None else weights[problem.visited].sum(dtype=np.float64)
        )

    def run_epoch(self, epoch: int) -> float:
        """Visit all choices once; return the mean loss on the way."""
        problem, choices, rng = self._problem, self._choices, self._problem.rng
        visits = self._visits()
        negatives = replace(self._negatives, seed=int(rng.integers(2**63)))
        try:
            loss = self._train(visits, negatives, epoch)
        except ranking.NonFiniteScoreError as error:
            user, item = choices.users_of_interactions[error.row], choices.interactions.indices[error.row]
            reason = f"a score became NaN or infinite at user {user}, who chose item {item}"
            raise problem.guard.error(reason, epoch, choices) from None
        mean = loss / self._total_weight
        problem.guard.check(mean, epoch, choices)
        return mean

    def _visits(self) -> ChoiceVisits:
        most = self._together if self._together > 1 else CHOICES_IN_A_ROW
        at_once = self._together > 1
        visits = ChoiceVisits.at_random(self._problem.visited, self._users, most, self._problem.rng, at_once=at_once)
        n_positives, kth = self._positives
        return replace(visits, n_positives=n_positives, kth=kth)

    def _train(self, visits: ChoiceVisits, negatives: Negatives, epoch: int) -> float:
        """Make the visits; return the weighted sum of the loss."""
        params, options, n_threads = self._problem.scorers[0], self._problem.options, self._problem.schedule.n_threads
        return ranking.train_epoch(self._choices, visits, negatives, params, options, n_threads)
