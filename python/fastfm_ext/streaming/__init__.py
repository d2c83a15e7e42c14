"""Batches from files, for `fit_stream`: Parquet, CSV, libsvm and libffm, one file, several, or a folder of them."""

from fastfm_ext._learning.stream.progress import StreamProgress
from fastfm_ext.streaming.csv_source import CsvSource
from fastfm_ext.streaming.tables import ParquetSource
from fastfm_ext.streaming.text import LibffmSource, LibsvmSource

__all__ = [
    "CsvSource",
    "LibffmSource",
    "LibsvmSource",
    "ParquetSource",
    "StreamProgress",
]
