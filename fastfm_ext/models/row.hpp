// One row as models read it. What is done for each row is always inlined: a call would take a third of the time of a row of
// two features.
#pragma once

#include "types/compiler.hpp"
#include "types/matrix.hpp"

namespace fastfm::FASTFM_ISA {

// The nonzeros of one row. `all_ones` says at compile time that every value is 1 and `x` is not there; `length` is how
// many they are, where that is known.
constexpr int any_length = -1;

template <bool all_ones, int length = any_length>
struct Row {
    static constexpr bool ones = all_ones;
    static constexpr bool is_specialised = true;  // whether rows of two have a type of their own
    using OfTwo = Row<all_ones, 2>;

    const int32_t* i;
    const float* x;
    int64_t stored_nnz;

    FASTFM_INLINE Row(const Csr& X, int64_t r)
        : i(X.indices + X.indptr[r]),
          x(ones ? nullptr : X.data + X.indptr[r]),
          stored_nnz(X.indptr[r + 1] - X.indptr[r]) {}

    int64_t nnz() const { return length == any_length ? stored_nnz : length; }
    float value(int64_t j) const { return ones ? 1.0f : x[j]; }
};

// Those of a row of ones, of which two are nothing special.
struct RowOfOnes : Row<true> {
    static constexpr bool is_specialised = false;
    using Row::Row;
};

// The nonzeros of one row, whose values may be there or not: for models whose arithmetic hides the question.
struct AnyRow {
    static constexpr bool ones = false;
    static constexpr bool is_specialised = false;

    const int32_t* i;
    const float* x;
    int64_t stored_nnz;

    FASTFM_INLINE AnyRow(const Csr& X, int64_t r)
        : i(X.indices + X.indptr[r]),
          x(X.data ? X.data + X.indptr[r] : nullptr),
          stored_nnz(X.indptr[r + 1] - X.indptr[r]) {}

    int64_t nnz() const { return stored_nnz; }
    float value(int64_t j) const { return x ? x[j] : 1.0f; }
};

}  // namespace fastfm::FASTFM_ISA
