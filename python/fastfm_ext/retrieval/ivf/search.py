"""Inverted-file (IVF) search: items in lists, of which a search visits those nearest to the user."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Bools, Float32, Float64, FloatVectors, Int32, Int64
from fastfm_ext._engine.search import PackedItems, top_n
from fastfm_ext.retrieval.change import Change
from fastfm_ext.retrieval.exact import ExactSearch
from fastfm_ext.retrieval.ivf.coded import QuantizedLists
from fastfm_ext.retrieval.ivf.lists import RECALL_AT, Lists, longest
from fastfm_ext.retrieval.ivf.quantizers import Quantizer
from fastfm_ext.retrieval.user_items import AllowedItems

_TUNING_USERS = 512
# More lists can make up for the recall that codes lose, so tuning tries lists for a recall between the target and 1:
# these parts of the way.
_MORE_LISTS = (0.0, 0.1, 0.25, 0.5, 0.8)


class VectorLists:
    """Vectors of the items in their lists, searched by the exact kernel.

    Parameters
    ----------
    vectors : ndarray of shape (n_items, d), float32 or float16
    lists : Lists
    list_of : ndarray of shape (n_items,), int32
        List of each item.
    """

    factors = (1,)

    def __init__(self, vectors: FloatVectors, lists: Lists, list_of: Int32) -> None:
        self.lists = lists
        self.list_of = list_of
        self._items = PackedItems.in_lists(vectors, list_of, len(lists))

    @property
    def nbytes(self) -> int:
        """Bytes of the packed vectors."""
        return self._items.nbytes

    def changed(self, change: Change, list_of: Int32, vectors: FloatVectors | None) -> VectorLists:
        """Return the lists of the items after a change: `list_of` is (n_items,), `vectors` (n_items, d)."""
        assert vectors is not None
        return VectorLists(vectors, self.lists, list_of)

    def find(
        self, users: Float32, probes: Int32, n: int, factor: int, allowed: AllowedItems, n_threads: int
    ) -> tuple[Int64, Float32]:
        """Return positions and scores, (n_users, n), as `QuantizedLists.find` does; `factor` has no effect."""
        return top_n(users, self._items, n, allowed.by_user, allowed.mask, n_threads, probes)


class Tuning(NamedTuple):
    """Effort of a search, and the recall that it was measured to reach.

    Attributes
    ----------
    n_probes : int
        Number of lists to visit.
    factor : int
        Proposals of the codes, as a multiple of the number of wanted items.
    recall : float
        Share of the true best `RECALL_AT` items that a sample of users found.
    """

    n_probes: int
    factor: int
    recall: float


@dataclass(frozen=True)
class IvfSearch:
    """A search of items in inverted lists.

    Attributes
    ----------
    lists : Lists
    list_of : ndarray of shape (n_items,), int32
        List of each item.
    held : VectorLists or QuantizedLists
    tuning : Tuning or None
        None before `tuned`.
    """

    lists: Lists
    list_of: Int32
    held: VectorLists | QuantizedLists
    tuning: Tuning | None = None

    @classmethod
    def train(
        cls, vectors: FloatVectors, n_lists: int | None, quantizer: str | None, n_threads: int, *, reranks: bool
    ) -> Self:
        """Cluster the items, (n_items, d), into lists, and quantize them if a quantizer is named."""
        lists = Lists.train(vectors, n_lists, n_threads)
        list_of = lists.of_items(vectors, longest(vectors), n_threads)
        if quantizer is None:
            return cls(lists, list_of, VectorLists(vectors, lists, list_of))
        return cls(lists, list_of, QuantizedLists.train(quantizer, vectors, lists, list_of, reranks=reranks))

    @property
    def nbytes(self) -> int:
        """Bytes of lists and codes, without the vectors of the index."""
        return self.lists.nbytes + self.list_of.nbytes + self.held.nbytes

    def changed(self, change: Change, vectors: FloatVectors | None, n_threads: int) -> IvfSearch:
        """Return the search over the items after a change, with the same centroids.

        `vectors` are those of all items after the change, (n_items, d), or None if only codes are kept.
        """
        of_new = np.empty(0, dtype=np.int32)
        if len(change.new):
            of_new = self.lists.of_items(np.ascontiguousarray(change.new), self.lists.radius, n_threads)
        list_of = change.of_each(self.list_of, of_new)
        return IvfSearch(self.lists, list_of, self.held.changed(change, list_of, vectors), self.tuning)

    def tuned(self, users: Float32, vectors: FloatVectors, target_recall: float, n_threads: int) -> IvfSearch:
        """Return the search with the least effort that reaches the recall, less two standard errors.

        `users` are (n_users, d), and `vectors` those of all items, (n_items, d).
        """
        sample = users[np.linspace(0, len(users) - 1, min(len(users), _TUNING_USERS)).astype(np.int64)]
        sample = np.ascontiguousarray(sample)
        n = min(RECALL_AT, len(self.list_of))
        best, _ = ExactSearch(vectors).top_n(sample, n, AllowedItems(), n_threads)
        order = self.lists.near(sample, len(self.lists), n_threads)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(order.shape[1], dtype=np.int32)[None, :], axis=1)
        ranks = np.sort(np.take_along_axis(rank, self.list_of[best], axis=1), axis=1)
        if isinstance(self.held, VectorLists):
            n_probes = _fewest_lists(ranks, target_recall, len(self.lists))
            return replace(self, tuning=Tuning(n_probes, 1, _mean_recall(ranks < n_probes)))
        return self._tuned_by_trial(sample, best, ranks, target_recall, n_threads)

    def _tuned_by_trial(
        self, users: Float32, best: Int64, ranks: Int32, target_recall: float, n_threads: int
    ) -> IvfSearch:
        """Try more and more proposals and lists until they reach the recall.

        Parameters
        ----------
        users : ndarray of shape (n_users, d), float32
        best : ndarray of shape (n_users, n), int64
            Positions of the true best items.
        ranks : ndarray of shape (n_users, n), int32
            Number of lists that come before those of the best items, ascending.
        target_recall : float
        n_threads : int
        """
        tried: list[Tuning] = []
        for factor in self.held.factors:
            for share in _MORE_LISTS:
                n_probes = _fewest_lists(ranks, target_recall + share * (1 - target_recall), len(self.lists))
                trial = replace(self, tuning=Tuning(n_probes, factor, 0.0))
                found, _ = trial.top_n(users, best.shape[1], AllowedItems(), n_threads)
                is_found = np.stack([np.isin(b, f) for b, f in zip(best, found, strict=True)])
                tried.append(Tuning(n_probes, factor, _mean_recall(is_found)))
                if _is_enough(is_found, target_recall):
                    return replace(self, tuning=tried[-1])
        most = max(tried, key=lambda tuning: tuning.recall)
        warnings.warn(
            f"The codes reach a recall of {most.recall:.3f}, not target_recall={target_recall}. Ranking by the vectors "
            "(keep_vectors=True) or a finer quantizer reaches more.",
            stacklevel=4,
        )
        return replace(self, tuning=most)

    def top_n(self, users: Float32, n: int, allowed: AllowedItems, n_threads: int) -> tuple[Int64, Float32]:
        """Return positions and scores of the `n` best allowed items in the visited lists, as `ExactSearch.top_n` does.

        If these lists hold fewer than `n` items for a user, the search visits more lists for this user, up to all.
        """
        n_probes, factor = (len(self.lists), 1) if self.tuning is None else self.tuning[:2]
        positions, scores = self._visit(users, n_probes, factor, n, allowed, n_threads)
        while n_probes < len(self.lists):
            few = np.flatnonzero(np.isneginf(scores[:, -1]))
            if not len(few):
                break
            n_probes = min(4 * n_probes, len(self.lists))
            few_users = np.ascontiguousarray(users[few])
            found = self._visit(few_users, n_probes, factor, n, allowed.of_users(few), n_threads)
            positions[few], scores[few] = found
        return positions, scores

    def _visit(
        self, users: Float32, n_probes: int, factor: int, n: int, allowed: AllowedItems, n_threads: int
    ) -> tuple[Int64, Float32]:
        """Search the `n_probes` nearest lists of each user, (n_users, d): positions and scores, (n_users, n)."""
        probes = self.lists.near(users, n_probes, n_threads)
        return self.held.find(users, probes, n, factor, allowed, n_threads)

    def to_state(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        """Return the plain values and the arrays of the search, both by name, for a file."""
        n_probes, factor, recall = self.tuning or (None, None, None)
        meta = {"n_probes": n_probes, "factor": factor, "recall": recall}
        arrays: dict[str, AnyArray] = {"centroids": self.lists.centroids, "lists": self.list_of}
        if isinstance(self.held, QuantizedLists):
            arrays |= {"codes": self.held.codes(), "codec": self.held.quantizer.table}
        return meta, arrays

    @classmethod
    def from_state(
        cls,
        vectors: FloatVectors | None,
        quantizer: str | None,
        meta: dict[str, Any],
        arrays: dict[str, AnyArray],
        *,
        reranks: bool,
    ) -> Self:
        """Build the search from the state of `to_state`, which may come from a damaged file.

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
            return cls(lists, list_of, VectorLists(vectors, lists, list_of), tuning)
        trained, codes = Quantizer(quantizer, lists.width, arrays["codec"]), arrays["codes"]
        if codes.dtype != np.uint8 or codes.shape != (len(list_of), trained.code_size):
            raise ValueError(f"codes of shape {codes.shape} and type {codes.dtype} for {len(list_of)} items")
        held = QuantizedLists(trained, codes, lists, list_of, vectors if reranks else None)
        return cls(lists, list_of, held, tuning)


