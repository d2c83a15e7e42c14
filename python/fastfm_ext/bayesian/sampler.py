"""Sampler of a posterior: sweeps of the chains of all scores, until their predictions are exact enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from fastfm_ext._common.arrays import Float32, Float64
from fastfm_ext._common.interrupt import DeferredInterrupt
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.solvers.gibbs import Chain, Draw
from fastfm_ext._learning.solvers.likelihoods import Likelihood
from fastfm_ext.bayesian.draws import PackedDraw, PackedRows, PosteriorDraws, Thinning
from fastfm_ext.bayesian.monitor import PredictionMonitor
from fastfm_ext.bayesian.rows import Rows, narrowed, scores_of

# Of fewer sweeps nobody can tell how exact their average is.
FEWEST_SWEEPS = 40
# The error is looked at again after a tenth more sweeps.
NEXT_LOOK = 1.1
# Most of the sweeps, or of the time, that a burn-in takes while predictions drift, and while only scores still spread.
MOST_DRIFTING, MOST_GROWING = 0.5, 0.25


class SweepLimits(NamedTuple):
    """How long to sample.

    Attributes
    ----------
    max_sweeps : int
    max_seconds : float or None
    tol : float
        Largest part by which what chance leaves in the predictions may raise the error.
    burn_in : int or None
        Sweeps to leave out; None for as many as drift, or grow.
    """

    max_sweeps: int
    max_seconds: float | None
    tol: float
    burn_in: int | None


@dataclass
class SweepHistory:
    """What each sweep gave: noise precision of the first score, mean spread of the monitored scores, and seconds."""

    noise: list[float] = field(default_factory=list)
    spread: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


Report = Callable[[SweepHistory, int | None], bool]


class Collected(NamedTuple):
    """What sampling has found of one score, for targets of mean 0 and spread 1.

    Attributes
    ----------
    mean : Parameters
        Averages over all sweeps after the burn-in.
    draws : PosteriorDraws or None
        None where none were to be kept.
    noise_variance : float
    cuts : ndarray of shape (n_cuts,)
    hyperparameters : dict of str to ndarray
    """

    mean: Parameters
    draws: PosteriorDraws | None
    noise_variance: float
    cuts: Float64
    hyperparameters: dict[str, Float64]


class RunningMean:
    """Mean of arrays of the same shape, in the first one's type."""

    def __init__(self) -> None:
        self.n = 0
        self.value: NDArray[np.floating] = np.zeros(0)

    def add(self, values: NDArray[np.floating]) -> None:
        """Take in one more array."""
        self.n += 1
        if self.n == 1:
            self.value = values.copy()
        else:
            self.value += (values - self.value) / self.value.dtype.type(self.n)


class ScoreSampler:
    """Chain of one score, with what is kept of it.

    Parameters
    ----------
    chain : Chain
    likelihood : Likelihood
        That of the chain.
    watched : Csr or Blocks
        Rows whose predictions are monitored.
    limit : int
        Most draws to keep.
    """

    def __init__(self, chain: Chain, likelihood: Likelihood, watched: Rows, limit: int) -> None:
        self._chain = chain
        self._likelihood = likelihood
        self.watched = watched
        self._narrow, self._columns = narrowed(watched)
        self.monitor = PredictionMonitor(watched.n_rows)
        self._thinning = Thinning(limit)
        self._kept: list[PackedDraw] = []
        self._means: dict[str, RunningMean] = {}
        self.observation_variance = np.inf
        self.noise = 1.0
        self.spread = 0.0

    def sweep(self, *, is_burn_in: bool) -> None:
        """Make a sweep, and take in what it gives unless it is one of the burn-in."""
        self._chain.sweep()
        draw, self.noise = self._chain.parameters(), self._chain.noise
        scores = self._scores(draw)
        self.spread = float(scores.std())
        predictions, variance = self._likelihood.expectation(scores, self.noise)
        self.monitor.add(predictions, self.noise, self.spread)
        self.observation_variance = float(variance.mean())
        if not is_burn_in:
            self.collect(draw)

    def collect(self, draw: Draw | None = None) -> None:
        """Take in a draw; by default the parameters as they are now."""
        draw = self._chain.parameters() if draw is None else draw
        cuts = self._likelihood.to_arrays().get("cuts", np.zeros(0))
        values = {"w0": np.array([draw.w0]), "w": draw.w, "V": draw.V, "cuts": cuts}
        values["noise_variance"] = np.array([1.0 / self.noise])
        values |= {f"hyper_{name}": value for name, value in self._chain.hyperparameters.items()}
        for name, value in values.items():
            self._means.setdefault(name, RunningMean()).add(value)
        place = self._thinning.place_of(self.n_collected - 1) if self._thinning.limit else None
        if place is not None:
            self._kept[place : place + 1] = [PackedDraw(draw.w0, draw.w, PackedRows.of(draw.V), self.noise, cuts)]

    @property
    def n_collected(self) -> int:
        """Sweeps that have been taken in."""
        return self._means["w"].n if self._means else 0

    def rise_of_error(self) -> float:
        """Return the part by which chance in the averaged predictions raises the root of the mean squared error."""
        return self.monitor.mc_variance() / (2 * self.observation_variance)

    def collected(self) -> Collected:
        """Return what has been found so far."""
        values = {name: mean.value for name, mean in self._means.items()}
        cuts = values["cuts"].astype(np.float64)
        mean = Parameters.of(
            values["V"].shape[1],
            w0=values["w0"].astype(np.float32)[:, None],
            w=values["w"].astype(np.float32)[:, None],
            V=values["V"].astype(np.float32),
        )
        draws = PosteriorDraws.around(mean, cuts, self._kept) if self._kept else None
        prefix = "hyper_"
        hyper = {n.removeprefix(prefix): v.astype(np.float64) for n, v in values.items() if n.startswith(prefix)}
        return Collected(mean, draws, float(values["noise_variance"][0]), cuts, hyper)

    def _scores(self, draw: Draw) -> Float64:
        """Return the scores of the watched rows."""
        chosen = slice(None) if self._columns is None else self._columns
        V: Float32 = draw.V[chosen]
        w0 = np.array([[draw.w0]], dtype=np.float32)
        params = Parameters.of(V.shape[1], w0=w0, w=draw.w[chosen][:, None], V=V)
        return scores_of(self._narrow, params).astype(np.float64)


