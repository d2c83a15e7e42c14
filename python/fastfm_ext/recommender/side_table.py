"""Side table of users or items: the columns that describe them, joined to events by id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Int64, object_array
from fastfm_ext._common.checks import errors_that_name
from fastfm_ext._tables.column import Column
from fastfm_ext._tables.read import as_table, column_names, read_columns
from fastfm_ext._tables.taken_column import TakenColumn
from fastfm_ext.encoding.columns.base import ColumnSpec
from fastfm_ext.encoding.columns.categorical import Categorical
from fastfm_ext.encoding.declare import checked_specs
from fastfm_ext.encoding.infer import infer_specs
from fastfm_ext.recommender.interactions import positions_in
from fastfm_ext.retrieval.ids import IdPositions, as_id_array, positions_by_id

# Columns that name an item to people, where nobody says which one does.
TITLES = ("title", "name")


@dataclass(frozen=True)
class SideTable:
    """The rows of users or of items, one each.

    Attributes
    ----------
    argument : str
        What users call it, for messages.
    id_name : str
        Column of the ids.
    columns : dict of str to Column
        The others, of n_rows rows.
    ids : ndarray of shape (n_rows,)
    """

    argument: str
    id_name: str
    columns: dict[str, Column]
    ids: AnyArray

    @classmethod
    def read(cls, table: Any, id_name: str, argument: str, names: Sequence[str] | None = None) -> Self:
        """Read a table with a row for each id; all columns whose names are text, or those named.

        Raises
        ------
        TypeError, ValueError
            If it is no table, lacks the column of ids or another one, or an id is missing or there twice.
        """
        # Set as the index, ids are no column of pandas.
        if getattr(getattr(table, "index", None), "name", None) == id_name and hasattr(table, "reset_index"):
            table = table.reset_index()
        with errors_that_name(argument):
            table = as_table(table)
        present = [name for name in column_names(table) if isinstance(name, str)]
        if id_name not in present:
            listed = ", ".join(present) or "no columns"
            raise ValueError(
                f"{argument} has no column {id_name!r}, by which it is joined to the events; it has {listed}. Give the "
                "column of ids the same name in both."
            )
        with errors_that_name(argument):
            columns = read_columns(table, [id_name, *(present if names is None else names)], may_be_empty=True)[0]
            rows, distinct = positions_in(columns[id_name], argument)
            if len(distinct) < len(rows):
                twice = distinct.tolist()[int(np.argmax(np.bincount(rows)))]
                raise ValueError(f"{argument} has more than one row of {id_name}={twice!r}; it needs one row each.")
        ids = distinct[rows]
        return cls(argument, id_name, {name: column for name, column in columns.items() if name != id_name}, ids)

    @classmethod
    def of_events(cls, columns: dict[str, Column], codes: Int64, ids: AnyArray, id_name: str) -> Self:
        """Take from each id's first event, whose ids are `ids[codes]`, the columns that describe it."""
        first = np.unique(codes, return_index=True)[1].astype(np.int64)
        return cls("events", id_name, {name: TakenColumn(column, first) for name, column in columns.items()}, ids)

    @property
    def position(self) -> IdPositions:
        """Row of each id."""
        return positions_by_id(self.ids)

    def rows_of(self, ids: AnyArray) -> Int64:
        """Return the row of each id, (n,), -1 where there is none.

        Raises
        ------
        ValueError
            If none is found, and their kinds never meet.
        """
        wanted = ids.tolist()
        found = self.position.find(wanted, f"column {self.id_name!r}", f"of {self.argument}") if wanted else []
        return np.array(found, dtype=np.int64)

    def columns_for(self, ids: AnyArray) -> dict[str, Any]:
        """Return the columns of these ids, (n,), with their ids: a table that `FMEncoder` reads."""
        rows = self.rows_of(ids)
        taken: dict[str, Any] = {name: TakenColumn(column, rows) for name, column in self.columns.items()}
        return taken | {self.id_name: ids}

    def titles_of(self, ids: AnyArray, title: str | None) -> AnyArray | None:
        """Return the titles (n,) of ids, None where one has none; None without a column of titles."""
        if title is None or title not in self.columns:
            return None
        codes, values, _ = TakenColumn(self.columns[title], self.rows_of(ids)).coded
        return object_array([*values.tolist(), None])[codes]

    def title_column(self, title: str | None, taken: Sequence[str]) -> str | None:
        """Return the column of titles: the one that is named, or else one that is called so and not `taken`.

        Raises
        ------
        ValueError
            If there is no such column, or an answer has another of its name.
        """
        if title is None:
            return next((name for name in TITLES if name in self.columns and name not in taken), None)
        if title in taken and title != self.id_name:
            raise ValueError(f"title={title!r}: an answer has another column of this name; rename one.")
        if title != self.id_name and title not in self.columns:
            raise ValueError(f"title={title!r} is not a column of {self.argument}; it has {self._listed()}.")
        return None if title == self.id_name else title

    def specs(self, group: str, given: Any, title: str | None) -> list[ColumnSpec]:
        """Return how to encode the side: as given behind the id, or by what the columns hold.

        Parameters
        ----------
        group : {"user", "item"}
        given : str or list of column specs
            The column of ids alone; or a list of specs, of which the first is that of the ids.
        title : str or None
            A column that is no feature unless a spec says so.

        Raises
        ------
        ValueError
            If a spec is of a column that is not there.
        """
        if isinstance(given, str):
            others = [column for name, column in self.columns.items() if name != title]
            with errors_that_name(self.argument):
                return [Categorical(self.id_name), *infer_specs(others)]
        specs = checked_specs(group, given)
        for spec in specs:
            unknown = [name for name in spec.columns if name != self.id_name and name not in self.columns]
            if unknown:
                raise ValueError(f"{group}: {self.argument} has no column {unknown[0]!r}; it has {self._listed()}.")
        return specs

    def _listed(self) -> str:
        return ", ".join([self.id_name, *self.columns])


def id_column(group: str, given: Any) -> str:
    """Return the column of ids: the name itself, or that of the first spec.

    Raises
    ------
    TypeError, ValueError
        If it is neither, or the first spec is of several columns.
    """
    if isinstance(given, str):
        return given
    specs = checked_specs(group, given)
    if not specs or len(specs[0].columns) != 1:
        raise ValueError(
            f"{group} must name the column of the {group}s' ids, alone or as the first of a list of column specs; got "
            f"{given!r}."
        )
    return specs[0].columns[0]


def as_ids(values: Any, argument: str) -> AnyArray:
    """Return ids (n,) of a user's argument, or raise an error that names it."""
    with errors_that_name(argument):
        return as_id_array(values)
