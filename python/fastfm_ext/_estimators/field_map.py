"""Fields of the features of a model: their names, and which one each feature belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Int32
from fastfm_ext._engine.models import Fields

# Columns of which nobody says the fields are fields of their own, up to this many.
MOST_COLUMNS_AS_FIELDS = 256


@dataclass(frozen=True, eq=False)
class FieldMap:
    """The fields of a model, and the field of each feature that is known, be there parameters for it or not yet.

    Attributes
    ----------
    names : ndarray of shape (n_fields,)
        Integers or texts, ascending.
    of_feature : int32 ndarray of shape (n_known,)
        Places in `names`.
    source : object
        What it was made of, by which to tell that there is nothing new.
    """

    names: AnyArray
    of_feature: Int32
    source: Any = field(default=None, repr=False)

    @classmethod
    def of(cls, fields: Any) -> Self:
        """Take over the field of each feature, (n_known,): integers or texts.

        Raises
        ------
        ValueError
        """
        names, of_feature = np.unique(_checked(fields), return_inverse=True)
        return cls(names, of_feature.astype(np.int32), fields)

    @classmethod
    def of_columns(cls, n_features: int, names: AnyArray | None) -> Self:
        """Make each column a field of its own, of its name if it has one.

        Raises
        ------
        ValueError
            For too many columns to be meant so.
        """
        if n_features > MOST_COLUMNS_AS_FIELDS:
            raise ValueError(
                f"fields says which field each feature belongs to, and X has {n_features} features; without it, each "
                f"column is a field of its own, up to {MOST_COLUMNS_AS_FIELDS} of them. Pass fields=encoder.fields_ "
                "for rows that an FMEncoder has made, or an array with the number or the name of each feature's field."
            )
        if names is None:
            return cls(np.arange(n_features), np.arange(n_features, dtype=np.int32))
        by_name = cls.of(names)
        return cls(by_name.names, by_name.of_feature)

    def extended(self, fields: Any) -> Self:
        """Take over the fields of more features, or of the same, (n_known,).

        Raises
        ------
        ValueError
            For another field of a feature, or a field that is new.
        """
        given = _checked(fields)
        places = np.searchsorted(self.names, given).clip(max=len(self.names) - 1)
        is_known = self.names[places] == given
        if not np.all(is_known):
            new = given[np.flatnonzero(~np.atleast_1d(is_known))[0]]
            raise ValueError(
                f"fields holds the field {new.item()!r}, which the model does not have: its parameters are of "
                f"{len(self.names)} fields. Train anew with it, or begin with fields that hold it for features to come."
            )
        n_both = min(len(given), len(self.of_feature))
        changed = np.flatnonzero(places[:n_both] != self.of_feature[:n_both])
        if len(changed):
            i = int(changed[0])
            was, now = self.names[self.of_feature[i]].item(), given[i].item()
            raise ValueError(f"fields: feature {i} was of the field {was!r} and is now of {now!r}. Train anew.")
        longer = self.of_feature if n_both == len(given) else places.astype(np.int32)
        return type(self)(self.names, longer, fields)

    def first(self, n_features: int) -> Fields:
        """Return the fields of the first features as the engine has them.

        Raises
        ------
        ValueError
            If not so many features are known.
        """
        n_known = len(self.of_feature)
        if n_features > n_known:
            raise ValueError(
                f"fields holds the fields of {n_known} features, and there are {n_features}. Set those of the "
                "others behind them, as in model.set_params(fields=encoder.fields_)."
            )
        return Fields(len(self.names), np.ascontiguousarray(self.of_feature[:n_features]))

    @property
    def of_known(self) -> AnyArray:
        """The names of the fields of the known features, (n_known,)."""
        names: AnyArray = self.names[self.of_feature]
        return names

    def to_arrays(self) -> dict[str, AnyArray]:
        """Return its arrays under the names that model files have."""
        return {"field_names": self.names, "known_fields": self.of_feature}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """Undo `to_arrays`.

        Raises
        ------
        KeyError, ValueError
            For arrays that `to_arrays` did not make.
        """
        names, of_feature = arrays["field_names"], arrays["known_fields"]
        is_right = names.ndim == of_feature.ndim == 1 and names.dtype.kind in "iuU" and of_feature.dtype == np.int32
        if not is_right or not len(names) or not (names[1:] > names[:-1]).all():
            raise ValueError(f"names of fields of shape {names.shape} and type {names.dtype}")
        if len(of_feature) and not (of_feature.min() >= 0 and of_feature.max() < len(names)):
            raise ValueError(f"a feature of none of the {len(names)} fields")
        return cls(names, of_feature)


def _checked(fields: Any) -> AnyArray:
    """Return the field of each feature, (n_known,): integers or texts."""
    try:
        given: AnyArray = np.asarray(fields)
    except ValueError:  # lists of different lengths
        given = np.asarray(fields, dtype=object)
    # NumPy turns numbers of a list into texts where others are.
    if given.dtype.kind == "U" and given.ndim == 1 and not isinstance(fields, np.ndarray):
        given = np.asarray(fields, dtype=object)
    if given.dtype == object and given.ndim == 1 and all(isinstance(each, str) for each in given):
        given = given.astype(str)
    if given.ndim != 1 or given.dtype.kind not in "iuU" or not len(given):
        raise ValueError(
            "fields must hold an integer or a text for each feature, as FMEncoder.fields_ does; got an array of shape "
            f"{given.shape} and type {given.dtype}."
        )
    return given
