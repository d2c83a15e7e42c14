"""Parameters of a fitted model, one set a score, with the lock of those who read and change them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastfm_ext._common.shared_lock import SharedLock
from fastfm_ext._engine.parameters import Parameters


class Scorers(list[Parameters]):
    """The parameters of each score, for centered columns in the user's units.

    A fitted model gets others in one step. Only `partial_fit` changes these themselves, and holds `access` meanwhile:
    those who read with `access.reading()` find them as they were before or after.
    """

    def __init__(self, scorers: Iterable[Parameters]) -> None:
        super().__init__(scorers)
        self.access = SharedLock()

    def __reduce__(self) -> Any:
        # Whoever pickles or copies reads later, and without the lock.
        with self.access.reading():
            return Scorers, ([params.copy() for params in self],)
