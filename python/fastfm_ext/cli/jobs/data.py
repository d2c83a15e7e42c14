"""Data files of the jobs: their form, and their rows as tables or as sparse matrices with targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from fastfm_ext._common.arrays import MAX_INT32
from fastfm_ext._common.extras import require
from fastfm_ext._common.sparse import CsrRows
from fastfm_ext.cli.settings import FORMS, TEXT_FORMS, CsvSettings
from fastfm_ext.text_formats.batches import batches, first_line, read
from fastfm_ext.text_formats.names import ids_of, split_names
from fastfm_ext.text_formats.reading import Form, Ids
from fastfm_ext.text_formats.source import TextSource

if TYPE_CHECKING:
    from fastfm_ext.encoding.encoder import FMEncoder
    from fastfm_ext.streaming.csv_source import CsvSource
    from fastfm_ext.streaming.tables import ParquetSource

_ENDINGS = {
    "csv": "csv",
    "tsv": "tsv",
    "parquet": "parquet",
    "pq": "parquet",
    "libsvm": "libsvm",
    "svmlight": "libsvm",
    "svm": "libsvm",
    "libfm": "libsvm",
    "libffm": "libffm",
    "ffm": "libffm",
}
_COMPRESSIONS = (".gz", ".xz", ".bz2", ".zst")
_BATCH_ROWS = 65_536
_ANY_IDS = Ids(True, MAX_INT32)  # a model drops and counts the features that it does not know


class LabelledRows(NamedTuple):
    """Rows of text: features, (n_rows, n_features), and targets, (n_rows,), or None if the file has none.

    Those of a whole file of libffm text have a field for each value, (nnz,).
    """

    X: CsrRows
    y: NDArray[Any] | None
    fields: NDArray[Any] | None = None


@dataclass(frozen=True)
class DataFile:
    """A file and its form, one of `FORMS`."""

    path: Path
    form: str
    csv: CsvSettings

    @classmethod
    def at(cls, path: Path, form: str | None, csv: CsvSettings) -> DataFile:
        """Return the file with this form, or with the form that its name or else its first line shows."""
        return cls(path, form or _form_by_name(path) or _form_of_folder(path) or _form_by_line(path), csv)

    @property
    def is_text(self) -> bool:
        """Whether the file has numbered features, not columns."""
        return self.form in TEXT_FORMS

    def source(
        self,
        encoder: FMEncoder | None = None,
        target: str | None = None,
        weight: str | None = None,
        types: dict[str, str] | None = None,
    ) -> CsvSource | ParquetSource:
        """Return a source of the rows of a table.

        Parameters
        ----------
        encoder : FMEncoder, optional
            Knows which columns are read as numbers.
        target, weight : str, optional
        types : dict of str to str, optional
            Types of columns of CSV by their name in Arrow.
        """
        from fastfm_ext.streaming.csv_source import CsvSource
        from fastfm_ext.streaming.tables import ParquetSource

        if self.form == "parquet":
            return ParquetSource(self.path, encoder, target=target or "", sample_weight=weight)
        arrow = require("pyarrow", "arrow")
        return CsvSource(
            self.path,
            encoder,
            target=target or "",
            sample_weight=weight,
            types={name: arrow.type_for_alias(kind) for name, kind in (types or {}).items()},
            delimiter="\t" if self.form == "tsv" else ",",
            missing=self.csv.missing,
            names=self.csv.names,
            header=not self.csv.no_header,
        )

    def read_rows(self) -> LabelledRows:
        """Read text to train on; an id is the number of its feature."""
        return LabelledRows(*read(TextSource(self.path), self._lines(labels=True), Ids(True, None)))

    def iter_rows(self, n_features: int) -> Iterator[tuple[LabelledRows, int]]:
        """Read text in batches for a model of `n_features`, each with the number of values of unknown features.

        The first line shows whether the file has labels.
        """
        lines = self._lines(labels=self.has_labels())
        for X, y, *_ in batches(TextSource(self.path), lines, _ANY_IDS, _BATCH_ROWS):
            known, n_unknown = X.to_width(n_features)
            yield LabelledRows(known, y), n_unknown

    def read_named_rows(self, n_features: int) -> tuple[Any, list[Any]]:
        """Read text for a model of `n_features`; return the rows with their labels as written, or their numbers.

        Raises
        ------
        ValueError
            If there are no rows.
        """
        labels = self.has_labels()
        names, text = split_names(self.path) if labels else ([], self.path)
        X = read(TextSource(text), self._lines(labels=labels), _ANY_IDS)[0]
        if not X.shape[0]:
            raise ValueError(f"{self.path}: there are no rows in this file")
        return X.to_width(n_features)[0].to_scipy(), list(ids_of(names)) if labels else list(range(X.shape[0]))

    def _lines(self, *, labels: bool) -> Form:
        return Form(has_fields=self.form == "libffm", has_labels=labels)

    def has_labels(self) -> bool:
        """Whether the first line of the text begins with a label."""
        words = first_line(self.path).split()
        return not words or b":" not in words[0] or words[0].startswith(b"qid:")


def check_text(path: Path, n_rows: int, n_features: int) -> None:
    """Raise ValueError for text without rows or features, which nothing can be learned from."""
    if not (n_rows and n_features):
        what = "values: a line is a label with features behind it" if n_rows else "rows"
        raise ValueError(f"{path}: there are no {what}")


def _form_by_name(path: Path) -> str | None:
    name = path.with_suffix("") if path.suffix in _COMPRESSIONS else path
    return _ENDINGS.get(name.suffix.removeprefix(".").lower())


def _form_of_folder(path: Path) -> str | None:
    """Return the form of the files in a folder, or None for a file.

    Raises
    ------
    ValueError
        If they have several forms, or none that is known.
    """
    if not path.is_dir():
        return None
    forms = {form for entry in path.rglob("*") if entry.is_file() and (form := _form_by_name(entry)) is not None}
    if len(forms) != 1:
        found = f"{' and '.join(sorted(forms))} files" if forms else "no file with a known ending"
        raise ValueError(f"{path}: {found} in this folder; say --format {'|'.join(FORMS)}")
    return forms.pop()


def _form_by_line(path: Path) -> str:
    words = first_line(path).split()
    colons = max((word.count(b":") for word in words if not word.startswith(b"qid:")), default=0)
    if colons in (1, 2) and b"," not in words[0]:
        return "libsvm" if colons == 1 else "libffm"
    raise ValueError(f"{path}: neither its name nor its first line tells what it is; say --format {'|'.join(FORMS)}")
