// What a sweep over the parameters of a factorization machine reads and changes: Gibbs sampling, and alternating least
// squares.
#pragma once

#include <stdint.h>

#include "types/matrix.hpp"

namespace fastfm {

// What the features of each block row add up to.
struct BlockTable {
    float* S;      // (n_block_rows, k): S_f
    float* terms;  // (n_block_rows, 2): the linear and pair terms; and half of |S|^2
};

// Rows in blocks of columns: row r has the entries of block row ids[r, B], times values[B][r], in each block B.
//
//   p_r = w0 + sum_B own_B + sum_{B<B'} <S_B, S_B'>,     own_B: linear and pair terms
struct BlockedRows {
    int64_t n_rows;
    int32_t n_blocks;
    int32_t k;                   // factors with padding: a multiple of 16, or 0
    const int32_t* ids;          // (n_rows, n_blocks)
    const float* const* values;  // (n_blocks,): (n_rows,), or null: all 1. Only a block without pair terms has any.
    bool has_values;             // whether any of them is not null
    const BlockTable* tables;    // (n_blocks,)
    const float* y;              // (n_rows,): targets
    const float* root_weight;    // (n_rows,): roots of the weights, or null: all 1
    float w0;
};

// The rows of each block row of one block, one block row after the other.
struct RowsByBlock {
    int32_t block;
    int64_t n_block_rows;
    const int64_t* starts;  // (n_block_rows + 1,)
    const int32_t* order;   // (n_rows,): numbers of rows, or null: 0, 1, 2, ...
};

// The normal prior of parameters (w_i, v_i): precisions, and means that rows may share (step 0) or not.
struct NormalPrior {
    const float* precision;  // (k, k)
    const float* mean_V;     // (n, k) or (k,)
    const float* mean_w;     // (n,) or (1,)
    float precision_w;
    bool has_own_means;
};

// How parameters are drawn.
struct DrawOptions {
    float alpha;        // precision of the noise
    int32_t n_factors;  // without padding
    bool fit_linear;
    bool with_noise;     // else the mean takes the place of a draw
    bool by_coordinate;  // each parameter given all others, where columns are short; else (w_i, v_i) jointly
    uint64_t seed;       // of this block in this sweep
};

// Parameters of block rows, drawn given all other blocks. Block rows from n_drawn on have none and stay as they are.
struct BlockDraw {
    BlockedRows rows;
    RowsByBlock by_block;
    int64_t n_drawn;
    NormalPrior prior;
    DrawOptions options;
    BlockTable out;  // where draws go: the block's own table, or another
    double* errors;  // (n_block_rows, 2): weighted sums of y - p and its square after the draw; or null
};

// Features of block rows that have several: each given all others.
struct FeatureDraw {
    BlockedRows rows;
    RowsByBlock by_block;
    Csr X;                      // (n_block_rows, n_features): the block rows
    const int64_t* starts;      // (n_features + 1,): X by columns
    const int32_t* block_rows;  // (nnz,)
    const float* data;          // (nnz,) or null
    int64_t n_features;
    const int32_t* group_of;    // (n_features,)
    const NormalPrior* priors;  // by group
    DrawOptions options;
    float* V;          // (n_features, k)
    float* w;          // (n_features,)
    float* V_out;      // (n_features, k): where draws go
    float* w_out;      // (n_features,)
    bool is_in_place;  // whether they are V and w, and block rows follow
    float* sums;       // (n_block_rows, sums_size(k)): room for the sums over the rows of each block row; or null
};

// Features that the prior means of block rows are sums of: mean_b = mu + sum_j x_bj theta_j.
struct MeanDraw {
    Csr X;
    const int64_t* starts;
    const int32_t* block_rows;
    const float* data;
    int64_t n_features;
    int32_t k;
    const int32_t* group_of;
    const float* relative_precision;    // (n_groups,): tau, precisions of theta_j in units of the block rows'
    const float* relative_precision_w;  // (n_groups,)
    const float* precision;             // (k, k): of the block rows
    float precision_w;
    int32_t n_factors;
    bool fit_linear;
    uint64_t seed;
    float* residual_V;  // (n_block_rows, k): block rows less their prior means; kept up to date
    float* residual_w;  // (n_block_rows,)
    float* theta;       // (n_features, k)
    float* theta_w;     // (n_features,)
};

// Floats of G (k, k), m (k,), T (k,), n, s, tt, with padding.
constexpr int64_t sums_size(int32_t k) { return int64_t{k} * k + 2 * int64_t{k} + 16; }

}  // namespace fastfm
