"""What the estimators of field-vectorized factorization machines are without scikit-learn."""

from fastfm_ext._engine.models.fvfm import FVFM
from fastfm_ext._estimators.field_aware import FieldAwareClassifier, FieldAwareRegressor, PairStrengths


class PlainFvFMClassifier(PairStrengths, FieldAwareClassifier):
    """What `FvFMClassifier` is without scikit-learn."""

    _public_name = "FvFMClassifier"
    _spec = FVFM


class PlainFvFMRegressor(PairStrengths, FieldAwareRegressor):
    """What `FvFMRegressor` is without scikit-learn."""

    _public_name = "FvFMRegressor"
    _spec = FVFM
