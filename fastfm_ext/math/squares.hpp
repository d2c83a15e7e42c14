// Squares of short vectors: `side` registers of `side` vectors of `lanes` floats each.
#pragma once

#include "math/vec.hpp"

namespace fastfm::FASTFM_ISA {

// Vector c of out[r] becomes vector r of in[c].
template <int lanes, int side>
FASTFM_INLINE void transpose_square(const Vec<lanes * side>* in, Vec<lanes * side>* out) {
    static_assert(side == 1, "one register of this instruction set does not hold several such vectors");
    out[0] = in[0];
}

#if defined(__AVX2__)

template <>
FASTFM_INLINE void transpose_square<4, 2>(const Vec<8>* in, Vec<8>* out) {
    out[0] = {_mm256_permute2f128_ps(in[0].m, in[1].m, 0x20)};
    out[1] = {_mm256_permute2f128_ps(in[0].m, in[1].m, 0x31)};
}

#endif

#if defined(__AVX512F__)

template <>
FASTFM_INLINE void transpose_square<8, 2>(const Vec<16>* in, Vec<16>* out) {
    out[0] = {_mm512_shuffle_f32x4(in[0].m, in[1].m, 0x44)};
    out[1] = {_mm512_shuffle_f32x4(in[0].m, in[1].m, 0xee)};
}

template <>
FASTFM_INLINE void transpose_square<4, 4>(const Vec<16>* in, Vec<16>* out) {
    const __m512 left_upper = _mm512_shuffle_f32x4(in[0].m, in[1].m, 0x44);
    const __m512 right_upper = _mm512_shuffle_f32x4(in[0].m, in[1].m, 0xee);
    const __m512 left_lower = _mm512_shuffle_f32x4(in[2].m, in[3].m, 0x44);
    const __m512 right_lower = _mm512_shuffle_f32x4(in[2].m, in[3].m, 0xee);
    out[0] = {_mm512_shuffle_f32x4(left_upper, left_lower, 0x88)};
    out[1] = {_mm512_shuffle_f32x4(left_upper, left_lower, 0xdd)};
    out[2] = {_mm512_shuffle_f32x4(right_upper, right_lower, 0x88)};
    out[3] = {_mm512_shuffle_f32x4(right_upper, right_lower, 0xdd)};
}

#endif

}  // namespace fastfm::FASTFM_ISA
