"""Approximate search in an inverted file (IVF): items in lists, of which a search visits the likeliest."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from fastfm_ext._engine.search import ItemLists, PackedItems, top_n
from fastfm_ext.retrieval.change import Change
from fastfm_ext.retrieval.exact import ExactSearch
from fastfm_ext.retrieval.ivf.coded import CodesInLists
from fastfm_ext.retrieval.ivf.lists import RECALL_AT, Lists, longest
from fastfm_ext.retrieval.ivf.quantizers import Codec

Bools = npt.NDArray[np.bool_]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

_TUNING_USERS = 512
# What codes lose can be made up for by more lists: so much of the way from the wanted recall to 1 is tried.
_MORE_LISTS = (0.0, 0.1, 0.25, 0.5, 0.8)


class VectorsInLists:
    """Items in lists as they are, searched by the exact kernel: see `CodesInLists` for what the methods do."""

    factors = (1,)

    def __init__(self, vectors: Float32, lists: Lists, list_of: Int32) -> None:
        self.lists = lists
        self.list_of = list_of
        self._items = PackedItems.in_lists(vectors, list_of, len(lists))

    @property
    def nbytes(self) -> int:
        """Bytes that the vectors take."""
        return self._items.nbytes

    def changed(self, change: Change, list_of: Int32, vectors: Float32 | None) -> VectorsInLists:
        """Return the lists after a change of items: `list_of` (n_items,), `vectors` (n_items, d)."""
        assert vectors is not None
        return VectorsInLists(vectors, self.lists, list_of)

    def find(
        self, users: Float32, probes: Int32, n: int, factor: int, sets: tuple[ItemLists | None, Bools | None], jobs: int
    ) -> tuple[Int64, Float32]:
        """Return positions and scores, each (n_users, n), of the best items in `probes` (n_users, n_probes)."""
        return top_n(users, self._items, n, *sets, jobs, probes)


class Tuning(NamedTuple):
    """What a search does, and the recall that was measured with it.

    Attributes
    ----------
    n_probes : int
        Lists that are visited.
    factor : int
        How many times as many items as wanted the codes propose.
    recall : float
        Of the true best `RECALL_AT` items, the share that the sample of users found.
    """

    n_probes: int
    factor: int
    recall: float


@dataclass(frozen=True)
class IvfSearch:
    """Items in lists.

    Attributes
    ----------
    lists : Lists
    list_of : ndarray of shape (n_items,), int32
    held : VectorsInLists or CodesInLists
    tuning : Tuning or None
        None before `tuned`.
    """

    lists: Lists
    list_of: Int32
    held: VectorsInLists | CodesInLists
    tuning: Tuning | None = None

    @classmethod
    def train(
        cls, vectors: Float32, n_lists: int | None, quantizer: str | None, n_threads: int, *, reranks: bool
    ) -> Self:
        """Cluster the items into `n_lists` lists, and learn the codes if there is a quantizer."""
        lists = Lists.train(vectors, n_lists, n_threads)
        list_of = lists.of_items(vectors, longest(vectors), n_threads)
        if quantizer is None:
            return cls(lists, list_of, VectorsInLists(vectors, lists, list_of))
        return cls(lists, list_of, CodesInLists.train(quantizer, vectors, lists, list_of, reranks=reranks))

    @property
    def nbytes(self) -> int:
        """Bytes of all but the vectors."""
        return self.lists.nbytes + self.list_of.nbytes + self.held.nbytes

    def changed(self, change: Change, vectors: Float32 | None, n_threads: int) -> IvfSearch:
        """Return the search over other items around the same centroids.

        `vectors` are those of all items, or None where codes do without.
        """
        of_new = np.empty(0, dtype=np.int32)
        if len(change.new):
            of_new = self.lists.of_items(np.ascontiguousarray(change.new), self.lists.radius, n_threads)
        list_of = change.of_each(self.list_of, of_new)
        return IvfSearch(self.lists, list_of, self.held.changed(change, list_of, vectors), self.tuning)

    def tuned(self, users: Float32, vectors: Float32, target_recall: float, n_threads: int) -> IvfSearch:
        """Return a search that does as little as reaches the recall for these users, two standard errors included."""
        sample = users[np.linspace(0, len(users) - 1, min(len(users), _TUNING_USERS)).astype(np.int64)]
        sample = np.ascontiguousarray(sample)
        n = min(RECALL_AT, len(self.list_of))
        best, _ = ExactSearch(vectors).top_n(sample, n, None, None, n_threads)
        order = self.lists.near(sample, len(self.lists), n_threads)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(order.shape[1], dtype=np.int32)[None, :], axis=1)
        ranks = np.sort(np.take_along_axis(rank, self.list_of[best], axis=1), axis=1)
        if isinstance(self.held, VectorsInLists):
            n_probes = _fewest_lists(ranks, target_recall, len(self.lists))
            return replace(self, tuning=Tuning(n_probes, 1, _mean(ranks < n_probes)))
        return self._tuned_by_trial(sample, best, ranks, target_recall, n_threads)

    def _tuned_by_trial(
        self, users: Float32, best: Int64, ranks: Int32, target_recall: float, n_threads: int
    ) -> IvfSearch:
        """Search with more and more proposals, and more lists, until that is enough."""
        tried: list[Tuning] = []
        for factor in self.held.factors:
            for share in _MORE_LISTS:
                n_probes = _fewest_lists(ranks, target_recall + share * (1 - target_recall), len(self.lists))
                trial = replace(self, tuning=Tuning(n_probes, factor, 0.0))
                found, _ = trial.top_n(users, best.shape[1], None, None, n_threads)
                is_found = np.stack([np.isin(b, f) for b, f in zip(best, found, strict=True)])
                tried.append(Tuning(n_probes, factor, _mean(is_found)))
                if _is_enough(is_found, target_recall):
                    return replace(self, tuning=tried[-1])
        most = max(tried, key=lambda tuning: tuning.recall)
        warnings.warn(
            f"The codes reach a recall of {most.recall:.3f}, not target_recall={target_recall}. Ranking by the vectors "
            "(keep_vectors=True) or a finer quantizer reaches more.",
            stacklevel=4,
        )
        return replace(self, tuning=most)

    def top_n(
        self,
        users: Float32,
        n: int,
        lists: ItemLists | None,
        allowed: Bools | None,
        n_threads: int,
    ) -> tuple[Int64, Float32]:
        """Find about the `n` best items of each user: the best of those in the lists that are visited.

        A user for whom these lists hold fewer than `n` items has more of them visited, up to all.
        """
        n_probes, factor = (len(self.lists), 1) if self.tuning is None else self.tuning[:2]
        positions, scores = self._visit(users, n_probes, factor, n, (lists, allowed), n_threads)
        while n_probes < len(self.lists):
            few = np.flatnonzero(np.isneginf(scores[:, -1]))
            if not len(few):
                break
            n_probes = min(4 * n_probes, len(self.lists))
            sets = None if lists is None else lists.of_users(few), allowed
            found = self._visit(np.ascontiguousarray(users[few]), n_probes, factor, n, sets, n_threads)
            positions[few], scores[few] = found
        return positions, scores

    def _visit(
        self,
        users: Float32,
        n_probes: int,
        factor: int,
        n: int,
        sets: tuple[ItemLists | None, Bools | None],
        n_threads: int,
    ) -> tuple[Int64, Float32]:
        probes = self.lists.near(users, n_probes, n_threads)
        return self.held.find(users, probes, n, factor, sets, n_threads)

    def to_state(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Return what a file keeps: plain values and arrays."""
        n_probes, factor, recall = self.tuning or (None, None, None)
        meta = {"n_probes": n_probes, "factor": factor, "recall": recall}
        arrays: dict[str, npt.NDArray[Any]] = {"centroids": self.lists.centroids, "lists": self.list_of}
        if isinstance(self.held, CodesInLists):
            arrays |= {"codes": self.held.codes(), "codec": self.held.codec.table}
        return meta, arrays

    @classmethod
    def from_state(
        cls,
        vectors: Float32 | None,
        quantizer: str | None,
        meta: dict[str, Any],
        arrays: dict[str, npt.NDArray[Any]],
        *,
        reranks: bool,
    ) -> Self:
        """Build the search from what `to_state` gives, after checking it.

        Raises
        ------
        ValueError
            If the parts do not fit each other.
        """
        lists, list_of = Lists.from_state(arrays["centroids"]), arrays["lists"]
        if vectors is not None and lists.width != vectors.shape[1]:
            raise ValueError(f"centroids of width {lists.width} for vectors of width {vectors.shape[1]}")
        if list_of.dtype != np.int32 or list_of.ndim != 1 or (vectors is not None and len(list_of) != len(vectors)):
            raise ValueError(f"lists of shape {list_of.shape} and type {list_of.dtype}")
        if len(list_of) and not (list_of.min() >= 0 and list_of.max() < len(lists)):
            raise ValueError("a list without a centroid")
        list_of = np.ascontiguousarray(list_of)
        tuning = _checked_tuning(meta, len(lists))
        if quantizer is None:
            if vectors is None:
                raise ValueError("neither vectors nor codes")
            return cls(lists, list_of, VectorsInLists(vectors, lists, list_of), tuning)
        codec, codes = Codec(quantizer, lists.width, arrays["codec"]), arrays["codes"]
        if codes.dtype != np.uint8 or codes.shape != (len(list_of), codec.code_size):
            raise ValueError(f"codes of shape {codes.shape} and type {codes.dtype} for {len(list_of)} items")
        held = CodesInLists(codec, codes, lists, list_of, vectors if reranks else None)
        return cls(lists, list_of, held, tuning)


