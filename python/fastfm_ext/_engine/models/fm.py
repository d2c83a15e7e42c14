"""The factorization machine of Rendle (2010): p = w0 + sum_i w_i x_i + sum_{i<j} <v_i, v_j> x_i x_j."""

from fastfm_ext._engine.models.spec import W0, ModelSpec, V, W

FM = ModelSpec("fm", (W0, W, V), has_halves=True)
