"""The field-weighted factorization machine of Pan et al. (2018): how strongly two features interact is their fields'.

p = w0 + sum_i w_i x_i + sum_{i<j} r_F(i)F(j) <v_i, v_j> x_i x_j

R starts from ones, with which it is the factorization machine.
"""

from fastfm_ext._engine.models.spec import W0, ModelSpec, V, W
from fastfm_ext._engine.models.strengths import STRENGTHS, through_R

FWFM = ModelSpec("fwfm", (W0, W, V, STRENGTHS), through_R)
