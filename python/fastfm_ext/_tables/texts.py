"""Texts as UTF-8 bytes: in Arrow's layouts, packed into one array, and hashed."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fastfm_ext._common.arrays import Int32, Int64, UInt8
from fastfm_ext._native import tables


@dataclass(frozen=True)
class Texts:
    """Texts in Arrow's layouts: ``Texts`` of ``coding.hpp``. One of offsets32, offsets64 and views is there."""

    n: int
    valid: UInt8 | None
    bytes: UInt8 | None
    offsets32: Int32 | None = None
    offsets64: Int64 | None = None
    views: UInt8 | None = None
    buffers: Int64 | None = None


def pack_texts(texts: Sequence[str]) -> tuple[UInt8, Int64]:
    """Return the texts in UTF-8 one after the other, and the (n_texts + 1,) offsets at which they begin."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    return np.frombuffer(b"".join(encoded), dtype=np.uint8).copy(), offsets


def unpack_texts(utf8: UInt8, offsets: Int64) -> list[str]:
    """Undo `pack_texts`."""
    return [decoded(piece) for piece in split_bytes(utf8, offsets)]


def split_bytes(utf8: UInt8, offsets: Int64) -> list[bytes]:
    """Return the bytes of each text; offsets of shape (n_texts + 1,)."""
    buffer = utf8.tobytes()
    return [buffer[start:stop] for start, stop in pairwise(offsets.tolist())]


def decoded(utf8: bytes) -> str:
    """Return the text; lone surrogates, which Python's strings may hold, come back."""
    return utf8.decode("utf-8", "surrogatepass")


def murmur3(texts: Sequence[str]) -> Int32:
    """Return the (n_texts,) hashes by MurmurHash3 of 32 bits with seed 0, as scikit-learn's FeatureHasher does."""
    hashes = np.empty(len(texts), dtype=np.int32)
    tables.murmur3(*pack_texts(texts), 0, hashes)
    return hashes
