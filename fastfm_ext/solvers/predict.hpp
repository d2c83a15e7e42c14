// Scores and pooled vectors of a range of rows. Nothing but the output changes.
#pragma once

#include "../models/fm.hpp"

namespace fastfm::FASTFM_ISA {

// p[r] = the score of row r before the link, for first <= r < last.
template <int K, int slots, bool ones>
void predict(const Csr& X, const Params& params, int64_t first, int64_t last, float* p) {
    Fm<K, slots> fm(params);
    for (int64_t r = first; r < last; ++r) {
        if (r + prefetch_ahead < last) fm.prefetch(Row<ones>(X, r + prefetch_ahead));
        p[r] = fm.score(Row<ones>(X, r));
    }
}

// own[r] = the linear and pair terms of row r, without w0;  sum_vx[r, f] = S_f, k floats a row.
template <int K, bool ones>
void pool(const Csr& X, const Params& params, int64_t first, int64_t last, float* own, float* sum_vx) {
    Fm<K> fm(params);
    for (int64_t r = first; r < last; ++r) own[r] = fm.pool(Row<ones>(X, r), sum_vx + r * params.k);
}

}  // namespace fastfm::FASTFM_ISA
