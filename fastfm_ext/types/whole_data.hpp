// What least squares over all pairs of users and items reads: the rows of one side, whose vectors are sought, while those
// of the other side stay as they are.
#pragma once

#include <stdint.h>

#include "types/matrix.hpp"

namespace fastfm {

// A vector for each row, and what the row scores by itself. k is a multiple of 16; factors that nobody uses are zero.
struct Vectors {
    float* factors;  // (n, k): S
    float* own;      // (n,)
};

// The other side, and what these rows have chosen of it. The sums are over all of the other side, times the weight of a
// pair that was not chosen, a0; the factors are turned so that sum_t S_tf S_tg = 0 for f != g.
struct OtherSide {
    Csr chosen;      // (n_rows, n_others): weights, or null: every weight is 1
    Vectors others;  // z_t = [S_t, 1], own(t)
    int32_t k;
    const float* squares;  // (k,): a0 sum_t S_tf^2
    const float* sums;     // (k,): a0 sum_t S_t
    const float* owns;     // (k,): a0 sum_t own(t) S_t
    float count;           // a0 n_others
    float own;             // a0 sum_t own(t)
    bool fit_own;          // whether own(u) is sought, too
};

// L2 of each row's vector.
struct RowPenalties {
    const float* factors;  // (n_rows,)
    const float* own;      // (n_rows,)
};

}  // namespace fastfm
