"""Training on packed rows: workers train apart, their parameters are merged, and the driver says when to stop."""

from fastfm_ext.spark.training.loop import TrainingSettings, train

__all__ = ["TrainingSettings", "train"]
