"""Names of an encoder's fields: the columns', told apart where a column is encoded in several ways."""

from collections.abc import Sequence

from fastfm_ext.encoding.columns.base import ColumnSpec


def field_names(specs: Sequence[ColumnSpec]) -> list[str]:
    """Name each field after its column; where that name is taken, after its kind as well: ``"binned(age)"``.

    Raises
    ------
    ValueError
        If a column is given twice in the same way.
    """
    names: list[str] = []
    long_names = [f"{spec.written_as}({spec.name})" for spec in specs]
    of_columns = {spec.name for spec in specs}
    for number, (spec, long_name) in enumerate(zip(specs, long_names, strict=True)):
        if long_name in long_names[:number] or (spec.name in names and long_name in of_columns):
            raise ValueError(
                f"column {spec.name!r} is given twice as {spec.written_as}; give it once, or in ways that differ, such "
                "as numeric and binned"
            )
        names.append(long_name if spec.name in names else spec.name)
    return names
