"""The kernels and the touch limit, timed in turn over one workload."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

import numpy as np
from numpy.typing import NDArray

from fastfm_ext import _engine
from fastfm_ext._engine.models import NO_FIELDS, Fields, model_named
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.orders import block_orders
from fastfm_ext._engine.parameters import Parameters
from in_turn import Times, time_in_turn
from workloads import Workload

from .touch import CACHES, PREFETCH_DISTANCES, PREFETCH_DISTANCES_WITH_FIELDS, Touch

# Small enough that hundreds of epochs stay finite. What is learned doesn't matter here.
LEARNING_RATE = {"sgd": 0.01}
USUAL_LEARNING_RATE = 0.05

# Building the parameters takes memory for as many normal numbers again, and the rows and the system need some too.
SHARE_OF_MEMORY = 0.7

Contender = tuple[str, int, str]  # ("touch", prefetch distance, cache) or ("kernel", threads, ISA)


@dataclass(frozen=True)
class Plan:
    """What to measure on a workload.

    ``orders`` are the orders of the rows in an epoch: "blocks" as the estimators shuffle, "file" from first to last.
    ``model`` is "fm", or the name of a model with fields: one for each place in a row.
    """

    factors: Sequence[int]
    solvers: Sequence[str]
    threads: Sequence[int]
    isas: Sequence[str]
    orders: Sequence[str]
    rounds: int
    model: str = "fm"


@dataclass(frozen=True)
class Result:
    """One kernel against the limit: a list holds one entry for each round.

    Attributes
    ----------
    task : {"epoch", "predict"}
    order : {"blocks", "file"}
    kernel_ns, touch_ns : list of float
        CPU time in ns a row, on one thread. ``touch_ns`` is that of the best prefetch distance.
    speedups : dict of int to list of float
        Wall time of one thread / wall time of so many threads.
    """

    workload: str
    source: str
    n_rows: int
    k: int
    solver: str
    task: str
    order: str
    isa: str
    kernel_ns: list[float]
    touch_ns: list[float]
    prefetch_distance: int
    speedups: dict[int, list[float]]

    @property
    def reached(self) -> list[float]:
        """The share of the touch limit that the kernel reaches, in every round."""
        return [touch / kernel for touch, kernel in zip(self.touch_ns, self.kernel_ns, strict=True)]

    @property
    def million_rows_per_second(self) -> float:
        """The kernel's speed on one thread."""
        return 1e3 / median(self.kernel_ns)


def measure(workload: Workload, source: str, plan: Plan, touch: Touch) -> Iterator[Result | str]:
    """Yield a result for everything planned, or a sentence that says what is left out and why."""
    for k in plan.factors:
        for solver in plan.solvers:
            width = k * (fields_of(workload).n if plan.model == "ffm" else 1)
            if _parameter_bytes(workload, width, solver) > SHARE_OF_MEMORY * _free_memory():
                yield f"{workload.name}, k {k}, {solver}: left out, the parameters need more than the free memory"
                continue
            yield from _Bench(workload, source, plan, touch, k, solver).results()


