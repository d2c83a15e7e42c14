"""Several ways to do a job, timed in turn: A B C, A B C, ..., so that a machine's moods meet all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Times:
    """Seconds of every round, by two clocks.

    ``cpu`` is the time that the calling thread had a core, whatever else runs on the machine; ``wall`` is what passes
    until the call returns, and the only one of the two that tells what several threads are good for.
    """

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)


def time_in_turn(contenders: Mapping[Name, Callable[[], object]], rounds: int) -> dict[Name, Times]:
    """Call all contenders once to warm up, then once in each of ``rounds`` rounds, and return their times."""
    for run in contenders.values():
        run()
    times = {name: Times() for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            wall, cpu = time.perf_counter(), time.thread_time()
            run()
            times[name].cpu.append(time.thread_time() - cpu)
            times[name].wall.append(time.perf_counter() - wall)
    return times
