#include "rows.hpp"

#include <algorithm>

namespace fastfm {

namespace {

class SplitMix64 {
  public:
    explicit SplitMix64(uint64_t seed) : state_(seed) {}

    // A number below n, for n < 2^32. The bias is below n / 2^32.
    uint32_t below(uint32_t n) { return static_cast<uint32_t>(((next() >> 32) * n) >> 32); }

  private:
    uint64_t next() {
        uint64_t z = (state_ += 0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }

    uint64_t state_;
};

}  // namespace

void take_rows(const Csr& X, const int64_t* rows, int64_t n_rows, const int64_t* indptr, int32_t* indices,
               float* data) noexcept {
    for (int64_t r = 0; r < n_rows; ++r) {
        const int64_t from = X.indptr[rows[r]], to = indptr[r], nnz = indptr[r + 1] - to;
        std::copy_n(X.indices + from, nnz, indices + to);
        if (X.data) std::copy_n(X.data + from, nnz, data + to);
    }
}

void block_order(const int64_t* blocks, int64_t n_blocks, int64_t block_rows, int64_t n_rows, uint64_t seed,
                 int64_t* order) noexcept {
    SplitMix64 random(seed);
    for (int64_t b = 0; b < n_blocks; ++b) {
        const int64_t first = blocks[b] * block_rows;
        const int64_t size = std::min(block_rows, n_rows - first);
        // Fisher and Yates, inside out.
        for (int64_t i = 0; i < size; ++i) {
            const uint32_t j = random.below(static_cast<uint32_t>(i + 1));
            order[i] = order[j];
            order[j] = first + i;
        }
        order += size;
    }
}

}  // namespace fastfm
