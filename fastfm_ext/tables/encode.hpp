// From columns of features to rows: CSR from blocks. Baseline flags only.
//
// A column is first coded (coding.hpp). What a value means is then worked out once for each distinct value, and the rows
// only look it up.
#pragma once

#include "types/status.hpp"

namespace fastfm {

// Puts cells (features with weights, of the rows of a table of distinct cells) into canonical form: in each the features
// ascend, weights of equal features are added (where there are weights; else they count once), and negative features and
// features of weight 0 go. Changes all in place; `indptr` (n_cells + 1,) then says where each cell has moved.
void tidy_cells(int64_t* indptr, int64_t n_cells, int32_t* features, float* weights) noexcept;

enum class BlockKind : int32_t { one = 0, several = 1, number = 2 };

// The entries that one column adds to the rows. Negative features stand for no entry. With a code c, a row has
// one:     features[c + 1], of the value values[c + 1];
// several: features[j], of the values values[j], for indptr[c + 1] <= j < indptr[c + 2].
// number:  feature features[0] of the value values[r], or nothing if it is 0, and features[1] of value 1 if it is NaN.
// Entry 0 is for the code -1, the missing value. Without `values` all values are 1.
struct Block {
    BlockKind kind;
    const int32_t* codes;     // (n_rows,)
    const int32_t* features;  // one: (n_distinct + 1,); several: (n_entries,); number: (2,)
    const int64_t* indptr;    // several: (n_distinct + 2,)
    const float* values;      // as features; number: (n_rows,)
};

// Fills `indptr` (n_rows + 1,) with where each row of the blocks' entries begins. O(n_rows n_blocks).
void count_entries(const Block* blocks, int64_t n_blocks, int64_t n_rows, int64_t* indptr) noexcept;

// Fills `indices` and, unless it is null, `data`, both (indptr[n_rows],), block after block in each row. With `sort`, each
// row's features are put in ascending order, which they are in by themselves if every block's features lie above those of
// the blocks before. O(entries), and in long unsorted rows the square of a row's entries.
void write_entries(const Block* blocks, int64_t n_blocks, int64_t n_rows, const int64_t* indptr, bool sort,
                   int32_t* indices, float* data) noexcept;

}  // namespace fastfm
