"""Centered block rows as features: a field whose parameters are those that the rows have altogether.

Two centered blocks interact by the parameters of their rows alone, (L_b, Q_b): for alternating least squares these are
two fields of ids.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.blocks import Block, Blocks
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._engine.scipy_matrices import as_scipy


def folded(blocks: Blocks) -> Blocks:
    """Return rows to learn from, as `CenteredForm.learned` gives them, whose centered block rows are a field of ids."""
    parts = [b if b.own is None else Block(b.own, b.ids, b.n_block_rows, b.values) for b in blocks.blocks]
    return replace(blocks, blocks=tuple(parts))


def with_folded(params: Parameters, blocks: Blocks) -> Parameters:
    """Return parameters for `folded` rows: ids have what their block rows have altogether."""
    V, w = params.V.copy(), params.w.copy()
    for block in blocks.blocks:
        if block.own is not None:
            X = as_scipy(block.rows)
            V[block.own] += X @ params.V[block.features]
            w[block.own] += X @ params.w[block.features]
    return _parameters(params, V, w)


def with_unfolded(fitted: Parameters, start: Parameters, blocks: Blocks) -> Parameters:
    """Return parameters whose block rows have altogether those that were fitted to `folded` rows.

    The factors may have turned and grown since ``start``. So the features that move the means follow by the linear map,
    near the identity, that takes the block rows of the start nearest to the fitted ones.
    """
    begun = with_folded(start, blocks)
    V, w = fitted.V.copy(), fitted.w.copy()
    for block in blocks.blocks:
        if block.own is None:
            continue
        before, after = (np.column_stack([p.V[block.own], p.w[block.own]]).astype(np.float64) for p in (begun, fitted))
        design = before - before.mean(axis=0)
        gram = design.T @ design
        gram += max(np.trace(gram) / len(before), 1e-12) * np.eye(len(gram))  # as much as one row tells
        moved = after - before
        turn = np.eye(len(gram)) + np.linalg.solve(gram, design.T @ (moved - moved.mean(axis=0)))
        features = np.column_stack([start.V[block.features], start.w[block.features]]) @ turn
        V[block.features], w[block.features] = features[:, :-1], features[:, -1]
        X = as_scipy(block.rows)
        V[block.own] -= X @ V[block.features]
        w[block.own] -= X @ w[block.features]
    return _parameters(fitted, V, w)


def _parameters(params: Parameters, V: Float32, w: Float32) -> Parameters:
    return Parameters.of(params.n_factors, w0=np.array([[params.w0]], dtype=np.float32), w=w[:, None], V=V)
