"""Instruction sets of the engine."""

import pytest

from fastfm_ext import _engine


def test_an_unknown_instruction_set_is_refused():
    with pytest.raises(ValueError, match="choose from"):
        _engine.use_isa("mmx")
