// Products of dense matrices of few columns. Each value is one chain of fused multiply-adds in the order of p, however the
// matrices are cut into tiles.
#pragma once

#include "math/lanes.hpp"

namespace fastfm::FASTFM_ISA {

// The left matrix: value (i, p) is a[i * i_stride + p * p_stride], so that it may stand transposed.
struct LeftMatrix {
    const float* a;
    int64_t i_stride;
    int64_t p_stride;

    LeftMatrix from_row(int64_t i) const { return {a + i * i_stride, i_stride, p_stride}; }
};

// sums (M, n_vecs registers) += A (M, P) B (P, n_vecs registers), where rows of B are `stride` apart. O(M P n_vecs).
template <int M, int n_vecs, int W>
FASTFM_INLINE void add_product_to(Vec<W> (&sums)[M][n_vecs], const LeftMatrix& A, const float* B, int64_t P,
                                  int64_t stride) {
    for (int64_t p = 0; p < P; ++p) {
        Vec<W> row[n_vecs];
        for (int v = 0; v < n_vecs; ++v) row[v] = Vec<W>::load(B + p * stride + v * W);
        for (int i = 0; i < M; ++i) {
            const Vec<W> a = Vec<W>::fill(A.a[i * A.i_stride + p * A.p_stride]);
            for (int v = 0; v < n_vecs; ++v) sums[i][v] = fma(a, row[v], sums[i][v]);
        }
    }
}

// C (M, n_vecs * max_lanes) += A (M, P) B (P, ...), in registers; B and C have k columns.
template <int M, int n_vecs>
void add_tile(const LeftMatrix& A, const float* B, int64_t P, int32_t k, float* C) {
    Lanes sums[M][n_vecs];
    for (int i = 0; i < M; ++i)
        for (int v = 0; v < n_vecs; ++v) sums[i][v] = Lanes::load(C + int64_t{i} * k + v * max_lanes);
    add_product_to(sums, A, B, P, k);
    for (int i = 0; i < M; ++i)
        for (int v = 0; v < n_vecs; ++v) sums[i][v].store(C + int64_t{i} * k + v * max_lanes);
}

// Registers of sums that leave room for the others.
constexpr int most_sums = max_lanes == 16 ? 16 : 8;

template <int n_vecs>
void add_columns(const LeftMatrix& A, const float* B, int64_t n_rows, int64_t P, int32_t k, float* C) {
    constexpr int M = most_sums / (n_vecs > 2 ? n_vecs : 2);
    int64_t i = 0;
    for (; i + M <= n_rows; i += M) add_tile<M, n_vecs>(A.from_row(i), B, P, k, C + i * k);
    for (; i < n_rows; ++i) add_tile<1, n_vecs>(A.from_row(i), B, P, k, C + i * k);
}

// C (n_rows, k) += A (n_rows, P) B (P, k). O(n_rows P k).
inline void add_product(const LeftMatrix& A, const float* B, int64_t n_rows, int64_t P, int32_t k, float* C) {
    constexpr int two = 2 * max_lanes, four = 2 * two;
    int32_t f = 0;
    for (; f + four <= k; f += four) add_columns<4>(A, B + f, n_rows, P, k, C + f);
    for (; f + two <= k; f += two) add_columns<2>(A, B + f, n_rows, P, k, C + f);
    for (; f < k; f += max_lanes) add_columns<1>(A, B + f, n_rows, P, k, C + f);
}

// The upper triangle of C (k, k) += S^T S for S (n, k); what is written below it is not of use. O(n k^2 / 2).
inline void add_gram(const float* S, int64_t n, int32_t k, float* C) {
    constexpr int two = 2 * max_lanes;
    const LeftMatrix transposed{S, 1, k};
    int32_t f = 0;
    for (; f + two <= k; f += two) add_columns<2>(transposed, S + f, f + two, n, k, C + f);
    for (; f < k; f += max_lanes) add_columns<1>(transposed, S + f, f + max_lanes, n, k, C + f);
}

}  // namespace fastfm::FASTFM_ISA
