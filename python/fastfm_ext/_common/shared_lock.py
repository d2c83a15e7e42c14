"""Lock that many readers share, and that a writer has alone."""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import AbstractContextManager

_locks: weakref.WeakSet[SharedLock] = weakref.WeakSet()


class SharedLock:
    """Lets several threads read at once, or one thread write.

    A writer that waits goes before readers that come later, so a thread must not read twice at a time. A forked process
    begins with the lock free: the threads that held it are not there.
    """

    def __init__(self) -> None:
        self._begin()
        _locks.add(self)

    def _begin(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._n_readers = 0
        self._n_waiting = 0
        self._is_writing = False

    def reading(self) -> AbstractContextManager[None]:
        """Read inside: nobody writes meanwhile."""
        return _Reading(self)

    def writing(self) -> AbstractContextManager[None]:
        """Write inside: nobody reads or writes meanwhile."""
        return _Writing(self)


# Classes and no generators: a prediction of one row takes some 50 us, of which a generator would be several.
class _Reading:
    def __init__(self, lock: SharedLock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        lock = self._lock
        with lock._changed:
            while lock._is_writing or lock._n_waiting:
                lock._changed.wait()
            lock._n_readers += 1

    def __exit__(self, *error: object) -> None:
        lock = self._lock
        with lock._changed:
            lock._n_readers -= 1
            if not lock._n_readers:
                lock._changed.notify_all()


class _Writing:
    def __init__(self, lock: SharedLock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        lock = self._lock
        with lock._changed:
            lock._n_waiting += 1
            try:
                while lock._is_writing or lock._n_readers:
                    lock._changed.wait()
            finally:
                lock._n_waiting -= 1
            lock._is_writing = True

    def __exit__(self, *error: object) -> None:
        lock = self._lock
        with lock._changed:
            lock._is_writing = False
            lock._changed.notify_all()


def _free_all() -> None:
    for lock in _locks:
        lock._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free_all)
