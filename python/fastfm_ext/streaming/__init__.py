"""Batches of rows from files, for `fit_stream`."""

from fastfm_ext.streaming.tables import CsvSource, LibffmSource, LibsvmSource, ParquetSource, StreamProgress

__all__ = [
    "CsvSource",
    "LibffmSource",
    "LibsvmSource",
    "ParquetSource",
    "StreamProgress",
]
