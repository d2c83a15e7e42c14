"""Lock that many readers share, and that a writer has alone."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

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

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read inside: nobody writes meanwhile."""
        with self._changed:
            while self._is_writing or self._n_waiting:
                self._changed.wait()
            self._n_readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._n_readers -= 1
                if not self._n_readers:
                    self._changed.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write inside: nobody reads or writes meanwhile."""
        with self._changed:
            self._n_waiting += 1
            try:
                while self._is_writing or self._n_readers:
                    self._changed.wait()
            finally:
                self._n_waiting -= 1
            self._is_writing = True
        try:
            yield
        finally:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()


def _free_all() -> None:
    for lock in _locks:
        lock._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free_all)
