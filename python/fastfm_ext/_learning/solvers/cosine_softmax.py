"""Solver of rankings by cosines: tiles of visits share the drawn items, with one AdaGrad step a tile.

Step sizes fall to 0 over the epochs, along half a cosine wave (Loshchilov and Hutter, "SGDR", ICLR 2017), so that the
number of epochs belongs to the settings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from fastfm_ext._engine import ranking
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.ranking import ChoiceVisits, Negatives
from fastfm_ext._learning.losses import SOFTMAX, RankingLoss
from fastfm_ext._learning.problem import Problem
from fastfm_ext._learning.solvers.base import Defaults
from fastfm_ext._learning.solvers.negative_sampling import SampledRanking, negatives_of

N_NEGATIVES, POPULARITY = 1024, 0.5
EPOCHS = 30
TILE_VISITS, CHOICES_OF_A_VISIT = 256, 8
# A visit leaves its choices out of the user's history, and no more than this part of it: short histories of training
# would else be much shorter than those that are served.
VISITS_OF_A_HISTORY = 8
# Step size of the biases, as a share of that of the factors; what AdaGrad's sums of squares start from.
BIAS_RATE = 0.5
INITIAL_ACC_W, INITIAL_ACC_V = 1e-6, 1e-8


@dataclass(frozen=True)
class CosineSoftmax:
    """Solver of rankings by the softmax over cosines.

    Attributes
    ----------
    n_negatives : int or None
        Items drawn for a tile; None takes the default.
    popularity : float or None
        Items are drawn in proportion to ``(1 + n)**popularity``, n being how many users chose them; None takes the
        default.
    temperature : float
    """

    n_negatives: int | None
    popularity: float | None
    temperature: float
    name = "adagrad"  # the update rule, and with it the layout of the parameters
    title = "cosine softmax"
    models = frozenset({"fm"})
    losses = frozenset({"softmax"})
    reads = frozenset({"learning_rate", "n_negatives", "popularity"})
    trains_on_batches = True
    advice = "Try a smaller learning_rate, a higher temperature, or features scaled to about [-1, 1]."

    @staticmethod
    def defaults(loss: RankingLoss) -> Defaults:
        """Return the settings where the user names none."""
        return Defaults(learning_rate=0.1, l2_w=0.0, l2_V=0.0, init_stdev=0.01)

    @staticmethod
    def options(options: Options) -> Options:
        """Return options with the first sums of squares, and the biases' step size, of this solver."""
        rate = BIAS_RATE * options.learning_rate_w
        return replace(options, learning_rate_w=rate, initial_acc_w=INITIAL_ACC_W, initial_acc_V=INITIAL_ACC_V)

    def typical_loss(self, n_items: int) -> float:
        """Return the loss of a choice when all scores are 0."""
        return math.log(n_items)

    def begin(self, problem: Problem) -> CosineRanking:
        """Return the training that changes the problem's parameters in place."""
        n = N_NEGATIVES if self.n_negatives is None else int(self.n_negatives)
        exponent = POPULARITY if self.popularity is None else float(self.popularity)
        return CosineRanking(problem, SOFTMAX, negatives_of(problem.data, n, exponent), self.temperature)


class CosineRanking(SampledRanking):
    """Training of a problem's parameters by one step for each tile of visits."""

    def __init__(self, problem: Problem, loss: RankingLoss, negatives: Negatives, temperature: float) -> None:
        super().__init__(problem, loss, negatives)
        self._tiling = ranking.Tiling(temperature, TILE_VISITS)

    def _visits(self) -> ChoiceVisits:
        most, fewest = CHOICES_OF_A_VISIT, 1 if self._choices.history is None else VISITS_OF_A_HISTORY
        return ChoiceVisits.at_random(self._problem.visited, self._users, most, self._problem.rng, fewest=fewest)

    def _train(self, visits: ChoiceVisits, negatives: Negatives, epoch: int) -> float:
        problem, schedule = self._problem, self._problem.schedule
        options = with_rates(problem.options, rate_of_epoch(epoch, schedule.max_iter))
        params, n_threads = problem.scorers[0], schedule.n_threads
        return ranking.train_tiles(self._choices, visits, negatives, params, options, self._tiling, n_threads)


def rate_of_epoch(epoch: int, n_epochs: int) -> float:
    """Return the share of the step size that an epoch, from 1, has: that of its middle on half a cosine wave."""
    return 0.5 + 0.5 * math.cos(math.pi * (epoch - 0.5) / n_epochs)


def with_rates(options: Options, share: float) -> Options:
    """Return options with this share of their step sizes."""
    return replace(
        options, learning_rate_w=share * options.learning_rate_w, learning_rate_V=share * options.learning_rate_V
    )
