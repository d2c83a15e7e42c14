"""What the kernels must reach, and what they aim for, with 16 factors on an epoch of rows in random order."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from .measure import Result

GOAL_FACTORS = 16


@dataclass(frozen=True)
class Goal:
    """Two marks for one number, the higher the better."""

    must: float
    aim: float

    def verdicts(self, value: float) -> tuple[str, str]:
        """Return the marks with whether the value, rounded as the table shows it, reaches them."""
        must, aim = (f"{mark:.2f} {'met' if round(value, 2) >= mark else 'MISSED'}" for mark in (self.must, self.aim))
        return must, aim


# Share of the touch limit, by workload and solver.
REACHED = {
    ("rat2", "sgd"): Goal(0.45, 0.70),
    ("rat2", "adagrad"): Goal(0.40, 0.60),
    ("frappe", "adagrad"): Goal(0.28, 0.45),
    ("avazu", "adagrad"): Goal(0.45, 0.65),
    ("ctr1", "sgd"): Goal(0.55, 0.85),
    ("ctr1", "adagrad"): Goal(0.60, 0.80),
    ("ctr10", "adagrad"): Goal(0.60, 0.80),
}

# Wall time of one thread / wall time of two. No workload may lose by a second thread.
NEVER_SLOWER = Goal(1.0, 1.7)
CLEARLY_FASTER = Goal(1.3, 1.7)
TWO_THREADS = {"ctr1": CLEARLY_FASTER, "avazu": CLEARLY_FASTER, "rat5": CLEARLY_FASTER}


def goal_for_reached(result: Result) -> Goal | None:
    """Return the goal for the share of the touch limit, if there is one for such a result."""
    return REACHED.get((result.workload, result.solver)) if _has_goals(result) else None


def goal_for_two_threads(result: Result) -> Goal | None:
    """Return the goal for the gain by a second thread, if there is one for such a result."""
    return TWO_THREADS.get(result.workload, NEVER_SLOWER) if _has_goals(result) and 2 in result.speedups else None


def verdicts_on_reached(result: Result) -> tuple[str, str]:
    """Return what to print for `Goal.must` and `Goal.aim`; nothing where there is no goal."""
    goal = goal_for_reached(result)
    return goal.verdicts(median(result.reached)) if goal else ("", "")


def verdicts_on_two_threads(result: Result) -> tuple[str, str]:
    """Return what to print for `Goal.must` and `Goal.aim`; nothing where there is no goal."""
    goal = goal_for_two_threads(result)
    return goal.verdicts(median(result.speedups[2])) if goal else ("", "")


def _has_goals(result: Result) -> bool:
    return result.k == GOAL_FACTORS and result.task == "epoch" and result.order == "blocks"
