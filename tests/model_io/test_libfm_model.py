"""A model in the text format that libFM saves (its option -save_model) predicts the same here."""

import re

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import FMClassifier, FMRegressor
from registries import ALL_SOLVERS

# Written by hand: 4 features, 3 factors.
MODEL = """#global bias W0
0.5
#unary interactions Wj
0.1
-0.25
0
1.5
#pairwise interactions Vj,f
0.2 -0.1 0.3
1 0.5 -0.5
0 0.25 0.75
-0.4 2 0.1
"""
# Row by row: w0 + sum_i w_i x_i + sum_{i<j} <v_i, v_j> x_i x_j, by hand.
ROWS = [{}, {0: 1.0}, {0: 1.0, 1: 1.0}, {1: 2.0, 3: -1.0}, {0: 0.5, 2: 4.0, 3: 2.0}]
BY_HAND = [
    0.5,
    0.5 + 0.1,
    0.5 + 0.1 - 0.25 + (0.2 - 0.05 - 0.15),
    0.5 - 0.5 - 1.5 + (-0.4 + 1.0 - 0.05) * 2.0 * -1.0,
    0.5 + 0.05 + 3.0 + (-0.025 + 0.225) * 0.5 * 4.0 + (-0.08 - 0.2 + 0.03) * 0.5 * 2.0 + (0.5 + 0.075) * 4.0 * 2.0,
]


def parameters(text):
    """w0, w and V of a model file of libFM."""
    w0, w, V = (block.split("\n", 1)[1].strip().splitlines() for block in re.split(r"^#", text, flags=re.M)[1:])
    return float(w0[0]), np.array(w, dtype=float), np.array([row.split() for row in V], dtype=float)


def matrix(rows, n_features):
    data = [value for row in rows for value in row.values()]
    indices = [feature for row in rows for feature in row]
    return sp.csr_array((data, indices, np.cumsum([0] + [len(row) for row in rows])), shape=(len(rows), n_features))


@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_a_hand_made_model_of_libfm_predicts_what_its_formula_says(isa, solver):
    w0, w, V = parameters(MODEL)
    model = FMRegressor.from_parameters(w0, w, V, solver=solver)
    np.testing.assert_allclose(model.predict(matrix(ROWS, 4)), BY_HAND, rtol=1e-6)
    assert (model.w0_, model.w_.tolist()) == (0.5, pytest.approx(w.tolist()))


def test_a_classifier_takes_the_same_score_as_log_odds():
    model = FMClassifier.from_parameters(*parameters(MODEL))
    probabilities = model.predict_proba(matrix(ROWS, 4))[:, 1]
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-np.array(BY_HAND))), rtol=1e-6)


def test_its_vectors_rank_as_its_predictions_do():
    model = FMRegressor.from_parameters(*parameters(MODEL))
    users, items = matrix([{0: 1.0}, {1: 1.0}], 4), matrix([{2: 4.0, 3: 2.0}, {3: -1.0}], 4)
    together = model.user_bias(users)[:, None] + model.user_vector(users) @ model.item_vector(items).T
    expected = [[model.predict(users[[u]] + items[[t]])[0] for t in range(2)] for u in range(2)]
    np.testing.assert_allclose(together, expected, rtol=1e-6)
