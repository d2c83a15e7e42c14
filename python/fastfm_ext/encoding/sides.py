"""Sides of a table: which of an encoder's column specs describe the user, the item, or the row as a whole."""

from typing import Any, Literal

from fastfm_ext.encoding.columns.base import ColumnSpec
from fastfm_ext.encoding.columns.categorical import Categorical
from fastfm_ext.encoding.declare import checked_specs

Side = Literal["user", "item"]
# The columns of a table without users and items are a group of their own.
GROUPS = ("user", "item", "context", "columns")
# The context of a request is known together with the user, before any item is.
GROUPS_OF_SIDE: dict[Side | None, tuple[str, ...]] = {
    None: GROUPS,
    "user": ("user", "context", "columns"),
    "item": ("item",),
}


def given_specs(lists: dict[str, Any]) -> list[tuple[str, ColumnSpec]] | None:
    """Return the specs that the user gave, each with its group; None if there is no list at all.

    Raises
    ------
    TypeError
        If something is no list of specs.
    ValueError
        If there are lists but no columns, or `columns` beside the others.
    """
    if all(specs is None for specs in lists.values()):
        return None
    specs = [(group, spec) for group in GROUPS for spec in checked_specs(group, lists[group])]
    if not specs:
        raise ValueError(
            "FMEncoder has no columns to encode: name some, or give no list to have all columns encoded by their types"
        )
    if len({group == "columns" for group, _ in specs}) == 2:
        raise ValueError("columns is for tables without users and items: give either columns, or user, item, context")
    return specs


def lists_of(groups: list[str], specs: list[ColumnSpec]) -> dict[str, list[str | ColumnSpec]]:
    """Undo `given_specs`: return the lists of the groups that have columns."""
    lists: dict[str, list[str | ColumnSpec]] = {}
    for group, spec in zip(groups, specs, strict=True):
        if group not in GROUPS:
            raise ValueError(f"a column of the side {group!r}; there are {', '.join(GROUPS)}")
        lists.setdefault(group, []).append(spec.name if spec == Categorical(spec.name) else spec)
    return lists
