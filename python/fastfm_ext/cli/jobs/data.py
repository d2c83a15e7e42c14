"""Data files of the jobs: their form, and their rows as tables or as sparse matrices with targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray
from scipy import sparse

from fastfm_ext._common.arrays import MAX_INT32
from fastfm_ext._common.extras import require
from fastfm_ext.cli.settings import FORMS, TEXT_FORMS, CsvSettings
from fastfm_ext.streaming.csv_source import CsvSource
from fastfm_ext.streaming.tables import ParquetSource
from fastfm_ext.text_formats.batches import first_line
from fastfm_ext.text_formats.names import ids_of, split_names
from fastfm_ext.text_formats.whole_files import iter_libffm, iter_libsvm, read_libffm, read_libsvm

if TYPE_CHECKING:
    from fastfm_ext.encoding.encoder import FMEncoder

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


class LabelledRows(NamedTuple):
    """Rows of text: features, (n_rows, n_features), and targets, (n_rows,), or None if the file has none.

    Those of a whole file of libffm text have a field for each value, (nnz,).
    """

    X: sparse.csr_array
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
        if self.form != "libffm":
            return LabelledRows(*read_libsvm(self.path, zero_based=True))
        X, y, fields = read_libffm(self.path, zero_based=True)
        return LabelledRows(X, y, fields)

    def iter_rows(self, n_features: int) -> Iterator[tuple[LabelledRows, int]]:
        """Read text in batches for a model of `n_features`, each with the number of values of unknown features.

        The first line shows whether the file has labels.
        """
        iterate = iter_libffm if self.form == "libffm" else iter_libsvm
        # As wide as possible: `of_width` drops and counts the features that the model does not know.
        options: dict[str, Any] = {"n_features": MAX_INT32, "zero_based": True, "batch_rows": _BATCH_ROWS}
        for X, y, *_ in iterate(self.path, labels=self.has_labels(), **options):
            known, n_unknown = of_width(X, n_features)
            yield LabelledRows(known, y), n_unknown

    def read_named_rows(self, n_features: int) -> tuple[sparse.csr_array, list[Any]]:
        """Read text for a model of `n_features`; return the rows with their labels as written, or their numbers.

        Raises
        ------
        ValueError
            If there are no rows.
        """
        read = read_libffm if self.form == "libffm" else read_libsvm
        labels = self.has_labels()
        names, text = split_names(self.path) if labels else ([], self.path)
        X = read(text, n_features=MAX_INT32, labels=labels)[0]
        if not X.shape[0]:
            raise ValueError(f"{self.path}: there are no rows in this file")
        return of_width(X, n_features)[0], list(ids_of(names)) if labels else list(range(X.shape[0]))

    def has_labels(self) -> bool:
        """Whether the first line of the text begins with a label."""
        words = first_line(self.path).split()
        return not words or b":" not in words[0] or words[0].startswith(b"qid:")


def of_width(X: sparse.csr_array, n_features: int) -> tuple[sparse.csr_array, int]:
    """Return rows, (n_rows, any), cut to (n_rows, n_features), and the number of values that this leaves out."""
    n_unknown = int((X.indices >= n_features).sum())
    if n_unknown:
        return sparse.csr_array(X[:, :n_features]), n_unknown
    return sparse.csr_array((X.data, X.indices, X.indptr), shape=(X.shape[0], n_features)), 0


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
