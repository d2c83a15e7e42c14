// From columns of values to rows of features: distinct values with a code for each row, hashes, and CSR from blocks.
// Baseline flags only.
//
// A column is first coded: equal values get equal numbers, 0, 1, ... in the order of their first rows. What a value means
// is then worked out once for each distinct value, and the rows only look it up.
#pragma once

#include "types.hpp"

namespace fastfm {

// Texts as Arrow lays them out. Of `offsets32`, `offsets64` and `views` one is there.
// With offsets: text r is bytes[offsets[r] .. offsets[r + 1]).
// With views: 16 bytes for each text, its length first; up to 12 bytes stand in the view itself, longer ones at
// buffers[buffer] + offset, which are the last 8 bytes of the view.
struct Texts {
    int64_t n;
    const uint8_t* valid;  // (n,): 0 where the text is missing; or null: none is
    const uint8_t* bytes;
    const int32_t* offsets32;  // (n + 1,)
    const int64_t* offsets64;  // (n + 1,)
    const uint8_t* views;      // (n, 16)
    const uint8_t* const* buffers;
};

// What coding a column of n rows gives.
struct Coding {
    int32_t* codes;      // (n,): the number of each row's value, -1 where it is missing
    int64_t* first;      // (n,): for each number the first row with this value; the rest stays untouched
    int64_t n_distinct;  // out
};

// Codes whole numbers. A table of all numbers between the least and the largest where these are not many more than rows,
// else a hash table: O(n) time, memory for the table. `valid` (n,) may be null.
Status code_ints(const int64_t* values, int64_t n, const uint8_t* valid, Coding* out) noexcept;

// Codes texts, byte for byte, through a hash table: O(bytes) time.
Status code_texts(const Texts& texts, Coding* out) noexcept;

// Fills `offsets` (n_rows + 1,) with where the texts of the given rows begin when they stand one after the other, and
// copies them to `bytes` unless it is null.
void take_texts(const Texts& texts, const int64_t* rows, int64_t n_rows, int64_t* offsets, uint8_t* bytes) noexcept;

// Hashes texts by MurmurHash3_x86_32 (Austin Appleby, public domain), read as a signed number.
void murmur3(const uint8_t* bytes, const int64_t* offsets, int64_t n, uint32_t seed, int32_t* out) noexcept;

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