class Sampler:
    """Sampler of all scores together, one sweep of each at a time.

    Parameters
    ----------
    scores : list of ScoreSampler
    """

    def __init__(self, scores: list[ScoreSampler]) -> None:
        self.scores = scores
        self.history = SweepHistory()
        self.burn_in: int | None = None
        self.is_exact = False

    def run(self, limits: SweepLimits, report: Report) -> KeyboardInterrupt | None:
        """Sample until the predictions are exact enough, a limit is reached, or the report wants no more.

        Returns
        -------
        KeyboardInterrupt or None
            What ended it, if it was Ctrl-C: after a whole sweep. What was sampled is kept.
        """
        started, n_before = time.perf_counter(), len(self.history.seconds)
        interrupted, next_look = None, FEWEST_SWEEPS
        if limits.burn_in == 0 and self.burn_in is None:
            self.burn_in = 0
        try:
            # Threads of BLAS that wait for the next tiny matrix take more time than the sweeps.
            with DeferredInterrupt() as interrupt, threadpool_limits(1, "blas"):
                for number in range(1, limits.max_sweeps + 1):
                    elapsed = time.perf_counter() - started
                    used = max(number / limits.max_sweeps, elapsed / (limits.max_seconds or np.inf))
                    self._sweep(limits, used)
                    wants_no_more = report(self.history, self.burn_in)
                    interrupt.check()
                    n = self.scores[0].n_collected
                    if self.burn_in is not None and n >= next_look:
                        next_look = int(np.ceil(n * NEXT_LOOK))
                        self.is_exact = all(score.rise_of_error() <= limits.tol for score in self.scores)
                    is_late = limits.max_seconds is not None and time.perf_counter() - started >= limits.max_seconds
                    if wants_no_more or self.is_exact or is_late:
                        break
        except KeyboardInterrupt as error:
            if len(self.history.seconds) == n_before:
                raise
            interrupted = error
        if not self.scores[0].n_collected:  # it ended within the burn-in
            for score in self.scores:
                score.collect()
        return interrupted

    def _sweep(self, limits: SweepLimits, used: float) -> None:
        """Make a sweep of each score; ``used`` is the part of the limits that is gone then."""
        started, is_burn_in = time.perf_counter(), self.burn_in is None
        for score in self.scores:
            if self.burn_in == len(self.history.seconds):  # the first sweep behind it
                score.monitor.begin_anew()
            score.sweep(is_burn_in=is_burn_in)
        self.history.noise.append(self.scores[0].noise)
        self.history.spread.append(sum(score.spread for score in self.scores) / len(self.scores))
        self.history.seconds.append(time.perf_counter() - started)
        if is_burn_in and self._ends_burn_in(limits, used):
            self.burn_in = len(self.history.seconds)

    def _ends_burn_in(self, limits: SweepLimits, used: float) -> bool:
        """Return whether this is the last sweep of the burn-in, which leaves most of the sweeps to be averaged."""
        if limits.burn_in is not None:
            return len(self.history.seconds) >= limits.burn_in
        if used >= MOST_DRIFTING:
            return True
        monitors = [score.monitor for score in self.scores]
        if used < MOST_GROWING and any(monitor.is_growing() for monitor in monitors):
            return False
        return all(monitor.has_settled() for monitor in monitors)
