// Transposes of small squares of floats.
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

}  // namespace fastfm::FASTFM_ISA
