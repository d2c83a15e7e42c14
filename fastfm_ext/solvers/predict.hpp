// Scores and pooled vectors of a range of rows. Nothing but the output changes.
#pragma once

#include "models/fm.hpp"
#include "solvers/ahead.hpp"

namespace fastfm::FASTFM_ISA {

// p[r] = the score of row r before the link, for first <= r < last. `Machine` is that of a model of models/registry.hpp,
// `Row` how its rows are read.
template <class Machine, class Row>
void predict(const Csr& X, const Params& params, int64_t first, int64_t last, float* p) {
    Machine machine(params);
    if (first == last) return;  // not covered: every thread has rows; without any, the division below would fail
    const int64_t ahead = nonzeros_ahead(X, first, last);
    int64_t r = first;
    for (; r < last && X.indptr[last] - X.indptr[r + 1] >= ahead; ++r) {
        const Row row(X, r);
        const int32_t* const later = row.i + ahead;
        const auto ask_ahead = [&](int64_t j) FASTFM_INLINE_LAMBDA { machine.prefetch_values(later[j]); };
        // A user and an item: without loops over them, a row takes 0.83 of the time.
        if constexpr (Row::is_specialised)
            p[r] = row.nnz() == 2 ? machine.score(typename Row::OfTwo(X, r), ask_ahead) : machine.score(row, ask_ahead);
        else
            p[r] = machine.score(row, ask_ahead);
    }
    for (; r < last; ++r) p[r] = machine.score(Row(X, r), [](int64_t) {});  // asked for by rows before
}

// own[r] = the linear and pair terms of row r, without w0;  sum_vx[r, f] = S_f, k floats a row.
template <class Machine, class Row>
void pool(const Csr& X, const Params& params, int64_t first, int64_t last, float* own, float* sum_vx) {
    Machine fm(params);
    for (int64_t r = first; r < last; ++r) own[r] = fm.pool(Row(X, r), sum_vx + r * params.tables[V_table].width);
}

}  // namespace fastfm::FASTFM_ISA
