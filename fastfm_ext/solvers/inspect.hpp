// One look at every value of a matrix, and what can be said of it afterwards. Nothing changes.
#pragma once

#include "types/matrix.hpp"

namespace fastfm::FASTFM_ISA {

inline MatrixTraits inspect(const Csr& X, int64_t nnz, int64_t n_features) {
    // Whole numbers in place of bools, and no early ends: loops that the compiler turns into vector instructions.
    int bad_rows = X.indptr[0] != 0 || X.indptr[X.n_rows] != nnz;
    for (int64_t r = 0; r < X.n_rows; ++r) bad_rows |= X.indptr[r] > X.indptr[r + 1];
    if (bad_rows) return {false, true, false, true};  // the rows cannot be followed

    int bad_indices = 0, not_finite = 0, zeros = 0, others = 0;
    int64_t n_falls = 0, n_falls_between_rows = 0;
    const auto limit = static_cast<uint32_t>(n_features);
    // A chunk stays in the first-level cache while three loops look at it.
    constexpr int64_t chunk = 2048;
    for (int64_t first = 0; first < nnz; first += chunk) {
        const int64_t last = first + chunk < nnz ? first + chunk : nnz;
        for (int64_t j = first; j < last; ++j) bad_indices |= static_cast<uint32_t>(X.indices[j]) >= limit;
        int falls = 0;
        for (int64_t j = first ? first : 1; j < last; ++j) falls += X.indices[j] <= X.indices[j - 1];
        n_falls += falls;
        for (int64_t j = first; j < last; ++j) {
            const float x = X.data[j];
            not_finite |= !(x - x == 0.0f);  // infinity - infinity is NaN, too
            zeros |= x == 0.0f;
            others |= x != 1.0f;
        }
    }
    // The indices may fall from one value to the next only where a row begins.
    for (int64_t r = 1; r < X.n_rows; ++r) {
        const int64_t begin = X.indptr[r];
        if (begin == 0 || begin == X.indptr[r + 1]) continue;
        n_falls_between_rows += X.indices[begin] <= X.indices[begin - 1];
    }
    return {!bad_indices && n_falls == n_falls_between_rows, !not_finite, zeros != 0, !others};
}

}  // namespace fastfm::FASTFM_ISA
