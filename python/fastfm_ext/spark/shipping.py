"""Objects that workers need, such as an encoder: each Python worker unpacks one once, whatever its tasks."""

from __future__ import annotations

import hashlib
import pickle
from collections import OrderedDict
from typing import Any, ClassVar, Generic, TypeVar

T = TypeVar("T")

# A worker goes from one job to the next, and drops what it has not used for long.
_MOST_KEPT = 3


class Shipped(Generic[T]):
    """An object that travels to the workers inside the function that they run.

    It does so as bytes, which Spark distributes as it does broadcast variables where there are many; and it needs
    nothing that Spark Connect lacks.

    Parameters
    ----------
    value : object
        One that can be pickled; not changed afterwards.
    """

    _unpacked: ClassVar[OrderedDict[str, Any]] = OrderedDict()

    def __init__(self, value: T) -> None:
        self._payload = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
        self._digest = hashlib.sha256(self._payload).hexdigest()

    @property
    def n_bytes(self) -> int:
        """Bytes that travel to each executor."""
        return len(self._payload)

    def get(self) -> T:
        """Return the object; the same one for all tasks of a Python worker."""
        kept = self._unpacked
        if self._digest not in kept:
            kept[self._digest] = pickle.loads(self._payload)
            while len(kept) > _MOST_KEPT:
                kept.popitem(last=False)
        kept.move_to_end(self._digest)
        value: T = kept[self._digest]
        return value
