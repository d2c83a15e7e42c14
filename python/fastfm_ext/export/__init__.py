"""Export of vectors and features to other programs."""

from fastfm_ext.export.tables import export_features, export_vectors

__all__ = [
    "export_features",
    "export_vectors",
]