def _checked_tuning(meta: dict[str, Any], n_lists: int) -> Tuning | None:
    n_probes, factor, recall = meta["n_probes"], meta.get("factor", 1), meta["recall"]
    if n_probes is None and recall is None:
        return None
    if type(n_probes) is not int or not 1 <= n_probes <= n_lists:
        raise ValueError(f"n_probes of {n_probes!r} for {n_lists} lists")
    if type(factor) is not int or not 1 <= factor <= max(CodesInLists.FACTORS):
        raise ValueError(f"a factor of {factor!r}")
    if type(recall) is not float or not 0 <= recall <= 1:
        raise ValueError(f"a recall of {recall!r}")
    return Tuning(n_probes, factor, recall)


def _fewest_lists(ranks: Int32, target_recall: float, n_lists: int) -> int:
    """Return how many lists to visit so that enough of the best items are in them; `ranks` says when each one comes."""
    low, high = 0, n_lists  # the latter always is enough, since it visits every list
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _is_enough(ranks < middle, target_recall) else (middle, high)
    return high


def _is_enough(is_found: Bools, target_recall: float) -> bool:
    share: Float64 = is_found.mean(axis=1)
    return bool(share.mean() - 2 * share.std() / len(share) ** 0.5 >= target_recall)


def _mean(is_found: Bools) -> float:
    return float(is_found.mean(axis=1).mean())
