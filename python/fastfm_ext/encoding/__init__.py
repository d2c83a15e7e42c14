"""Encoder of tables as sparse features of users, items and their context."""

from fastfm_ext.encoding.columns.base import Feature
from fastfm_ext.encoding.columns.collisions import HashCollisions
from fastfm_ext.encoding.declare import binned, categorical, crossed, hashed, implicit, multi, numeric
from fastfm_ext.encoding.encoder import FMEncoder

__all__ = [
    "FMEncoder",
    "Feature",
    "HashCollisions",
    "binned",
    "categorical",
    "crossed",
    "hashed",
    "implicit",
    "multi",
    "numeric",
]
