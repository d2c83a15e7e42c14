"""Columns of a table to train on and how to encode them, from the command line or a TOML file."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from fastfm_ext.encoding.encoder import FMEncoder

SIDES = ("user", "item", "context")
# Functions of `encoding.declare` that make column specs.
KINDS = ("binned", "categorical", "crossed", "hashed", "implicit", "multi", "numeric")
# The comma before the next option, and not one that is a value, as in sep=,
_NEXT_OPTION = re.compile(r",(?=[A-Za-z_]+=)")


@dataclass(frozen=True)
class TableColumns:
    """Columns by their role; user, item and context hold names and column specs, as `FMEncoder` takes them."""

    target: str | None = None
    weight: str | None = None
    user: Sequence[Any] = ()
    item: Sequence[Any] = ()
    context: Sequence[Any] = ()

    @property
    def has_features(self) -> bool:
        """Whether a column to learn from is named."""
        return bool(self.user or self.item or self.context)

    @property
    def is_given(self) -> bool:
        """Whether a column is named."""
        return self.has_features or self.target is not None or self.weight is not None

    @property
    def user_names(self) -> list[str]:
        """Names of the columns that describe users, each once."""
        return _names(self.user)

    @property
    def context_names(self) -> list[str]:
        """Names of the columns that describe the situation, each once."""
        return _names(self.context)

    @property
    def item_names(self) -> list[str]:
        """Names of the columns that describe items, each once."""
        return list(dict.fromkeys(name for spec in self.item for name in getattr(spec, "columns", (spec,))))

    def encoder(self) -> FMEncoder:
        """Return an encoder of these columns, not fitted."""
        from fastfm_ext.encoding.encoder import FMEncoder  # here, so that `--help` need not wait for it

        return FMEncoder(user=list(self.user), item=list(self.item), context=list(self.context))

    @property
    def used(self) -> list[str] | None:
        """Names of the columns that are read, each once; None for all."""
        if not self.has_features:
            return None
        names = _names([*self.user, *self.item, *self.context])
        return list(dict.fromkeys([*names, *(name for name in (self.target, self.weight) if name is not None)]))

    def check(self, names: Sequence[str], file: str) -> None:
        """Check the columns against those of a file.

        Raises
        ------
        ValueError
            If the target is not named, a column is not in the file, or the target is also a feature.
        """
        listed = ", ".join(names)
        for option, column in (("--target", self.target), ("--weight", self.weight)):
            if column is not None and column not in names:
                raise ValueError(f"{option} {column}: {file} has no such column; it has {listed}")
        if self.target is None:
            raise ValueError(f"--target: which column of {file} to predict? It has {listed}")
        if self.target == self.weight:
            raise ValueError(f"--target {self.target}: this column is the --weight, too")
        for side in SIDES:
            for column in _names(getattr(self, side)):
                if column not in names:
                    raise ValueError(f"--{side} {column}: {file} has no such column; it has {listed}")
                if column == self.target:
                    raise ValueError(
                        f"--{side} {column}: this column is the target, which is not known when predicting"
                    )

    def filled_in(self, table: pa.Table, name: str, *, is_part: bool = False) -> TableColumns:
        """Return the columns to use of this table, after `check`.

        If no feature is named, all other columns are context, encoded by their types as `FMEncoder` does.
        Of a table that `is_part` of a longer one, the types of the columns alone are looked at.

        Raises
        ------
        ValueError
            As for `check`, or if there is no other column.
        """
        self.check(table.column_names, name)
        if self.has_features:
            return self
        rest = [column for column in table.column_names if column not in (self.target, self.weight)]
        if not rest:
            raise ValueError(f"{name} has no column but the target {self.target!r} to learn from")
        from fastfm_ext.encoding.infer import infer_specs_of

        return TableColumns(self.target, self.weight, context=infer_specs_of(table, rest, is_part=is_part))


def _names(specs: Sequence[Any]) -> list[str]:
    """Return the names of the columns that these specs read in fit, each once."""
    return list(dict.fromkeys(name for spec in specs for name in getattr(spec, "columns_to_fit", (spec,))))


def parse_column(text: str) -> Any:
    """Return the column spec of ``name``, ``name:kind`` or ``name:kind:option=value,option=value``.

    Raises
    ------
    ValueError
        For an unknown kind or option, or a word that is none.
    """
    name, _, rest = text.partition(":")
    kind, _, options = rest.partition(":")
    entry: dict[str, Any] = {"column": name, "kind": kind or "category"}
    for pair in _NEXT_OPTION.split(options) if options else []:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise ValueError(f"column {name!r}: {pair!r} is no OPTION=VALUE")
        entry[key] = _separator(value) if key == "sep" else _plain(value)
    return column_of(entry)


def column_of(entry: Any) -> Any:
    """Return the column spec of a name, or of a table such as ``{column = "genres", kind = "multi", sep = "|"}``.

    Raises
    ------
    ValueError
        If the entry is neither, or a kind or option is unknown.
    """
    if isinstance(entry, str):
        return entry
    if not isinstance(entry, dict) or not isinstance(entry.get("column"), str) or not entry["column"]:
        raise ValueError(f'a column is a name or a table like {{column = "age", kind = "numeric"}}, not {entry!r}')
    options = {key: value for key, value in entry.items() if key not in ("column", "kind")}
    kind = entry.get("kind", "category")
    if kind == "category" and not options:
        return entry["column"]
    if kind not in KINDS:
        raise ValueError(f"column {entry['column']!r}: {kind!r} is not one of category, {', '.join(KINDS)}")
    from fastfm_ext.encoding import declare

    make = getattr(declare, kind)
    known = list(inspect.signature(make).parameters)[1:]
    for option in options:
        if option not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise ValueError(f"column {entry['column']!r}: {kind} has no option {option!r}; {has}")
    try:
        return make(entry["column"], **options)
    except TypeError as error:
        raise ValueError(f"column {entry['column']!r}: {error}") from error


def _separator(text: str) -> str | None:
    """Return what separates values: the text as it is, but a tab for a backslash and t, as shells leave them."""
    return None if text.lower() == "none" else text.replace("\\t", "\t")


def _plain(text: str) -> Any:
    """Return the number, bool or None that the text stands for, or the text itself."""
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            pass
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def read_config(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the tables ``columns`` and ``settings`` of a TOML file.

    Raises
    ------
    ValueError
        If the file is not TOML, or has other tables or names.
    """
    import tomllib

    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a TOML file: {error}") from error
    unknown = [name for name in content if name not in ("columns", "settings") or not isinstance(content[name], dict)]
    if unknown:
        raise ValueError(f"{path}: there is no place for {unknown[0]!r}; only for tables [columns] and [settings]")
    columns = dict(content.get("columns", {}))
    known = {"target", "weight", *SIDES}
    if columns.keys() - known:
        raise ValueError(
            f"{path}: [columns] has {min(columns.keys() - known)!r}; it can have {', '.join(sorted(known))}"
        )
    for name, value in columns.items():
        if not isinstance(value, list if name in SIDES else str):
            raise ValueError(
                f"{path}: {name} in [columns] must be {'a list' if name in SIDES else 'a name'}, not {value!r}"
            )
    for side in SIDES:
        columns[side] = [column_of(entry) for entry in columns.get(side, [])]
    return columns, dict(content.get("settings", {}))
