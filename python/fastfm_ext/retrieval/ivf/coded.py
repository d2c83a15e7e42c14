"""Quantized items in inverted lists: faiss searches the codes, and the vectors, if kept, decide the ranking."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from fastfm_ext._common.arrays import Bools, Float32, FloatVectors, Int32, Int64, UInt8
from fastfm_ext._common.extras import require
from fastfm_ext._engine.search import ItemLists
from fastfm_ext.retrieval.change import Change
from fastfm_ext.retrieval.exact import best_of, in_order
from fastfm_ext.retrieval.ivf.lists import RECALL_AT, Lists, faiss_threads
from fastfm_ext.retrieval.ivf.quantizers import Quantizer
from fastfm_ext.retrieval.user_items import AllowedItems

# Users in one call of faiss, which needs their products with all centroids at once.
_USERS = 256
# Up to this many items to leave out, faiss proposes that many items more, and they are dropped from the results. For
# more, faiss gets a mask of the user's items.
_MOST_TO_DROP = 512
# New items may lie outside the range of the codes by this part of it, and get the nearest code.
_SLACK = 0.05


class QuantizedLists:
    """Codes of the items in their lists: a code stands for the difference of an item from its list's centroid.

    Parameters
    ----------
    quantizer : Quantizer
    codes : ndarray of shape (n_items, code_size), uint8
    lists : Lists
    list_of : ndarray of shape (n_items,), int32
        List of each item.
    vectors : ndarray of shape (n_items, d), float32 or float16, or None
        If given, codes only propose items, and the vectors rank them.
    """

    FACTORS = (1, 2, 4, 8, 16)

    def __init__(
        self, quantizer: Quantizer, codes: UInt8, lists: Lists, list_of: Int32, vectors: FloatVectors | None
    ) -> None:
        faiss = require("faiss", extra="retrieval")
        self.quantizer = quantizer
        self.lists = lists
        self.list_of = list_of
        self.vectors = vectors
        self._index = quantizer.faiss_index(lists.centroids[:, :-1])
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
    def train(cls, kind: str, vectors: FloatVectors, lists: Lists, list_of: Int32, *, reranks: bool) -> Self:
        """Train a quantizer of this kind on the items, (n_items, d), and encode them; see the class for the others."""
        differences = vectors - lists.centroids[list_of, :-1]
        quantizer = Quantizer.train(kind, differences)
        return cls(quantizer, quantizer.encode(differences), lists, list_of, vectors if reranks else None)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.quantizer, self.codes(), self.lists, self.list_of, self.vectors)

    @property
    def nbytes(self) -> int:
        """Bytes without the vectors; faiss keeps a 64-bit number of each item and a copy of the centroids."""
        per_list = 4 * int(self._index.d)
        return (
            len(self.list_of) * (self.quantizer.code_size + 8)
            + len(self.lists) * per_list
            + self.quantizer.table.nbytes
        )

    @property
    def factors(self) -> tuple[int, ...]:
        """The numbers of proposals that tuning tries, as multiples of the number of wanted items."""
        return (1,) if self.vectors is None else self.FACTORS

    def codes(self) -> UInt8:
        """Return the codes in index order, (n_items, code_size)."""
        faiss = require("faiss", extra="retrieval")
        codes = np.empty((len(self.list_of), self.quantizer.code_size), dtype=np.uint8)
        held = self._index.invlists
        for number in np.unique(self.list_of).tolist():
            size = held.list_size(number)
            ids = faiss.rev_swig_ptr(held.get_ids(number), size)
            entries = faiss.rev_swig_ptr(held.get_codes(number), size * self.quantizer.code_size)
            codes[ids] = entries.reshape(size, -1)
        return codes

    def changed(self, change: Change, list_of: Int32, vectors: FloatVectors | None) -> QuantizedLists:
        """Return the lists of the items after a change.

        Parameters
        ----------
        change : Change
        list_of : ndarray of shape (n_items,), int32
            List of each item after the change.
        vectors : ndarray of shape (n_items, d), float32 or float16, or None
            Vectors of the items after the change, if the index keeps vectors.

        Raises
        ------
        ValueError
            If a new item is far outside the range of the codes, and there are no vectors to train a quantizer on.
        """
        differences = change.new - self.lists.centroids[list_of[change.source < 0], :-1]
        if self.quantizer.holds(differences, _SLACK).all():
            codes = change.of_each(self.codes(), self.quantizer.encode(differences))
            return QuantizedLists(self.quantizer, codes, self.lists, list_of, None if self.vectors is None else vectors)
        if vectors is None:
            is_near = self.quantizer.holds(differences, 1.0)
            if not is_near.all():
                raise ValueError(
                    f"item_vectors[{int(np.argmin(is_near))}] lies so far from all that the index was fitted on that "
                    "codes for both would be coarse, and the index keeps no vectors: fit again with all items."
                )
            # Encoding decoded vectors anew makes them a little coarser.
            vectors = change.of_each(self._decoded(np.arange(len(self.list_of)), self.codes()), change.new)
        return self.train(self.quantizer.kind, vectors, self.lists, list_of, reranks=self.vectors is not None)

    def find(
        self, users: Float32, probes: Int32, n: int, factor: int, allowed: AllowedItems, n_threads: int
    ) -> tuple[Int64, Float32]:
        """Return positions and scores of about the `n` best allowed items of each user in the lists to visit.

        Parameters
        ----------
        users : ndarray of shape (n_users, d), float32
        probes : ndarray of shape (n_users, n_probes), int32
            Lists to visit for each user. If `allowed` names the only items of each user, these are ranked instead,
            whatever their lists.
        n : int
        factor : int
            Proposals of the codes, as a multiple of `n`.
        allowed : AllowedItems
        n_threads : int

        Returns
        -------
        positions : ndarray of shape (n_users, n), int64
            Best first, -1 where nothing remains.
        scores : ndarray of shape (n_users, n), float32
            ``-inf`` where nothing remains.
        """
        by_user = allowed.by_user
        if by_user is not None and by_user.may_get:
            return self._best_of_chosen(users, n, by_user, allowed.mask)
        positions = np.empty((len(users), n), dtype=np.int64)
        scores = np.empty((len(users), n), dtype=np.float32)
        n_proposed = n if self.vectors is None else factor * max(n, RECALL_AT)
        # A group needs extra proposals for its longest set, so users with sets of similar length go together.
        counts = np.zeros(len(users), dtype=np.int64) if by_user is None else np.diff(by_user.indptr)
        order = np.argsort(counts, kind="stable")
        few = int(np.searchsorted(counts[order], _MOST_TO_DROP, side="right"))
        groups = [order[first : min(first + _USERS, few)] for first in range(0, few, _USERS)]
        groups += [order[place : place + 1] for place in range(few, len(order))]
        for group in groups:
            found = self._propose(users[group], probes[group], n_proposed, allowed.of_users(group), n_threads)
            positions[group], scores[group] = self._ranked(users[group], *found, n)
        return positions, scores

    def _propose(
        self, users: Float32, probes: Int32, n: int, allowed: AllowedItems, n_threads: int
    ) -> tuple[Int64, Float32]:
        """Return m >= n positions for each user and their scores by the codes, (n_users, m); -1 for no item.

        Either all users have at most `_MOST_TO_DROP` items to leave out, or there is one user.
        """
        faiss = require("faiss", extra="retrieval")
        padded = np.zeros((len(users), self._index.d), dtype=np.float32)
        padded[:, : users.shape[1]] = users
        products = (users.astype(np.float64) @ self.lists.centroids[:, :-1].T).astype(np.float32)
        near, to_centroids = probes.astype(np.int64), np.ascontiguousarray(np.take_along_axis(products, probes, axis=1))
        left_out, mask = allowed.by_user, allowed.mask
        most = 0 if left_out is None else int(np.diff(left_out.indptr).max())
        if most > _MOST_TO_DROP and left_out is not None:
            mask = np.ones(len(self.list_of), dtype=bool) if mask is None else mask.copy()
            mask[left_out.listed] = False
            left_out, most = None, 0
        selector = None if mask is None else faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
        asked = faiss.SearchParametersIVF(sel=selector, nprobe=probes.shape[1])
        m = min(n + most, len(self.list_of))
        scores = np.empty((len(users), m), dtype=np.float32)
        positions = np.empty((len(users), m), dtype=np.int64)
        arguments = [faiss.swig_ptr(array) for array in (near, to_centroids, scores, positions)]
        with faiss_threads(n_threads):
            # The C function, as its Python wrapper takes no search parameters.
            self._index.search_preassigned_c(len(users), faiss.swig_ptr(padded), m, *arguments, False, asked)
        if left_out is not None:
            cells = positions + np.arange(len(users))[:, None] * len(self.list_of)
            rows = np.repeat(np.arange(len(users)), np.diff(left_out.indptr))
            positions[np.isin(cells, rows * len(self.list_of) + left_out.listed)] = -1
        return positions, scores

    def _ranked(self, users: Float32, positions: Int64, scores: Float32, n: int) -> tuple[Int64, Float32]:
        """Return the `n` best of the proposals, (n_users, m), by their vectors if these are kept: (n_users, n)."""
        return in_order(positions, scores, n) if self.vectors is None else best_of(users, self.vectors, positions, n)

    def _best_of_chosen(self, users: Float32, n: int, chosen: ItemLists, mask: Bools | None) -> tuple[Int64, Float32]:
        """Rank the items that each user may get, item by item; shapes as for `find`."""
        positions = np.full((len(users), n), -1, dtype=np.int64)
        scores = np.full((len(users), n), -np.inf, dtype=np.float32)
        codes = self.codes() if self.vectors is None else np.empty((0, 0), dtype=np.uint8)
        for user in range(len(users)):
            own = chosen.listed[chosen.indptr[user] : chosen.indptr[user + 1]].astype(np.int64)
            own = own if mask is None else own[mask[own]]
            if not len(own):
                continue
            vectors = self._decoded(own, codes) if self.vectors is None else self.vectors[own]
            places, scores[user] = best_of(users[user : user + 1], vectors, np.arange(len(own))[None, :], n)
            positions[user] = np.where(places < 0, -1, own[places])
        return positions, scores

    def _decoded(self, items: Int64, codes: UInt8) -> Float32:
        """Return approximate vectors, (n, d), of these items, (n,), by the codes of all items."""
        vectors: Float32 = self.lists.centroids[self.list_of[items], :-1] + self.quantizer.decode(codes[items])
        return vectors
