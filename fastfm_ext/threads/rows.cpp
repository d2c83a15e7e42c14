#include "threads/rows.hpp"

#include <string.h>

#include <algorithm>

#include "math/random.hpp"
#include "threads/prefetch.hpp"

namespace fastfm {

namespace {

// Rows anywhere in memory are asked for in two steps: their place in indptr, then their nonzeros.
constexpr int64_t place_ahead = 32, nonzeros_ahead = 16;

// Copies n values: in pieces, where it may read and write beyond the row's end, which the next row makes good. Calling
// memcpy for a few values costs more than the values.
constexpr int64_t piece = 4;

template <class T>
void copy_row(const T* from, int64_t n, bool may_exceed, T* to) {
    if (!may_exceed) {
        std::copy_n(from, n, to);
        return;
    }
    for (int64_t j = 0; j < n; j += piece) memcpy(to + j, from + j, piece * sizeof(T));
}

template <class Place>
void take_rows_as(const Csr& X, const int64_t* rows, int64_t n_rows, const CsrRoom& room, Place* indptr) {
    const int64_t from_end = X.indptr[X.n_rows];
    int64_t to = 0;
    indptr[0] = 0;
    for (int64_t r = 0; r < n_rows; ++r) {
        if (r + place_ahead < n_rows) prefetch(X.indptr.address(rows[r + place_ahead]));
        if (r + nonzeros_ahead < n_rows) {
            const int64_t begin = X.indptr[rows[r + nonzeros_ahead]];
            prefetch(X.indices + begin);
            if (X.data) prefetch(X.data + begin);
        }
        const int64_t from = X.indptr[rows[r]], nnz = X.indptr[rows[r] + 1] - from;
        const bool may_exceed = from + nnz + piece <= from_end && to + nnz + piece <= room.nnz;
        copy_row(X.indices + from, nnz, may_exceed, room.indices + to);
        if (X.data) copy_row(X.data + from, nnz, may_exceed, room.data + to);
        to += nnz;
        indptr[r + 1] = static_cast<Place>(to);
    }
}

}  // namespace

int64_t nnz_of_rows(const Csr& X, const int64_t* rows, int64_t n_rows) noexcept {
    int64_t nnz = 0;
    for (int64_t r = 0; r < n_rows; ++r) {
        if (r + place_ahead < n_rows) prefetch(X.indptr.address(rows[r + place_ahead]));
        nnz += X.indptr[rows[r] + 1] - X.indptr[rows[r]];
    }
    return nnz;
}

void take_rows(const Csr& X, const int64_t* rows, int64_t n_rows, const CsrRoom& room) noexcept {
    if (room.narrow_indptr)
        take_rows_as(X, rows, n_rows, room, room.narrow_indptr);
    else
        take_rows_as(X, rows, n_rows, room, room.wide_indptr);
}

void block_order(const int64_t* blocks, int64_t n_blocks, int64_t block_rows, int64_t n_rows, uint64_t seed,
                 int64_t* order) noexcept {
    SplitMix64 random(seed);
    for (int64_t b = 0; b < n_blocks; ++b) {
        const int64_t first = blocks[b] * block_rows;
        const int64_t size = std::min(block_rows, n_rows - first);
        // Fisher and Yates, inside out; each number of the generator is good for two.
        uint64_t bits = 0;
        for (int64_t i = 0; i < size; ++i) {
            bits = i % 2 ? bits << 32 : random.next();
            const uint32_t j = SplitMix64::scaled(bits, static_cast<uint32_t>(i + 1));
            order[i] = order[j];
            order[j] = first + i;
        }
        order += size;
    }
}

}  // namespace fastfm