class _Bench:
    """One set of parameters and all that is timed on it."""

    def __init__(self, workload: Workload, source: str, plan: Plan, touch: Touch, k: int, solver: str) -> None:
        rate = LEARNING_RATE.get(solver, USUAL_LEARNING_RATE)
        self.options = Options(
            workload.loss, solver, learning_rate_w=rate, learning_rate_V=rate, l2_w=1e-4, l2_V=1e-4, init_stdev=0.05
        )
        # As the kernels get them from users: the touch reads the same bytes.
        workload = replace(workload, X=replace(workload.X, indptr=workload.X.indptr.astype(np.int32)))
        rng = np.random.default_rng(0)
        intercept = float(workload.y.mean())
        model = model_named(plan.model)
        fields = fields_of(workload) if model.has_fields else NO_FIELDS
        self.params = Parameters.initialise(
            workload.X.n_features, k, self.options, intercept, rng, model=model, fields=fields
        )
        self.distances = PREFETCH_DISTANCES_WITH_FIELDS if plan.model == "ffm" else PREFETCH_DISTANCES
        self.shuffled = np.concatenate(list(block_orders(workload.X, rng)))
        self.workload, self.source, self.plan, self.touch = workload, source, plan, touch
        self._hot: dict[int, _engine.HotFeatures] = {}

    def results(self) -> Iterator[Result]:
        X, y, params = self.workload.X, self.workload.y, self.params
        orders: dict[str, NDArray[np.int64] | None] = {"blocks": self.shuffled, "file": None}
        for name in self.plan.orders:
            yield from self._against_touch(
                "epoch",
                name,
                kernel=partial(self._train, orders[name]),
                touch=partial(self.touch.train, X, y, orders[name], params),
            )
        yield from self._against_touch(
            "predict",
            "file",
            kernel=partial(_engine.predict, X, params),
            touch=partial(self.touch.predict, X, params),
        )

    def _train(self, order: NDArray[np.int64] | None, threads: int) -> None:
        X, params = self.workload.X, self.params
        if threads not in self._hot:
            self._hot[threads] = _engine.hot_features(X, params.record, threads)
        _engine.train_epoch(X, self.workload.y, None, order, params, self.options, threads, self._hot[threads])

    def _against_touch(
        self, task: str, order: str, kernel: Callable[[int], object], touch: Callable[[int, int], object]
    ) -> Iterator[Result]:
        def run_kernel(isa: str, threads: int) -> None:
            _engine.use_isa(isa)
            kernel(threads)

        contenders: dict[Contender, Callable[[], object]] = {
            ("touch", distance, str(cache)): partial(touch, distance, cache)
            for distance in self.distances
            for cache in CACHES[: None if distance else 1]
        }
        contenders |= {
            ("kernel", threads, isa): partial(run_kernel, isa, threads)
            for isa in self.plan.isas
            for threads in (1, *(t for t in self.plan.threads if t > 1))
        }
        isa_before = _engine.isa_in_use()
        try:
            times = time_in_turn(contenders, self.plan.rounds)
        finally:
            _engine.use_isa(isa_before)
        for isa in self.plan.isas:
            yield self._result(task, order, isa, times)

    def _result(self, task: str, order: str, isa: str, times: dict[Contender, Times]) -> Result:
        ns_per_row = 1e9 / self.workload.X.n_rows
        best = min((one for one in times if one[0] == "touch"), key=lambda one: median(times[one].cpu))
        alone = times["kernel", 1, isa]
        return Result(
            workload=self.workload.name,
            source=self.source,
            n_rows=self.workload.X.n_rows,
            k=self.params.n_factors,
            solver=self.options.solver,
            task=task,
            order=order,
            isa=isa,
            kernel_ns=[ns_per_row * seconds for seconds in alone.cpu],
            touch_ns=[ns_per_row * seconds for seconds in times[best].cpu],
            prefetch_distance=best[1],
            speedups={
                threads: [one / many for one, many in zip(alone.wall, times["kernel", threads, isa].wall, strict=True)]
                for threads in self.plan.threads
                if threads > 1
            },
        )


def fields_of(workload: Workload) -> Fields:
    """Return a field for each place in a row: all rows have as many nonzeros, one of each kind."""
    places = workload.X.indices.reshape(workload.X.n_rows, -1)
    of_feature = np.zeros(workload.X.n_features, dtype=np.int32)
    for field in range(places.shape[1]):
        of_feature[places[:, field]] = field
    return Fields(places.shape[1], of_feature)


def _parameter_bytes(workload: Workload, width: int, solver: str) -> int:
    """Return the size of w and V with the optimizer's state, and of the normal numbers that V starts from."""
    n_values = 1 + _engine.STATE_SLOTS[solver]
    return 4 * workload.X.n_features * ((1 + width) * n_values + width)


def _free_memory() -> float:
    """Return the bytes that a program can still get, or infinity where the system doesn't say."""
    try:
        with open("/proc/meminfo") as file:
            sizes = dict(line.split(":", 1) for line in file)
        return 1024.0 * int(sizes["MemAvailable"].split()[0])
    except (OSError, KeyError):
        return float("inf")
