// Scores and pooled vectors of a range of rows. Nothing but the output changes.
#pragma once

#include "models/fm.hpp"
#include "solvers/ahead.hpp"

namespace fastfm::FASTFM_ISA {

// score(row), of row r. A user and an item: without loops over them, a row takes 0.83 of the time.
template <class Row, class Score>
FASTFM_INLINE float score_of(const Csr& X, int64_t r, Score score) {
    const Row row(X, r);
    if constexpr (Row::is_specialised)
        if (row.nnz() == 2) return score(typename Row::OfTwo(X, r));
    return score(row);
}

// p[r] = the score of row r before the link, for first <= r < last. `Machine` is that of a model of models/registry.hpp,
// `Row` how its rows are read.
template <class Machine, class Row>
void predict(const Csr& X, const Params& params, int64_t first, int64_t last, float* p) {
    Machine machine(params);
    if (first == last) return;  // not covered: every thread has rows; without any, the division below would fail
    int64_t r = first;
    if constexpr (Machine::has_score_near) {
        if (scores_without_requests(params)) {
            const auto score = [&](const auto& row) FASTFM_INLINE_LAMBDA { return machine.score_near(row); };
            for (; r < last; ++r) p[r] = score_of<Row>(X, r, score);
            return;
        }
    }
    const int64_t ahead = nonzeros_ahead(X, first, last);
    const auto score = [&](const auto& row) FASTFM_INLINE_LAMBDA {
        const int32_t* const later = row.i + ahead;
        return machine.score(row, [&](int64_t j) FASTFM_INLINE_LAMBDA { machine.prefetch_values(later[j]); });
    };
    for (; r < last && X.indptr[last] - X.indptr[r + 1] >= ahead; ++r) p[r] = score_of<Row>(X, r, score);
    for (; r < last; ++r) p[r] = machine.score(Row(X, r), [](int64_t) {});  // asked for by rows before
}

// own[r] = the linear and pair terms of row r, without w0;  sum_vx[r, f] = S_f, k floats a row.
template <class Machine, class Row>
void pool(const Csr& X, const Params& params, int64_t first, int64_t last, float* own, float* sum_vx) {
    Machine fm(params);
    for (int64_t r = first; r < last; ++r) own[r] = fm.pool(Row(X, r), sum_vx + r * params.tables[V_table].width);
}

}  // namespace fastfm::FASTFM_ISA
