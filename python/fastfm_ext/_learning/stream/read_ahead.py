"""Read in a thread of its own, so that reading and training overlap: the kernels let go of the interpreter's lock."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")

# How often a waiting side looks whether it is still wanted, in seconds.
_POLL = 0.05


@dataclass(frozen=True)
class _End:
    """What stands in the queue after the last item: the error that ended the reading, if there was one."""

    error: BaseException | None


class ReadAhead(Iterator[Item], Generic[Item]):
    """Iterate over `items` with up to `depth` of them read ahead in a thread; a context manager that ends the thread.

    An error of the reading side is raised where its item would have come. With a depth of 0 there is no thread.

    Parameters
    ----------
    items : iterator
    depth : int
    while_waiting : callable, optional
        Called now and then while the reader waits for an item; may raise.
    """

    def __init__(self, items: Iterator[Item], depth: int, while_waiting: Callable[[], None] | None = None) -> None:
        self._items = items
        self._while_waiting = while_waiting
        self._queue: queue.Queue[Item | _End] = queue.Queue(max(depth, 1))
        self._unwanted = threading.Event()
        self._thread: threading.Thread | None = None
        if depth:
            self._thread = threading.Thread(target=self._read, name="fastfm-ext-reader", daemon=True)
            self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __next__(self) -> Item:
        if self._thread is None:
            return next(self._items)
        while True:
            try:
                item = self._queue.get(timeout=_POLL)
            except queue.Empty:
                if self._while_waiting is not None:
                    self._while_waiting()
                continue
            if not isinstance(item, _End):
                return item
            self._queue.put(item)  # for whoever asks once more
            if item.error is not None:
                raise item.error
            raise StopIteration

    def close(self) -> None:
        """End the thread; what it has read and nobody took is dropped."""
        self._unwanted.set()
        if self._thread is not None:
            # Not waited for without end: the user's iterator may itself be waiting, for a network or a pipe.
            self._thread.join(timeout=5.0)
        else:
            _close(self._items)

    def _read(self) -> None:
        error = None
        try:
            for item in self._items:
                if not self._put(item):
                    break
                del item  # a buffer that the training side has done with must not live on here
        except BaseException as caught:
            error = caught
        _close(self._items)
        self._put(_End(error))

    def _put(self, item: Item | _End) -> bool:
        """Wait for a place in the queue; return False if nobody wants the item any more."""
        while not self._unwanted.is_set():
            try:
                self._queue.put(item, timeout=_POLL)
            except queue.Full:
                continue
            return True
        return False


def _close(items: Iterator[Item]) -> None:
    """Close a generator, and with it the files that it has open."""
    close = getattr(items, "close", None)
    if close is not None:
        close()
