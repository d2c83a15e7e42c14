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

Traits inspect(const Csr& X, int64_t nnz, int64_t n_features) noexcept {
    // Whole numbers in place of bools, and no early ends: loops that the compiler turns into vector instructions.
    int bad_rows = X.indptr[0] != 0 || X.indptr[X.n_rows] != nnz;
    for (int64_t r = 0; r < X.n_rows; ++r) bad_rows |= X.indptr[r] > X.indptr[r + 1];
    if (bad_rows) return {false, true, false, true};  // the rows cannot be followed

    int bad_indices = 0;
    const auto limit = static_cast<uint32_t>(n_features);
    for (int64_t j = 0; j < nnz; ++j) bad_indices |= static_cast<uint32_t>(X.indices[j]) >= limit;
    // The indices may fall from one value to the next only where a row begins.
    int64_t n_falls = 0, n_falls_between_rows = 0;
    constexpr int64_t chunk = 1 << 20;  // so that a chunk's count fits 32 bits, of which a register holds more
    for (int64_t first = 1; first < nnz; first += chunk) {
        int falls = 0;
        const int64_t last = std::min(first + chunk, nnz);
        for (int64_t j = first; j < last; ++j) falls += X.indices[j] <= X.indices[j - 1];
        n_falls += falls;
    }
    for (int64_t r = 1; r < X.n_rows; ++r) {
        const int64_t begin = X.indptr[r];
        if (begin == 0 || begin == X.indptr[r + 1]) continue;
        n_falls_between_rows += X.indices[begin] <= X.indices[begin - 1];
    }

    int not_finite = 0, zeros = 0, others = 0;
    for (int64_t j = 0; j < nnz; ++j) {
        const float x = X.data[j];
        not_finite |= !(x - x == 0.0f);  // infinity - infinity is NaN, too
        zeros |= x == 0.0f;
        others |= x != 1.0f;
    }
    return {!bad_indices && n_falls == n_falls_between_rows, !not_finite, zeros != 0, !others};
}

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
