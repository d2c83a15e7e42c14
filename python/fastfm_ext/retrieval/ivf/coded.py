"""Items in lists as codes of few bytes: searched by faiss, and ranked anew by their vectors where these are kept."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fastfm_ext._common.extras import require
from fastfm_ext._engine.search import ItemLists
from fastfm_ext.retrieval.change import Change
from fastfm_ext.retrieval.exact import best_of, in_order
from fastfm_ext.retrieval.ivf.lists import RECALL_AT, Lists, faiss_threads
from fastfm_ext.retrieval.ivf.quantizers import Codec, Codes

Bools = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

# Users that are searched for together: their products with all centroids are held at once.
_USERS = 256
# Items of a user that faiss finds although the user must not get them; with more of them, they are named to it.
_MOST_TO_PASS_OVER = 512
# New items may lie beyond the range of the codes by this part of it, and get the nearest code.
_SLACK = 0.05


class CodesInLists:
    """What an item differs from its centroid by, as a code.

    Parameters
    ----------
    codec : Codec
    codes : ndarray of shape (n_items, code_size), uint8
    lists : Lists
    list_of : ndarray of shape (n_items,), int32
    vectors : ndarray of shape (n_items, d), float32, or None
        To rank by what the codes propose; None where the codes decide.
    """

    FACTORS = (1, 2, 4, 8, 16)

    def __init__(self, codec: Codec, codes: Codes, lists: Lists, list_of: Int32, vectors: Float32 | None) -> None:
        faiss = require("faiss", extra="retrieval")
        self.codec = codec
        self.lists = lists
        self.list_of = list_of
        self.vectors = vectors
        self._index = codec.faiss_index(lists.centroids[:, :-1])
        order = np.argsort(list_of, kind="stable").astype(np.int64)
        sorted_codes = np.ascontiguousarray(codes[order])
        self._ends = np.cumsum(np.bincount(list_of, minlength=len(lists)))
        for number, last in enumerate(self._ends):
            first = self._ends[number - 1] if number else 0
            ids, entries = order[first:last], sorted_codes[first:last]
            if len(ids):
                self._index.invlists.add_entries(number, len(ids), faiss.swig_ptr(ids), faiss.swig_ptr(entries))
        self._index.ntotal = len(codes)

    @classmethod
    def train(cls, kind: str, vectors: Float32, lists: Lists, list_of: Int32, *, reranks: bool) -> Self:
        """Learn the codes from the items."""
        differences = vectors - lists.centroids[list_of, :-1]
        codec = Codec.train(kind, differences)
        return cls(codec, codec.encode(differences), lists, list_of, vectors if reranks else None)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.codec, self.codes(), self.lists, self.list_of, self.vectors)

    @property
    def nbytes(self) -> int:
        """Bytes, without those of the vectors; faiss keeps a number of 64 bits for each item."""
        per_list = 4 * int(self._index.d)  # its centroid, which faiss keeps, too
        return len(self.list_of) * (self.codec.code_size + 8) + len(self.lists) * per_list + self.codec.table.nbytes

    @property
    def factors(self) -> tuple[int, ...]:
        """How many times as many items as wanted the codes may have to propose."""
        return (1,) if self.vectors is None else self.FACTORS

    def codes(self) -> Codes:
        """Return the codes in the order of the items."""
        faiss = require("faiss", extra="retrieval")
        codes = np.empty((len(self.list_of), self.codec.code_size), dtype=np.uint8)
        held = self._index.invlists
        for number in np.unique(self.list_of).tolist():
            size = held.list_size(number)
            ids = faiss.rev_swig_ptr(held.get_ids(number), size)
            entries = faiss.rev_swig_ptr(held.get_codes(number), size * self.codec.code_size)
            codes[ids] = entries.reshape(size, -1)
        return codes

    def changed(self, change: Change, list_of: Int32, vectors: Float32 | None) -> CodesInLists:
        """Return the same for other items; `vectors` are those of all of them, where the index keeps them.

        Raises
        ------
        ValueError
            If a new item is far beyond the range of the codes, and there are no vectors to learn new ones from.
        """
        differences = change.new - self.lists.centroids[list_of[change.source < 0], :-1]
        if self.codec.holds(differences, _SLACK).all():
            codes = change.of_each(self.codes(), self.codec.encode(differences))
            return CodesInLists(self.codec, codes, self.lists, list_of, None if self.vectors is None else vectors)
        if vectors is None:
            is_near = self.codec.holds(differences, 1.0)
            if not is_near.all():
                raise ValueError(
                    f"item_vectors[{int(np.argmin(is_near))}] lies so far from all that the index was fitted on that "
                    "codes for both would be coarse, and the index keeps no vectors: fit again with all items."
                )
            # Out of the codes that there are, which makes them a little coarser.
            vectors = change.of_each(self._decoded(np.arange(len(self.list_of)), self.codes()), change.new)
        return self.train(self.codec.kind, vectors, self.lists, list_of, reranks=self.vectors is not None)

    def find(
        self, users: Float32, probes: Int32, n: int, factor: int, sets: tuple[ItemLists | None, Bools | None], jobs: int
    ) -> tuple[Int64, Float32]:
        """Find about the `n` best items of each user in the lists `probes`, (n_users, n_probes); see ``_top_n.top_n``.

        `sets` are the lists of items that each user must not get or may get alone, and the mask of those that anybody
        may get. What a user may get alone is looked at item by item, whatever list it is in.
        """
        listed, allowed = sets
        if listed is not None and listed.may_get:
            return self._best_of_listed(users, n, listed, allowed)
        positions = np.empty((len(users), n), dtype=np.int64)
        scores = np.empty((len(users), n), dtype=np.float32)
        n_proposed = n if self.vectors is None else factor * max(n, RECALL_AT)
        # Users with about as many items to leave out go together.
        counts = np.zeros(len(users), dtype=np.int64) if listed is None else np.diff(listed.indptr)
        order = np.argsort(counts, kind="stable")
        few = int(np.searchsorted(counts[order], _MOST_TO_PASS_OVER, side="right"))
        groups = [order[first : min(first + _USERS, few)] for first in range(0, few, _USERS)]
        groups += [order[place : place + 1] for place in range(few, len(order))]
        for group in groups:
            left_out = None if listed is None else listed.of_users(group)
            found = self._propose(users[group], probes[group], n_proposed, left_out, allowed, jobs)
            positions[group], scores[group] = self._ranked(users[group], *found, n)
        return positions, scores

    def _propose(
        self, users: Float32, probes: Int32, n: int, left_out: ItemLists | None, allowed: Bools | None, jobs: int
    ) -> tuple[Int64, Float32]:
        """Return at least `n` positions for each user and their scores by the codes, (n_users, m); -1 for none."""
        faiss = require("faiss", extra="retrieval")
        padded = np.zeros((len(users), self._index.d), dtype=np.float32)
        padded[:, : users.shape[1]] = users
        products = (users.astype(np.float64) @ self.lists.centroids[:, :-1].T).astype(np.float32)
        near, to_centroids = probes.astype(np.int64), np.ascontiguousarray(np.take_along_axis(products, probes, axis=1))
        most = 0 if left_out is None else int(np.diff(left_out.indptr).max())
        if most > _MOST_TO_PASS_OVER and left_out is not None:  # a single user
            allowed = np.ones(len(self.list_of), dtype=bool) if allowed is None else allowed.copy()
            allowed[left_out.listed] = False
            left_out, most = None, 0
        selector = None if allowed is None else faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        asked = faiss.SearchParametersIVF(sel=selector, nprobe=probes.shape[1])
        m = min(n + most, len(self.list_of))
        scores = np.empty((len(users), m), dtype=np.float32)
        positions = np.empty((len(users), m), dtype=np.int64)
        arguments = [faiss.swig_ptr(array) for array in (near, to_centroids, scores, positions)]
        with faiss_threads(jobs):
            # faiss' wrapper of it takes no parameters.
            self._index.search_preassigned_c(len(users), faiss.swig_ptr(padded), m, *arguments, False, asked)
        if left_out is not None:
            cells = positions + np.arange(len(users))[:, None] * len(self.list_of)
            rows = np.repeat(np.arange(len(users)), np.diff(left_out.indptr))
            positions[np.isin(cells, rows * len(self.list_of) + left_out.listed)] = -1
        return positions, scores

    def _ranked(self, users: Float32, positions: Int64, scores: Float32, n: int) -> tuple[Int64, Float32]:
        """Return the `n` best, by their vectors where there are any."""
        return in_order(positions, scores, n) if self.vectors is None else best_of(users, self.vectors, positions, n)

    def _best_of_listed(
        self, users: Float32, n: int, listed: ItemLists, allowed: Bools | None
    ) -> tuple[Int64, Float32]:
        positions = np.full((len(users), n), -1, dtype=np.int64)
        scores = np.full((len(users), n), -np.inf, dtype=np.float32)
        codes = self.codes() if self.vectors is None else np.empty((0, 0), dtype=np.uint8)
        for user in range(len(users)):
            own = listed.listed[listed.indptr[user] : listed.indptr[user + 1]].astype(np.int64)
            own = own if allowed is None else own[allowed[own]]
            if not len(own):
                continue
            vectors = self._decoded(own, codes) if self.vectors is None else self.vectors[own]
            places, scores[user] = best_of(users[user : user + 1], vectors, np.arange(len(own))[None, :], n)
            positions[user] = np.where(places < 0, -1, own[places])
        return positions, scores

    def _decoded(self, items: Int64, codes: Codes) -> Float32:
        """Return the vectors that the codes of these items stand for."""
        vectors: Float32 = self.lists.centroids[self.list_of[items], :-1] + self.codec.decode(codes[items])
        return vectors
