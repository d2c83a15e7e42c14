"""The field-aware factorization machine of Juan et al. (2016): a vector of each feature for each field.

p = w0 + sum_i w_i x_i + sum_{i<j} <v_i,F(j), v_j,F(i)> x_i x_j
"""

from fastfm_ext._common.arrays import AnyArray
from fastfm_ext._engine.models.spec import W0, ModelSpec, TableSpec, W, padded


def _factors_by_field(n_factors: int, n_fields: int) -> int:
    """Return the width of V, which is padded as a vector is: records begin on a cache line."""
    return padded(n_fields * padded(n_factors))


def _each_other(sums: AnyArray, R: AnyArray | None) -> AnyArray:
    """Turn what fields F have for fields G into what acts on G; see `ModelSpec.pull`."""
    return sums.swapaxes(1, 2)


FFM = ModelSpec(
    "ffm",
    (
        W0,
        W,
        TableSpec("V", per_feature=True, width=_factors_by_field, target_power=0.5, feature_power=1, is_drawn=True),
    ),
    _each_other,
)
