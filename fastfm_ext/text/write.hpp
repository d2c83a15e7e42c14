// Rows to libsvm and libffm text that reads back as the same bits.
#pragma once

#include <stdint.h>

namespace fastfm {
namespace text {

struct RowSource {
    const float* y;          // (n_rows,), or null: no labels
    const int64_t* qid;      // (n_rows,), or null
    const int64_t* indptr;   // (n_rows + 1,)
    const int32_t* indices;  // (nnz,)
    const int32_t* fields;   // (nnz,), or null for libsvm
    const float* data;       // (nnz,)
    int64_t base;            // added to every index
};

// Characters that row r takes at most.
int64_t longest_line(const RowSource& rows, int64_t r) noexcept;

// Writes the rows from first on to out (size,), as many as surely fit; returns the row to go on with, and sets `written`
// to the number of characters.
int64_t write_rows(const RowSource& rows, int64_t first, int64_t last, char* out, int64_t size,
                   int64_t& written) noexcept;

}  // namespace text
}  // namespace fastfm
