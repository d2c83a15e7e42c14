// Transposes of small squares of floats, and of four columns or rows of a register each.
#pragma once

#include "math/squares.hpp"
#include "math/vec.hpp"

namespace fastfm::FASTFM_ISA {

// Register c of out has lane l of in[r] as lane r of every four, for each four of lanes.
#if defined(FASTFM_SSE)

inline void transpose_within_fours(const Vec<4> (&in)[4], Vec<4> (&out)[4]) {
    __m128 a = in[0].m, b = in[1].m, c = in[2].m, d = in[3].m;
    _MM_TRANSPOSE4_PS(a, b, c, d);
    out[0] = {a};
    out[1] = {b};
    out[2] = {c};
    out[3] = {d};
}

#else

inline void transpose_within_fours(const Vec<4> (&in)[4], Vec<4> (&out)[4]) {
    float rows[4][4];
    for (int r = 0; r < 4; ++r) in[r].store(rows[r]);
    for (int c = 0; c < 4; ++c) out[c] = Vec<4>::of(rows[0][c], rows[1][c], rows[2][c], rows[3][c]);
}

#endif

#if defined(__AVX2__)

inline void transpose_within_fours(const Vec<8> (&in)[4], Vec<8> (&out)[4]) {
    const __m256d low = _mm256_castps_pd(_mm256_unpacklo_ps(in[0].m, in[1].m));
    const __m256d high = _mm256_castps_pd(_mm256_unpackhi_ps(in[0].m, in[1].m));
    const __m256d next_low = _mm256_castps_pd(_mm256_unpacklo_ps(in[2].m, in[3].m));
    const __m256d next_high = _mm256_castps_pd(_mm256_unpackhi_ps(in[2].m, in[3].m));
    out[0] = {_mm256_castpd_ps(_mm256_unpacklo_pd(low, next_low))};
    out[1] = {_mm256_castpd_ps(_mm256_unpackhi_pd(low, next_low))};
    out[2] = {_mm256_castpd_ps(_mm256_unpacklo_pd(high, next_high))};
    out[3] = {_mm256_castpd_ps(_mm256_unpackhi_pd(high, next_high))};
}

#endif

#if defined(__AVX512F__)

inline void transpose_within_fours(const Vec<16> (&in)[4], Vec<16> (&out)[4]) {
    const __m512d low = _mm512_castps_pd(_mm512_unpacklo_ps(in[0].m, in[1].m));
    const __m512d high = _mm512_castps_pd(_mm512_unpackhi_ps(in[0].m, in[1].m));
    const __m512d next_low = _mm512_castps_pd(_mm512_unpacklo_ps(in[2].m, in[3].m));
    const __m512d next_high = _mm512_castps_pd(_mm512_unpackhi_ps(in[2].m, in[3].m));
    out[0] = {_mm512_castpd_ps(_mm512_unpacklo_pd(low, next_low))};
    out[1] = {_mm512_castpd_ps(_mm512_unpackhi_pd(low, next_low))};
    out[2] = {_mm512_castpd_ps(_mm512_unpacklo_pd(high, next_high))};
    out[3] = {_mm512_castpd_ps(_mm512_unpackhi_pd(high, next_high))};
}

#endif

// Writes out[c * stride + r] = rows[r][first + c] for r, c < tile_side.
constexpr int tile_side = max_lanes == 16 ? 16 : 4;

#if defined(__AVX512F__)

inline void transpose_tile(const float* const* rows, int64_t first, float* out, int64_t stride) {
    __m512 a[16], b[16];
    for (int i = 0; i < 16; ++i) a[i] = _mm512_loadu_ps(rows[i] + first);
    // Within lanes of four: pairs of rows, then fours.
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        const auto low = [&](int p, int q) {
            return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(b[p]), _mm512_castps_pd(b[q])));
        };
        const auto high = [&](int p, int q) {
            return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(b[p]), _mm512_castps_pd(b[q])));
        };
        a[i] = low(i, i + 2);
        a[i + 1] = high(i, i + 2);
        a[i + 2] = low(i + 1, i + 3);
        a[i + 3] = high(i + 1, i + 3);
    }
    // a[4 g + c] has column 4 l + c of rows 4 g .. 4 g + 3 in lane l: exchange lanes and groups.
    for (int c = 0; c < 4; ++c) {
        const __m512 even_low = _mm512_shuffle_f32x4(a[c], a[4 + c], 0x88);
        const __m512 odd_low = _mm512_shuffle_f32x4(a[c], a[4 + c], 0xdd);
        const __m512 even_high = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0x88);
        const __m512 odd_high = _mm512_shuffle_f32x4(a[8 + c], a[12 + c], 0xdd);
        _mm512_storeu_ps(out + (0 + c) * stride, _mm512_shuffle_f32x4(even_low, even_high, 0x88));
        _mm512_storeu_ps(out + (8 + c) * stride, _mm512_shuffle_f32x4(even_low, even_high, 0xdd));
        _mm512_storeu_ps(out + (4 + c) * stride, _mm512_shuffle_f32x4(odd_low, odd_high, 0x88));
        _mm512_storeu_ps(out + (12 + c) * stride, _mm512_shuffle_f32x4(odd_low, odd_high, 0xdd));
    }
}

#else

inline void transpose_tile(const float* const* rows, int64_t first, float* out, int64_t stride) {
    Vec<4> in[4], columns[4];
    for (int r = 0; r < 4; ++r) in[r] = Vec<4>::load(rows[r] + first);
    transpose_within_fours(in, columns);
    for (int c = 0; c < 4; ++c) columns[c].store(out + c * stride);
}

#endif

// Vectors of four to a register.
constexpr int fours = max_lanes / 4;

// Writes out[c * out_stride + r] = in[r * in_stride + c] for r < max_lanes and c < 4.
inline void transpose_to_fours(const float* in, int64_t in_stride, float* out, int64_t out_stride) {
    Vec<max_lanes> rows[4], columns[4];
    for (int r = 0; r < 4; ++r) {
        const float* at[fours];
        for (int l = 0; l < fours; ++l) at[l] = in + (4 * l + r) * in_stride;
        rows[r] = load_vectors<4, fours>(at);
    }
    transpose_within_fours(rows, columns);
    for (int c = 0; c < 4; ++c) columns[c].store(out + c * out_stride);
}

// The way back for rows of K that fill no register: writes out[r * K + c] = in[c * in_stride + r] for r < max_lanes and
// c < K, in whole registers, for one cannot be loaded soon from what was stored in parts.
template <int K>
inline void transpose_to_rows(const float* in, int64_t in_stride, float* out) {
    constexpr int fours_of_row = K / 4;
    Vec<max_lanes> rows[fours_of_row][4];
    for (int n = 0; n < fours_of_row; ++n) {
        Vec<max_lanes> columns[4];
        for (int c = 0; c < 4; ++c) columns[c] = Vec<max_lanes>::load(in + (4 * n + c) * in_stride);
        transpose_within_fours(columns, rows[n]);
    }
    // Four l of rows[n][r] is the n-th of row 4 l + r.
    for (int r = 0; r < 4; r += max_lanes / K) {
        Vec<max_lanes> square[fours], whole[fours];
        for (int n = 0; n < fours; ++n) square[n] = rows[n % fours_of_row][r + n / fours_of_row];
        transpose_square<4, fours>(square, whole);
        for (int l = 0; l < fours; ++l) whole[l].store(out + (4 * l + r) * K);
    }
}

}  // namespace fastfm::FASTFM_ISA
