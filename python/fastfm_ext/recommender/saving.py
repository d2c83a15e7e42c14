"""Saved form of what a recommender knows: plain values and arrays, as a model file keeps them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from scipy import sparse

from fastfm_ext._common.arrays import AnyArray, object_array
from fastfm_ext._validation.matrices import rebuilt
from fastfm_ext.recommender.known import EventColumns, Known
from fastfm_ext.recommender.result_table import KINDS
from fastfm_ext.recommender.roster import Roster
from fastfm_ext.retrieval.ids import as_id_array


def state_of(known: Known) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """Return the plain values and the arrays, both by name."""
    meta: dict[str, Any] = {"columns": asdict(known.columns), "shapes": {}}
    arrays: dict[str, AnyArray] = {"trained": known.trained, "n_trained_on": known.n_trained_on}
    matrices = {"X_user": known.users.X, "X_item": known.items.X, "interactions": known.interactions}
    for name, matrix in matrices.items():
        meta["shapes"][name] = list(matrix.shape)
        arrays |= {f"{name}_{part}": getattr(matrix, part) for part in ("data", "indices", "indptr")}
    for name, roster in (("users", known.users), ("items", known.items)):
        if roster.ids.dtype == object:
            meta[name] = roster.ids.tolist()
        else:
            arrays[name] = roster.ids
    if known.items.titles is not None:
        meta["titles"] = known.items.titles.tolist()
    arrays["folded_users"] = np.array(list(known.folded), dtype=np.int64)
    if known.folded:
        arrays["folded_vectors"] = np.stack(list(known.folded.values()))
    if known.in_histories is not None:
        arrays["in_histories"] = known.in_histories
    return meta, arrays


def known_of(meta: dict[str, Any], arrays: dict[str, AnyArray]) -> Known:
    """Undo `state_of`.

    Raises
    ------
    KeyError, TypeError, ValueError
        For a state that `state_of` did not make.
    """
    columns = EventColumns(**meta["columns"])
    names = (columns.user, columns.item, *columns.context)
    if columns.kind not in KINDS or not all(isinstance(name, str) for name in names):
        raise ValueError(f"columns {columns!r}")
    matrices = {name: _matrix(name, shape, arrays) for name, shape in meta["shapes"].items()}
    titles = object_array(meta["titles"]) if "titles" in meta else None
    users = Roster(columns.user, _ids("users", meta, arrays), matrices["X_user"])
    items = Roster(columns.item, _ids("items", meta, arrays), matrices["X_item"], titles)
    shape = len(users), len(items)
    interactions = matrices["interactions"]
    _check(users.X.shape[0] == shape[0] and items.X.shape[0] == shape[1], "features of other users or items")
    _check(interactions.shape == shape, "interactions of another shape")
    _check(titles is None or len(titles) == len(items), "titles of other items")
    trained, n_trained_on = arrays["trained"], arrays["n_trained_on"]
    _check(trained.dtype == bool and trained.shape == users.X.shape[1:] == items.X.shape[1:], "other features")
    _check(n_trained_on.dtype == np.int64 and n_trained_on.shape == shape[:1], "counts of other users")
    at = arrays["folded_users"]
    _check(at.dtype == np.int64 and bool(((at >= 0) & (at < shape[0])).all()), "folded users that are not there")
    vectors = arrays["folded_vectors"] if len(at) else np.zeros((0, 1), np.float32)
    _check(vectors.dtype == np.float32 and vectors.ndim == 2 and len(vectors) == len(at), "other folded vectors")
    folded = dict(zip(at.tolist(), vectors, strict=True))
    in_histories = arrays.get("in_histories")
    if in_histories is not None:
        _check(in_histories.dtype == np.int64 and in_histories.ndim == 1, "items of histories of another kind")
        _check(bool(((in_histories >= 0) & (in_histories < shape[1])).all()), "items of histories that are not there")
    users.position, items.position  # noqa: B018 (raises an error where an id is there twice)
    return Known(columns, users, items, interactions, trained, n_trained_on, folded, in_histories)


def _matrix(name: str, shape: Any, arrays: dict[str, AnyArray]) -> sparse.csr_array:
    parts = tuple(arrays[f"{name}_{part}"] for part in ("data", "indices", "indptr"))
    matrix: sparse.csr_array = rebuilt(sparse.csr_array(parts, shape=tuple(shape)))
    return matrix


def _ids(name: str, meta: dict[str, Any], arrays: dict[str, AnyArray]) -> AnyArray:
    return as_id_array(arrays[name] if name in arrays else meta[name])


def _check(is_so: bool, what: str) -> None:
    if not is_so:
        raise ValueError(what)
