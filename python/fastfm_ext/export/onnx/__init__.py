"""ONNX graphs of fitted models: from features or raw columns to predictions, or to vectors of users and items."""
