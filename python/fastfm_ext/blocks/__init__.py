"""Matrices in blocks: rows that are made of the rows of smaller matrices."""

from fastfm_ext.blocks.matrix import BlockMatrix

__all__ = ["BlockMatrix"]
