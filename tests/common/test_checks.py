"""Words of messages about arguments."""

import numpy as np
import pytest

from fastfm_ext import FMClassifier, FMRanker, FMRegressor, evaluate
from fastfm_ext._common.checks import kind_of


@pytest.mark.parametrize(
    ("value", "words"),
    [(3, "an int"), ([], "a list"), (None, "a NoneType"), (np.zeros(2), "an ndarray"), (1.0, "a float")],
    ids=str,
)
def test_a_type_has_its_article(value, words):
    assert kind_of(value) == words


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: FMRegressor().fit_stream(3), "or a function without arguments that returns one; got an int"),
        (lambda: FMRegressor().fit_stream(lambda: 3), "got a function that returned an int"),
        (lambda: FMRegressor().fit_stream([3]), "batch 0 of the stream must be a tuple .*; got an int"),
        (lambda: FMRegressor().fit_stream([(1,)]), "got a tuple of length 1"),
        (lambda: evaluate(3, None, [[1]], [[0]], metrics=4), "an int"),
    ],
)
def test_a_message_names_a_type_with_its_article(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


@pytest.mark.parametrize("estimator", [FMRegressor, FMClassifier, FMRanker])
def test_an_unknown_hyperparameter_is_told_of_the_class_that_was_called(estimator):
    with pytest.raises(TypeError, match=rf"^{estimator.__name__}\.__init__\(\) got an unexpected keyword argument 'k'"):
        estimator(k=3)
    with pytest.raises(ValueError, match=f"Invalid parameter 'k' for estimator {estimator.__name__}"):
        estimator().set_params(k=3)