def _checked_tuning(meta: dict[str, Any], n_lists: int) -> Tuning | None:
    n_probes, factor, recall = meta["n_probes"], meta.get("factor", 1), meta["recall"]
    if n_probes is None and recall is None:
        return None
    if type(n_probes) is not int or not 1 <= n_probes <= n_lists:
        raise ValueError(f"n_probes of {n_probes!r} for {n_lists} lists")
    if type(factor) is not int or not 1 <= factor <= max(QuantizedLists.FACTORS):
        raise ValueError(f"a factor of {factor!r}")
    if type(recall) is not float or not 0 <= recall <= 1:
        raise ValueError(f"a recall of {recall!r}")
    return Tuning(n_probes, factor, recall)


def _fewest_lists(ranks: Int32, target_recall: float, n_lists: int) -> int:
    """Return the least number of lists to visit for this recall.

    `ranks`, (n_users, n), has the number of lists that come before those of the best items.
    """
    low, high = 0, n_lists  # all lists are always enough
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _is_enough(ranks < middle, target_recall) else (middle, high)
    return high


def _is_enough(is_found: Bools, target_recall: float) -> bool:
    """Return whether the mean recall of the users, (n_users, n), less two standard errors, reaches the target."""
    share: Float64 = is_found.mean(axis=1)
    return bool(share.mean() - 2 * share.std() / len(share) ** 0.5 >= target_recall)


def _mean_recall(is_found: Bools) -> float:
    """Return the mean recall of the users, from whether each of their best items was found, (n_users, n)."""
    return float(is_found.mean(axis=1).mean())
