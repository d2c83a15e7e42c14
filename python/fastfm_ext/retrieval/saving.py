"""Saved form of an index: plain values and arrays, as a model file keeps them."""

from __future__ import annotations

from typing import Any

from fastfm_ext._common.arrays import AnyArray, FloatVectors
from fastfm_ext.retrieval.ids import as_id_array
from fastfm_ext.retrieval.items import Items
from fastfm_ext.retrieval.ivf.search import IvfSearch


def state_of(items: Items) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """Return the plain values and the arrays of an index, both by name."""
    meta: dict[str, Any] = {}
    arrays: dict[str, AnyArray] = {} if items.vectors is None else {"vectors": items.vectors}
    if "ivf" in items.searches:
        meta["ivf"], ivf_arrays = items.searches["ivf"].to_state()
        arrays |= ivf_arrays
    if items.ids.dtype == object:
        meta["ids"] = items.ids.tolist()
    else:
        arrays["ids"] = items.ids
    return meta, arrays


def items_of(
    meta: dict[str, Any],
    arrays: dict[str, AnyArray],
    vectors: FloatVectors | None,
    kind: str,
    quantizer: str | None,
    *,
    reranks: bool,
) -> Items:
    """Return the items that `state_of` was given, for an index of this kind and quantizer.

    `vectors` are those of `arrays`, checked.

    Raises
    ------
    KeyError, TypeError, ValueError
        If the state is not one of `state_of`.
    """
    ids = as_id_array(arrays["ids"] if "ids" in arrays else meta["ids"])
    if kind != "ivf":
        assert vectors is not None  # only a quantizer allows keep_vectors=False
        return Items.of(vectors, vectors.shape[1], ids, len(vectors))
    ivf = IvfSearch.from_state(vectors, quantizer, meta["ivf"], arrays, reranks=reranks)
    return Items.of(vectors, ivf.lists.width, ids, len(ivf.list_of), {"ivf": ivf})
