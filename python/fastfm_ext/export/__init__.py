"""Export to other programs: models as ONNX graphs, vectors and features as NumPy's .npz and as Parquet."""

from fastfm_ext.export.onnx.models import to_onnx, write_onnx
from fastfm_ext.export.tables import export_features, export_vectors

__all__ = [
    "export_features",
    "export_vectors",
    "to_onnx",
    "write_onnx",
]
