"""Names of what explains a recommendation."""

from __future__ import annotations

from fastfm_ext._common.arrays import AnyArray, object_array


def names_of_history(user: str, item: str, ids: AnyArray) -> AnyArray:
    """Return names of the items of histories, (n_items,), as features of a user: as `implicit` names them."""
    return object_array([f"{user} has {item}={one}" for one in ids.tolist()])
