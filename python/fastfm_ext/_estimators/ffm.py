"""What the estimators of field-aware factorization machines are without scikit-learn."""

from fastfm_ext._engine.models.ffm import FFM
from fastfm_ext._estimators.field_aware import FieldAwareClassifier, FieldAwareRegressor


class PlainFFMClassifier(FieldAwareClassifier):
    """What `FFMClassifier` is without scikit-learn."""

    _public_name = "FFMClassifier"
    _spec = FFM
    _usual_factors = 4


class PlainFFMRegressor(FieldAwareRegressor):
    """What `FFMRegressor` is without scikit-learn."""

    _public_name = "FFMRegressor"
    _spec = FFM
    _usual_factors = 4
