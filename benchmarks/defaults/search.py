"""Search for the setting that no data set fares badly with, by regrets on validation rows.

The regret of a setting on a data set is what it lacks to the best setting that was found there, as a share of what that
one gains over a constant prediction (for rankings: as a share of the best one's score). The setting whose largest
regret is the smallest is chosen.

Settings lie on a grid of a few values a hyperparameter. The search begins with settings drawn at random, and moves on
from the best to a neighbour, one value of one hyperparameter away: for each data set, so that its best setting is
known, and then for all of them together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

Setting = tuple[float, ...]
Grid = Mapping[str, Sequence[float]]


class Search:
    """Losses of settings on data sets, and where they lead.

    Parameters
    ----------
    grid : mapping of str to ascending values
        The hyperparameters to choose.
    losses : mapping of str to callable
        For each data set, the validation loss of a setting (for rankings: minus the score); infinite if it diverges.
    constants : mapping of str to float
        For each data set, the loss of a constant prediction (for rankings: 0).
    report : callable, optional
        Is told the data set, the setting and the loss of each fit.
    """

    def __init__(
        self,
        grid: Grid,
        losses: Mapping[str, Callable[[dict[str, float]], float]],
        constants: Mapping[str, float],
        report: Callable[[str, dict[str, float], float], None] | None = None,
    ) -> None:
        self.grid = grid
        self.constants = constants
        self.found: dict[str, dict[Setting, float]] = {name: {} for name in losses}
        self._losses = losses
        self._report = report

    # --- losses and regrets ------------------------------------------------------------------------------------------

    def loss(self, name: str, setting: Setting) -> float:
        """Return the loss of a setting on a data set, from a fit if it is a new one."""
        if setting not in self.found[name]:
            self.found[name][setting] = self._losses[name](self.named(setting))
            if self._report:
                self._report(name, self.named(setting), self.found[name][setting])
        return self.found[name][setting]

    def named(self, setting: Setting) -> dict[str, float]:
        """Return the setting as arguments of an estimator."""
        return dict(zip(self.grid, setting, strict=True))

    def best(self, name: str) -> Setting:
        """Return the best setting of a data set so far."""
        return min(self.found[name], key=self.found[name].__getitem__)

    def regrets(self, setting: Setting) -> list[float]:
        """Return the regret of a setting on each data set."""
        regrets = []
        for name, constant in self.constants.items():
            loss = self.loss(name, setting)
            least = self.found[name][self.best(name)]
            regrets.append((loss - least) / (constant - least))
        return regrets

    def worst_regret(self, setting: Setting) -> float:
        """Return the largest regret of a setting."""
        return max(self.regrets(setting))

    def ranked(self) -> list[Setting]:
        """Return the settings that were tried on all data sets, the one with the smallest worst regret first."""
        of_all = set.intersection(*(set(found) for found in self.found.values()))
        return sorted(of_all, key=lambda setting: (self.worst_regret(setting), setting))

    # --- moves -------------------------------------------------------------------------------------------------------

    def neighbours(self, setting: Setting) -> list[Setting]:
        """Return the settings in which one hyperparameter has the next smaller or larger value of the grid."""
        near = []
        for i, values in enumerate(self.grid.values()):
            smaller, larger = [v for v in values if v < setting[i]], [v for v in values if v > setting[i]]
            near += [(*setting[:i], value, *setting[i + 1 :]) for value in (*smaller[-1:], *larger[:1])]
        return near

    def run(self, start: Sequence[Setting], n_random: int, n_moves: int, seed: int = 0) -> Setting:
        """Try `start` and `n_random` others everywhere, then make up to `n_moves` moves; return the choice."""
        rng = np.random.default_rng(seed)
        drawn = [tuple(values[rng.integers(len(values))] for values in self.grid.values()) for _ in range(n_random)]
        for setting in (*start, *drawn):
            self.regrets(setting)
        for name in self.found:
            self._descend(partial(self.loss, name), partial(self.best, name), n_moves)
        self._descend(self.worst_regret, lambda: self.ranked()[0], n_moves)
        return self.ranked()[0]

    def _descend(self, value: Callable[[Setting], float], best: Callable[[], Setting], n_moves: int) -> None:
        for _ in range(n_moves):
            at = best()
            for setting in self.neighbours(at):
                value(setting)
            if best() == at:
                return
