// Rows as they come, and rows in another order: whether a matrix is one that the kernels can read, copies of chosen rows,
// and the order of the visits of an epoch. Baseline flags only.
//
// Visiting rows that lie anywhere in memory costs more than training on them: a row of two features waits for three
// places. So the rows are copied into a random order once, and each epoch permutes blocks of neighbouring rows and the
// rows inside each block, where one block fits the cache.
#pragma once

#include "types/matrix.hpp"

namespace fastfm {

// Returns how many nonzeros the rows rows[0 .. n_rows) of X have.
int64_t nnz_of_rows(const Csr& X, const int64_t* rows, int64_t n_rows) noexcept;

// A matrix to be filled: Csr with room for `nnz` values, in which one of the two indptr is not null.
struct CsrRoom {
    int32_t* narrow_indptr;
    int64_t* wide_indptr;
    int32_t* indices;
    float* data;
    int64_t nnz;
};

// Copies the rows rows[0 .. n_rows) of X, in this order.
void take_rows(const Csr& X, const int64_t* rows, int64_t n_rows, const CsrRoom& room) noexcept;

// Fills `order` with the rows of the blocks blocks[0], blocks[1], ..., permuted inside each block by the
// generator SplitMix64 (Steele, Lea, Flood 2014) from `seed` on. Block b holds the rows from b * block_rows on; the last
// may be shorter.
void block_order(const int64_t* blocks, int64_t n_blocks, int64_t block_rows, int64_t n_rows, uint64_t seed,
                 int64_t* order) noexcept;

}  // namespace fastfm
