"""Text of libsvm and libffm: rows from it and back."""

from fastfm_ext.text_formats.reading import Summary, TextFormatError
from fastfm_ext.text_formats.whole_files import (
    iter_libffm,
    iter_libsvm,
    read_libffm,
    read_libsvm,
    scan_text,
    write_libffm,
    write_libsvm,
)

__all__ = [
    "Summary",
    "TextFormatError",
    "iter_libffm",
    "iter_libsvm",
    "read_libffm",
    "read_libsvm",
    "scan_text",
    "write_libffm",
    "write_libsvm",
]
