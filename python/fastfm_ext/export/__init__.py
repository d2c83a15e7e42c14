"""Export of a model's vectors and features to other programs, as NumPy's .npz and as Parquet."""

from fastfm_ext.export.tables import export_features, export_vectors

__all__ = [
    "export_features",
    "export_vectors",
]
