"""Searches for each user's best items among those not seen: exact ones and approximate ones, ours and faiss'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

from fastfm_ext import ItemIndex

from .pairs import Pair, padded

PLACES = 20
LINKS, BUILD_EF, SEARCH_EF = 32, 80, 100  # of HNSW
SHARE_OF_LISTS = 16  # one of so many lists is looked at

Found = np.ndarray
Search = Callable[[Pair, sp.csr_array], Found]


def exact(pair: Pair, seen: sp.csr_array) -> Found:
    """Search with our exact index."""
    users, items = pair
    return ItemIndex(n_jobs=-1).fit(items).search(users, PLACES, exclude=seen)[0]


def our_lists(pair: Pair, seen: sp.csr_array) -> Found:
    """Search with our approximate index, tuned to a recall of 0.95 on these users."""
    users, items = pair
    return ItemIndex("ivf").fit(items).tune(users).search(users, PLACES, exclude=seen)[0]


def faiss_flat(pair: Pair, seen: sp.csr_array) -> Found:
    """Search with faiss' exact index."""
    import faiss

    users, items = pair
    index = faiss.IndexFlatIP(items.shape[1])
    index.add(np.ascontiguousarray(items))
    return _unseen(index, users, seen, faiss.SearchParameters)


def faiss_lists(pair: Pair, seen: sp.csr_array) -> Found:
    """Search a sixteenth of faiss' lists."""
    import faiss

    users, items = pair
    n_lists = int(4 * np.sqrt(len(items)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(items.shape[1]), items.shape[1], n_lists, faiss.METRIC_INNER_PRODUCT)
    index.train(np.ascontiguousarray(items))
    index.add(np.ascontiguousarray(items))
    return _unseen(index, users, seen, faiss.SearchParametersIVF, nprobe=max(1, n_lists // SHARE_OF_LISTS))


def faiss_graph(pair: Pair, seen: sp.csr_array) -> Found:
    """Search faiss' HNSW graph of inner products."""
    import faiss

    return _graph(pair, seen, faiss.METRIC_INNER_PRODUCT)


def faiss_graph_of_padded(pair: Pair, seen: sp.csr_array) -> Found:
    """Search faiss' HNSW graph of distances, over items that are padded to one length."""
    import faiss

    return _graph(padded(*pair), seen, faiss.METRIC_L2)


def _graph(pair: Pair, seen: sp.csr_array, metric: int) -> Found:
    import faiss

    users, items = pair
    index = faiss.IndexHNSWFlat(items.shape[1], LINKS, metric)
    index.hnsw.efConstruction = BUILD_EF
    index.add(np.ascontiguousarray(items))
    return _unseen(index, users, seen, faiss.SearchParametersHNSW, efSearch=SEARCH_EF)


def _unseen(index: Any, users: np.ndarray, seen: sp.csr_array, parameters: Any, **settings: int) -> Found:
    """Search for each user among the items that are not in its row of `seen`."""
    import faiss

    found = np.empty((len(users), PLACES), dtype=np.int64)
    for row, user in enumerate(np.ascontiguousarray(users)):
        kept = np.ones(index.ntotal, dtype=bool)
        kept[seen.indices[seen.indptr[row] : seen.indptr[row + 1]]] = False
        bits = np.packbits(kept, bitorder="little")
        selector = faiss.IDSelectorBitmap(index.ntotal, faiss.swig_ptr(bits))
        found[row] = index.search(user[None], PLACES, params=parameters(sel=selector, **settings))[1][0]
    return found


ENGINES: dict[str, Search] = {
    "exact": exact,
    'ItemIndex("ivf")': our_lists,
    "faiss IndexFlatIP": faiss_flat,
    "faiss IndexIVFFlat, 1 of 16 lists": faiss_lists,
    "faiss HNSW, inner product": faiss_graph,
    "faiss HNSW, distance of padded items": faiss_graph_of_padded,
}
