// Scores and pooled vectors of a range of rows. Nothing but the output changes.
#pragma once

#include "models/fm.hpp"
#include "solvers/ahead.hpp"

namespace fastfm::FASTFM_ISA {

// p[r] = the score of row r before the link, for first <= r < last.
template <int K, int slots, bool ones>
void predict(const Csr& X, const Params& params, int64_t first, int64_t last, float* p) {
    Fm<K, slots> fm(params);
    if (first == last) return;  // not covered: every thread has rows; without any, the division below would fail
    const int64_t ahead = nonzeros_ahead(X, first, last);
    int64_t r = first;
    for (; r < last && X.indptr[last] - X.indptr[r + 1] >= ahead; ++r) {
        const Row<ones> row(X, r);
        const int32_t* const later = row.i + ahead;
        const auto ask_ahead = [&](int64_t j) FASTFM_INLINE_LAMBDA { fm.prefetch_values(later[j]); };
        // A user and an item: without loops over them, a row takes 0.83 of the time.
        p[r] = row.nnz() == 2 ? fm.score(Row<ones, 2>(X, r), ask_ahead) : fm.score(row, ask_ahead);
    }
    for (; r < last; ++r) p[r] = fm.score(Row<ones>(X, r));  // asked for by rows before
}

// own[r] = the linear and pair terms of row r, without w0;  sum_vx[r, f] = S_f, k floats a row.
template <int K, bool ones>
void pool(const Csr& X, const Params& params, int64_t first, int64_t last, float* own, float* sum_vx) {
    Fm<K> fm(params);
    for (int64_t r = first; r < last; ++r) own[r] = fm.pool(Row<ones>(X, r), sum_vx + r * params.tables[V_table].width);
}

}  // namespace fastfm::FASTFM_ISA
