"""Fields of features, from those that libffm text gives each value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastfm_ext._common.arrays import Int32


def fields_of_features(X: Any, fields: ArrayLike) -> Int32:
    r"""Return the field of each feature, as `FFMClassifier` asks for, from those of the values of libffm text.

    Parameters
    ----------
    X : csr_array of shape (n_rows, n_features)
    fields : array-like of shape (X.nnz,)
        As `read_libffm` returns both.

    Returns
    -------
    ndarray of shape (n_features,), int32
        A feature without values is of the least field.

    Raises
    ------
    ValueError
        For a feature that has two fields, as ids have that were hashed without their field: number the features of each
        field apart.

    Examples
    --------
    >>> from fastfm_ext.text_formats import fields_of_features, read_libffm
    >>> X, y, fields = read_libffm(b"1 0:0:1 1:2:1\n0 0:1:1 1:2:1\n")
    >>> fields_of_features(X, fields).tolist()
    [0, 0, 1]
    """
    return fields_of_batches([(X, fields)])


def fields_of_batches(batches: Iterable[tuple[Any, ArrayLike]]) -> Int32:
    """Return what `fields_of_features` returns for all batches together; the widest has all features."""
    found = np.full(0, -1, dtype=np.int64)
    for X, given in batches:
        fields, missing = np.asarray(given, dtype=np.int64), X.shape[1] - len(found)
        if fields.shape != (X.nnz,):
            raise ValueError(f"fields must hold a field for each of the {X.nnz} values; got the shape {fields.shape}.")
        found = np.concatenate([found, np.full(missing, -1)]) if missing > 0 else found
        before = found[X.indices]
        found[X.indices] = fields
        changed = np.flatnonzero((found[X.indices] != fields) | ((before >= 0) & (before != fields)))
        if len(changed):
            at = int(changed[0])
            others = {int(before[at]), int(found[X.indices[at]])} - {-1, int(fields[at])}
            raise ValueError(
                f"feature {X.indices[at]} is of field {fields[at]} and of field {min(others)}, and must be of one: "
                "number the features of each field apart, as hashed ids need their field in what is hashed."
            )
    least = int(found[found >= 0].min(initial=np.iinfo(np.int32).max)) if (found >= 0).any() else 0
    fields_: Int32 = np.where(found < 0, least, found).astype(np.int32)
    return fields_
