// What a score is taken apart against, and into.
#pragma once

#include <stdint.h>

namespace fastfm {

// What each nonzero of X adds to the score of its row.
struct FeatureContributions {
    const float* half_sum;  // (k,), half of the background's E S_b, or null for a background of zeros
    float* values;          // (nnz,), out
    float* sum_vx;          // (n_rows, k), out: S_f of each row; null where nobody wants it
};

// What each group of features adds to the score of a row.
struct GroupContributions {
    // Of the background; null for zeros.
    const float* half_sum;     // (k,)
    const float* half_sums;    // (k, half_sums_stride), half of E sum_{i in group} v_i b_i: a column for each group
    int64_t half_sums_stride;  // n_groups, padded with zeros to a multiple of 16
    const float* of_zeros;     // (n_groups,), what its groups add against zeros

    const int32_t* group_of;  // (n_features,)
    int32_t n_groups;
    float* values;  // (n_rows, n_groups), out
};

}  // namespace fastfm
