"""Descriptions of models agree with the kernels."""

import numpy as np
import pytest

from fastfm_ext._engine import models
from fastfm_ext._engine.models import Fields, ModelSpec
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._native import core

MODELS = [value for value in vars(models).values() if isinstance(value, ModelSpec)]
N_FIELDS = 5


def test_every_model_of_the_kernels_is_described():
    assert {model.name for model in MODELS} == set(core.models())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_files_give_the_same_parameters_back(model):
    fields = Fields(N_FIELDS, np.arange(9, dtype=np.int32) % N_FIELDS)
    options = Options("squared", "adagrad", 0.1, 0.1, 0.0, 0.0, 0.1)
    params = Parameters.initialise(9, 6, options, 0.5, np.random.default_rng(0), model=model, fields=fields)
    again = Parameters.from_arrays(params.to_arrays("_0"), 6, suffix="_0", model=model, fields=fields)
    for name, records in params.tables.items():
        np.testing.assert_array_equal(again.tables[name], records)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_growth_keeps_what_was_learned_and_adds_zeros(model):
    fields = Fields(N_FIELDS, np.arange(9, dtype=np.int32) % N_FIELDS)
    more = Fields(N_FIELDS, np.arange(12, dtype=np.int32) % N_FIELDS)
    options = Options("squared", "adagrad", 0.1, 0.1, 0.0, 0.0, 0.1)
    params = Parameters.initialise(9, 6, options, 0.5, np.random.default_rng(0), model=model, fields=fields)
    grown = params.grown(12, options, more)
    assert grown.n_features == 12
    for spec, records in zip(model.tables, params.arrays, strict=True):
        found = grown.tables[spec.name]
        np.testing.assert_array_equal(found[: len(records)], records)
        assert not found[len(records) :, 0].any()
