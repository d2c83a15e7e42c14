// Rows as they come, and rows in another order: whether a matrix is one that the kernels can read, copies of chosen rows,
// and the order of the visits of an epoch. Baseline flags only.
//
// Visiting rows that lie anywhere in memory costs more than training on them: a row of two features waits for three
// places. So the rows are copied into a random order once, and each epoch permutes blocks of neighbouring rows and the
// rows inside each block, where one block fits the cache.
#pragma once

#include "types.hpp"

namespace fastfm {

// Fills `indptr` (n_rows + 1,) with where the rows rows[0 .. n_rows) of X begin if they lie one behind another.
void bounds_of_rows(const Csr& X, const int64_t* rows, int64_t n_rows, int64_t* indptr) noexcept;

// Copies the rows rows[0 .. n_rows) of X, in this order. `indptr` (n_rows + 1,) comes in filled; `indices` and `data`
// hold indptr[n_rows] values, `data` only where X has values.
void take_rows(const Csr& X, const int64_t* rows, int64_t n_rows, const int64_t* indptr, int32_t* indices,
               float* data) noexcept;

// Fills `order` (n_rows,) with the rows of the blocks blocks[0], blocks[1], ..., permuted inside each block by the
// generator SplitMix64 (Steele, Lea, Flood 2014) from `seed` on. Block b holds the rows from b * block_rows on; the last
// may be shorter.
void block_order(const int64_t* blocks, int64_t n_blocks, int64_t block_rows, int64_t n_rows, uint64_t seed,
                 int64_t* order) noexcept;

}  // namespace fastfm
