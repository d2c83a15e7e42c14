"""Words of messages about values."""

import numpy as np
import pytest

from fastfm_ext._common.checks import kind_of


@pytest.mark.parametrize(
    ("value", "kind"),
    [(3, "an int"), ("", "a str"), (np.ones(1), "an ndarray"), (np.uint8(1), "a uint8")],
)
def test_a_kind_has_its_article(value, kind):
    assert kind_of(value) == kind
