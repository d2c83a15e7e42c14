"""Sources of batches from text: libsvm and libffm files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal

from fastfm_ext._common.arrays import Int32
from fastfm_ext.streaming.files import BatchParts, FileSource, Paths
from fastfm_ext.text_formats.batches import checked_ids
from fastfm_ext.text_formats.fields import fields_of_batches
from fastfm_ext.text_formats.whole_files import iter_libffm, iter_libsvm, scan_text

_COMPRESSED = ("", ".gz", ".xz", ".bz2", ".zst")


class LibsvmSource(FileSource):
    r"""Batches from libsvm text, for `fit_stream`; see `fastfm_ext.text_formats.iter_libsvm`.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        A file (also compressed), several, or a folder, of which every ``*.libsvm``, ``*.svm``, ``*.libfm`` and
        ``*.txt`` is read, in the order of the names.
    n_features : int, optional
        Columns of X. Without it each file is read once before its first batch to find out, and the model grows from
        file to file.
    zero_based : bool or "auto", default=True
        Whether id 0 is the first column, or id 1. By default an id is the number of its column. "auto" decides for all
        files together, after reading them once: ids begin at 1 if none of them is 0. It does not go with `n_features`.
    batch_rows : int, default=65_536
        Rows of a batch.

    Attributes
    ----------
    paths : list of str
    is_zero_based : bool
        Whether id 0 is the first column; with "auto" what was decided, for the sources of other files.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        For ``zero_based="auto"`` with `n_features`; while reading, if a pipe is read a second time.
    TextFormatError
        While reading, for a malformed line; the message names the file and the line.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastfm_ext.streaming import LibsvmSource
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with open(os.path.join(folder, "a.libsvm"), "w") as file:
    ...         _ = file.write("1 0:1 2:0.5\n-1 1:1\n")
    ...     X, y, *_ = next(iter(LibsvmSource(folder, n_features=3)))
    >>> X.toarray().tolist(), y.tolist()
    ([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]], [1.0, -1.0])
    """

    _suffixes = tuple(f"{kind}{packed}" for kind in (".libsvm", ".svm", ".libfm", ".txt") for packed in _COMPRESSED)
    _form: ClassVar[Literal["libsvm", "libffm"]] = "libsvm"
    _batches_of: ClassVar[Callable[..., Iterator[tuple[Any, ...]]]] = staticmethod(iter_libsvm)
    _reads_pipes = True

    def __init__(
        self,
        paths: Paths,
        *,
        n_features: int | None = None,
        zero_based: bool | Literal["auto"] = True,
        batch_rows: int = 65_536,
    ) -> None:
        checked_ids(zero_based, n_features)
        super().__init__(paths, batch_rows)
        self.n_features = n_features
        self.zero_based = zero_based
        self._guessed: bool | None = None

    @property
    def is_zero_based(self) -> bool:
        """Whether id 0 is the first column; "auto" is decided once, by all files."""
        if self.zero_based != "auto":
            return self.zero_based
        if self._guessed is None:
            seen = [scan_text(path, self._form) for path in self._unread_paths()]
            self._guessed = not any(file.n_values for file in seen) or any(file.min_id == 0 for file in seen)
        return self._guessed

    def _read(self, path: str) -> Iterator[BatchParts]:
        for X, y, *_ in type(self)._batches_of(
            path, batch_rows=self.batch_rows, n_features=self.n_features, zero_based=self.is_zero_based
        ):
            yield X, y, None


class LibffmSource(LibsvmSource):
    r"""Batches from libffm text, for `fit_stream`; an FM has no use for the fields, and `fields` tells them to others.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        A file (also compressed), several, or a folder, of which every ``*.libffm``, ``*.ffm`` and ``*.txt`` is read, in
        the order of the names.
    n_features : int, optional
    zero_based : bool or "auto", default=True
    batch_rows : int, default=65_536
        As in `LibsvmSource`.

    Attributes
    ----------
    paths : list of str
    is_zero_based : bool

    Raises
    ------
    FileNotFoundError, ValueError, TextFormatError
        As from `LibsvmSource`.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastfm_ext.streaming import LibffmSource
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with open(os.path.join(folder, "a.ffm"), "w") as file:
    ...         _ = file.write("1 0:0:1 1:2:0.5\n0 0:1:1\n")
    ...     X, y, *_ = next(iter(LibffmSource(folder, n_features=3)))
    >>> X.toarray().tolist(), y.tolist()
    ([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]], [1.0, 0.0])
    """

    def fields(self) -> Int32:
        """Read all files once, and return the field of each feature, for `fields` of a field-aware model.

        Returns
        -------
        ndarray of shape (n_features,), int32
            As from `fastfm_ext.text_formats.fields_of_features`.

        Raises
        ------
        ValueError
            For a feature that has two fields.
        """
        options: dict[str, Any] = {"n_features": self.n_features, "zero_based": self.is_zero_based}
        batches = (
            (X, fields)
            for path in self._unread_paths()
            for X, _, fields in iter_libffm(path, batch_rows=self.batch_rows, **options)
        )
        return fields_of_batches(batches)

    _suffixes = tuple(f"{kind}{packed}" for kind in (".libffm", ".ffm", ".txt") for packed in _COMPRESSED)
    _form = "libffm"
    _batches_of = staticmethod(iter_libffm)
