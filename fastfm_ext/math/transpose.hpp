// Transposes of small squares of floats, and of four columns or rows of a register each.
#pragma once

#include "math/vec.hpp"

namespace fastfm::FASTFM_ISA {

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

#elif defined(FASTFM_SSE)

inline void transpose_tile(const float* const* rows, int64_t first, float* out, int64_t stride) {
    __m128 a = _mm_loadu_ps(rows[0] + first), b = _mm_loadu_ps(rows[1] + first);
    __m128 c = _mm_loadu_ps(rows[2] + first), d = _mm_loadu_ps(rows[3] + first);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(out, a);
    _mm_storeu_ps(out + stride, b);
    _mm_storeu_ps(out + 2 * stride, c);
    _mm_storeu_ps(out + 3 * stride, d);
}

#else

inline void transpose_tile(const float* const* rows, int64_t first, float* out, int64_t stride) {
    for (int c = 0; c < tile_side; ++c) {
        for (int r = 0; r < tile_side; ++r) out[c * stride + r] = rows[r][first + c];
    }
}

#endif

#if defined(__AVX512F__)

// Register c of out has lane l of in[r] as lane r of every four, for each four of lanes.
inline void transpose_within_fours(const __m512 (&in)[4], __m512 (&out)[4]) {
    const __m512d low = _mm512_castps_pd(_mm512_unpacklo_ps(in[0], in[1]));
    const __m512d high = _mm512_castps_pd(_mm512_unpackhi_ps(in[0], in[1]));
    const __m512d next_low = _mm512_castps_pd(_mm512_unpacklo_ps(in[2], in[3]));
    const __m512d next_high = _mm512_castps_pd(_mm512_unpackhi_ps(in[2], in[3]));
    out[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, next_low));
    out[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, next_low));
    out[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high, next_high));
    out[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high, next_high));
}

// Writes out[c * out_stride + r] = in[r * in_stride + c] for r < max_lanes and c < 4.
inline void transpose_to_fours(const float* in, int64_t in_stride, float* out, int64_t out_stride) {
    __m512 rows[4], columns[4];
    for (int r = 0; r < 4; ++r) {
        const auto four = [&](int i) { return _mm_loadu_ps(in + (4 * i + r) * in_stride); };
        rows[r] = _mm512_insertf32x4(_mm512_castps128_ps512(four(0)), four(1), 1);
        rows[r] = _mm512_insertf32x4(_mm512_insertf32x4(rows[r], four(2), 2), four(3), 3);
    }
    transpose_within_fours(rows, columns);
    for (int c = 0; c < 4; ++c) _mm512_storeu_ps(out + c * out_stride, columns[c]);
}

// The way back: writes out[r * out_stride + c] = in[c * in_stride + r] for r < max_lanes and c < 4.
inline void transpose_fours(const float* in, int64_t in_stride, float* out, int64_t out_stride) {
    __m512 rows[4], columns[4];
    for (int c = 0; c < 4; ++c) columns[c] = _mm512_loadu_ps(in + c * in_stride);
    transpose_within_fours(columns, rows);
    for (int r = 0; r < 4; ++r) {
        _mm_storeu_ps(out + r * out_stride, _mm512_castps512_ps128(rows[r]));
        _mm_storeu_ps(out + (4 + r) * out_stride, _mm512_extractf32x4_ps(rows[r], 1));
        _mm_storeu_ps(out + (8 + r) * out_stride, _mm512_extractf32x4_ps(rows[r], 2));
        _mm_storeu_ps(out + (12 + r) * out_stride, _mm512_extractf32x4_ps(rows[r], 3));
    }
}

#else

inline void transpose_to_fours(const float* in, int64_t in_stride, float* out, int64_t out_stride) {
    for (int first = 0; first < max_lanes; first += tile_side) {
        const float* rows[tile_side];
        for (int r = 0; r < tile_side; ++r) rows[r] = in + (first + r) * in_stride;
        transpose_tile(rows, 0, out + first, out_stride);
    }
}

inline void transpose_fours(const float* in, int64_t in_stride, float* out, int64_t out_stride) {
    const float* const rows[] = {in, in + in_stride, in + 2 * in_stride, in + 3 * in_stride};
    for (int first = 0; first < max_lanes; first += tile_side)
        transpose_tile(rows, first, out + first * out_stride, out_stride);
}

#endif

}  // namespace fastfm::FASTFM_ISA
