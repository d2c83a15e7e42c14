// A sparse matrix by rows.
#pragma once

#include <stdint.h>

#include "types/compiler.hpp"

namespace fastfm {

// Where rows begin: 32-bit numbers if there are any, for half of the bytes, else 64-bit ones.
//
// Its functions are always inlined: one that the linker kept might be that of another instruction set.
struct RowStarts {
    const int32_t* narrow;
    const int64_t* wide;

    FASTFM_INLINE int64_t operator[](int64_t r) const { return narrow ? narrow[r] : wide[r]; }
    FASTFM_INLINE const void* address(int64_t r) const {
        return narrow ? static_cast<const void*>(narrow + r) : static_cast<const void*>(wide + r);
    }
};

// A sparse matrix by rows. Row r holds the features indices[indptr[r] .. indptr[r + 1]), each at most once.
struct Csr {
    int64_t n_rows;
    RowStarts indptr;        // (n_rows + 1,)
    const int32_t* indices;  // (nnz,)
    const float* data;       // (nnz,), or null: every stored value is 1
};

// What can be said of a matrix after one look at every value.
struct MatrixTraits {
    bool is_valid;   // indptr begins at 0, never falls and ends at nnz; the indices are features, ascending in each row
    bool is_finite;  // no NaN, no infinity
    bool has_zeros;  // an explicit zero
    bool is_all_ones;
};

}  // namespace fastfm
