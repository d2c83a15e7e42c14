"""What the estimators of field-matrixed factorization machines are without scikit-learn."""

from fastfm_ext._engine.models.fmfm import FMFM
from fastfm_ext._estimators.field_aware import FieldAwareClassifier, FieldAwareRegressor, PairStrengths


class PlainFmFMClassifier(PairStrengths, FieldAwareClassifier):
    """What `FmFMClassifier` is without scikit-learn."""

    _public_name = "FmFMClassifier"
    _spec = FMFM


class PlainFmFMRegressor(PairStrengths, FieldAwareRegressor):
    """What `FmFMRegressor` is without scikit-learn."""

    _public_name = "FmFMRegressor"
    _spec = FMFM
