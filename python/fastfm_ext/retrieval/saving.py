"""What a file keeps of an index, and the index that comes of it."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from fastfm_ext._validation.vectors import check_matrix
from fastfm_ext.retrieval.ids import as_id_array
from fastfm_ext.retrieval.items import Items
from fastfm_ext.retrieval.ivf.search import IvfSearch


def state_of(items: Items) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Return plain values, and arrays by name."""
    meta: dict[str, Any] = {}
    arrays: dict[str, npt.NDArray[Any]] = {} if items.vectors is None else {"vectors": items.vectors}
    if "ivf" in items.searches:
        meta["ivf"], ivf_arrays = items.searches["ivf"].to_state()
        arrays |= ivf_arrays
    if items.ids.dtype == object:
        meta["ids"] = items.ids.tolist()
    else:
        arrays["ids"] = items.ids
    return meta, arrays


def items_of(
    meta: dict[str, Any], arrays: dict[str, npt.NDArray[Any]], kind: str, quantizer: str | None, *, keeps_vectors: bool
) -> Items:
    """Undo `state_of`, for an index with these parameters.

    Raises
    ------
    KeyError, TypeError, ValueError
        For a state that `state_of` did not make.
    """
    ids = as_id_array(arrays["ids"] if "ids" in arrays else meta["ids"])
    vectors = None
    if keeps_vectors or "vectors" in arrays:
        vectors = check_matrix(arrays["vectors"], "vectors")
    if kind != "ivf":
        assert vectors is not None  # only codes can be without
        return Items.of(vectors, vectors.shape[1], ids, len(vectors))
    ivf = IvfSearch.from_state(vectors, quantizer, meta["ivf"], arrays, reranks=keeps_vectors)
    return Items.of(vectors, ivf.lists.width, ids, len(ivf.list_of), {"ivf": ivf})
