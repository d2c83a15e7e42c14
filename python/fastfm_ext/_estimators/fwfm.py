"""What the estimators of field-weighted factorization machines are without scikit-learn."""

from fastfm_ext._engine.models.fwfm import FWFM
from fastfm_ext._estimators.field_aware import FieldAwareClassifier, FieldAwareRegressor, PairStrengths


class PlainFwFMClassifier(PairStrengths, FieldAwareClassifier):
    """What `FwFMClassifier` is without scikit-learn."""

    _public_name = "FwFMClassifier"
    _spec = FWFM


class PlainFwFMRegressor(PairStrengths, FieldAwareRegressor):
    """What `FwFMRegressor` is without scikit-learn."""

    _public_name = "FwFMRegressor"
    _spec = FWFM
