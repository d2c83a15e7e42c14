"""Contributions of features, and of groups of features, to the scores of rows: by the kernels, but for fields."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from fastfm_ext._common.arrays import Float32, Float64, Int32
from fastfm_ext._common.sparse import sparse as sp
from fastfm_ext._engine import field_contributions
from fastfm_ext._engine.csr import Csr, features_in, present_features
from fastfm_ext._engine.parameters import Parameters, aligned_empty
from fastfm_ext._native import core


@dataclass(frozen=True)
class Background:
    """Background rows b of contributions, as far as these need them.

    Attributes
    ----------
    mean : ndarray of shape (n_features,), float64
        E b.
    sum_vx : ndarray of shape (n_factors,), float64
        E S_b; with fields, E T_F of b for each, (n_fields, width): see `field_contributions`.
    of_zeros : ndarray of shape (n_features,), float64
        What the features add to the scores of the background, against zeros, on average.
    features : ndarray of shape (n_present,), int32
        The features that the rows have.
    """

    mean: Float64
    sum_vx: Float64
    of_zeros: Float64
    features: Int32

    @classmethod
    def of(cls, B: Csr, params: Parameters, n_threads: int = 1) -> Self:
        """Measure rows, (n_background, n_features)."""
        values = contributions_to_zeros(B, params, n_threads)
        b = np.ones(B.nnz) if B.data is None else B.data.astype(np.float64)
        mean, of_zeros = (np.bincount(B.indices, each, B.n_features) / B.n_rows for each in (b, values))
        nothing = np.zeros(0, dtype=np.intp)
        features = features_in(B, nothing).astype(np.int32)
        if params.model.has_fields:
            return cls(mean, field_contributions.mean_pulls(mean, features, params), of_zeros, features)
        return cls(mean, mean[features] @ params.V_of(features), of_zeros, features)

    def half_sum(self, params: Parameters) -> Float32:
        """Return E S_b / 2 with the kernels' padding, (k,); with fields, E T_F / 2."""
        half = 0.5 * self.sum_vx
        of_kernels: Float32 = half.astype(np.float32) if params.model.has_fields else _padded(half[None], params.k)[0]
        return of_kernels


@dataclass(frozen=True)
class GroupSums:
    """Groups of features, and what a background has in each of them (``GroupContributions`` of the kernels).

    Attributes
    ----------
    group_of : ndarray of shape (n_features,), int32
    n_groups : int
    half_sum : ndarray of shape (k,) or, with fields, (n_fields, width), or None
        None for a background of zeros.
    half_sums : ndarray of shape (k, n_groups) or, with fields, (n_fields width, n_groups), or None
        For the kernels, with columns of 0 up to a multiple of 16.
    of_zeros : ndarray of shape (n_groups,), float32, or None
    """

    group_of: Int32
    n_groups: int
    half_sum: Float32 | None = None
    half_sums: Float32 | None = None
    of_zeros: Float32 | None = None

    @classmethod
    def of(cls, group_of: Int32, n_groups: int, params: Parameters, background: Background | None) -> Self:
        """Sum up the features of each group."""
        if background is None:
            return cls(group_of, n_groups)
        features, half_sum = background.features, background.half_sum(params)
        of_zeros = np.bincount(group_of, background.of_zeros, n_groups).astype(np.float32)
        if params.model.has_fields:
            sums = field_contributions.half_sums(background.mean, features, group_of, n_groups, params)
            return cls(group_of, n_groups, half_sum, sums, of_zeros)
        places = (np.arange(len(features)), group_of[features])
        members = sp.csc_array((0.5 * background.mean[features], places), shape=(len(features), n_groups))
        half_sums = np.zeros((params.k, n_groups))
        half_sums[: params.n_factors] = (members.T @ params.V_of(features)).T
        return cls(group_of, n_groups, half_sum, _padded(half_sums, -(-n_groups // 16) * 16), of_zeros)


def _padded(values: Float64, k: int) -> Float32:
    padded = aligned_empty((len(values), k))
    padded[...] = 0.0
    padded[:, : values.shape[1]] = values
    return padded


def _of_present_features(X: Csr, params: Parameters) -> tuple[Csr, Parameters, Int32 | None]:
    """Return X and `params`; or, where these are in halves, X of its features alone, with float32 ones, and which."""
    if params.dtype == "float32":
        return X, params, None
    features, indices = present_features(X)
    X = replace(X, indices=indices.astype(np.int32, copy=False), n_features=len(features))
    return X, params.in_float32(features), features.astype(np.int32)


def contributions_to_zeros(X: Csr, params: Parameters, n_threads: int = 1) -> Float32:
    """Return what each nonzero adds to the score of its row, against a background of zeros: (nnz,)."""
    if params.model.has_fields:
        return field_contributions.to_zeros(X, params)
    values = np.empty(X.nnz, dtype=np.float32)
    if X.n_rows:
        X, params, _ = _of_present_features(X, params)
        core.feature_contributions(X, params, None, n_threads, values, None)
    return values


def feature_contributions(
    X: Csr, params: Parameters, background: Background, n_threads: int = 1
) -> tuple[Float32, Float32]:
    """Return the first term of each nonzero's contribution, (nnz,), and the rest, (n_rows, n_features of background).

    The first is ``x_i [w_i + <v_i, S + E S_b> / 2 - |v_i|^2 x_i / 2]``. The rest, that of the background's features,
    which a row may lack, is ``- m_i <v_i, S> / 2 - E phi_i^0(b)``.
    """
    if params.model.has_fields:
        return field_contributions.of_features(X, params, background)
    values = np.empty(X.nnz, dtype=np.float32)
    sum_vx = np.empty((X.n_rows, params.k), dtype=np.float32)
    if X.n_rows:
        half_sum = background.half_sum(params)
        some, of_some, _ = _of_present_features(X, params)
        core.feature_contributions(some, of_some, half_sum, n_threads, values, sum_vx)
    features = background.features
    half = (0.5 * background.mean[features, None] * params.V_of(features)).astype(np.float32)
    rest: Float32 = -(sum_vx[:, : params.n_factors] @ half.T) - background.of_zeros[features].astype(np.float32)
    return values, rest


def group_contributions(X: Csr, params: Parameters, groups: GroupSums, n_threads: int = 1) -> Float32:
    """Return what each group of features adds to the scores of rows: (n_rows, n_groups)."""
    if params.model.has_fields:
        return field_contributions.of_groups(X, params, groups)
    values = np.empty((X.n_rows, groups.n_groups), dtype=np.float32)
    if values.size:
        X, params, features = _of_present_features(X, params)
        groups = groups if features is None else replace(groups, group_of=groups.group_of[features])
        core.group_contributions(X, params, groups, n_threads, values)
    return values
