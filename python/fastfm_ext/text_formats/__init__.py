"""libsvm and libffm text, the formats of libFM, libsvm, libffm, xLearn and scikit-learn: read and written."""

from fastfm_ext.text_formats.fields import fields_of_features
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
    "fields_of_features",
    "iter_libffm",
    "iter_libsvm",
    "read_libffm",
    "read_libsvm",
    "scan_text",
    "write_libffm",
    "write_libsvm",
]
