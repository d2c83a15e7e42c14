// Short vectors, `side` of `lanes` floats each to a register, and squares of them: `side` such registers.
#pragma once

#include "math/vec.hpp"

namespace fastfm::FASTFM_ISA {

// Vector c of out[r] becomes vector r of in[c].
template <int lanes, int side>
FASTFM_INLINE void transpose_square(const Vec<lanes * side>* in, Vec<lanes * side>* out) {
    static_assert(side == 1, "one register of this instruction set does not hold several such vectors");
    out[0] = in[0];
}

// `side` vectors of `lanes` floats, each at its own address, in one register.
template <int lanes, int side>
FASTFM_INLINE Vec<lanes * side> load_vectors(const float* const* at) {
    static_assert(side == 1, "one register of this instruction set does not hold several such vectors");
    return Vec<lanes>::load(at[0]);
}

// Stores those of the `side` vectors in a register whose bit is set.
template <int lanes, int side>
FASTFM_INLINE void store_some(Vec<lanes * side> vectors, unsigned which, float* at) {
    float all[lanes * side];
    vectors.store(all);
    for (int n = 0; n < side; ++n)
        if (which >> n & 1u) Vec<lanes>::load(all + n * lanes).store(at + n * lanes);
}

// The firsts and the seconds of `side` pairs of vectors, each pair at its own address; and back.
template <int lanes, int side>
FASTFM_INLINE void load_pairs(const float* const* at, Vec<lanes * side> (&pairs)[2]) {
    const Vec<lanes * side> in[side] = {Vec<lanes * side>::load(at[0]), Vec<lanes * side>::load(at[1])};
    transpose_square<lanes, side>(in, pairs);
}
template <int lanes, int side>
FASTFM_INLINE void store_pairs(const Vec<lanes * side> (&pairs)[2], float* const* at) {
    Vec<lanes * side> out[side];
    transpose_square<lanes, side>(pairs, out);
    for (int n = 0; n < side; ++n) out[n].store(at[n]);
}

#if defined(__AVX2__)

template <>
FASTFM_INLINE Vec<8> load_vectors<4, 2>(const float* const* at) {
    return {_mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(at[0])), _mm_loadu_ps(at[1]), 1)};
}
template <>
FASTFM_INLINE void transpose_square<4, 2>(const Vec<8>* in, Vec<8>* out) {
    out[0] = {_mm256_permute2f128_ps(in[0].m, in[1].m, 0x20)};
    out[1] = {_mm256_permute2f128_ps(in[0].m, in[1].m, 0x31)};
}

#endif

#if defined(__AVX512F__)

template <>
FASTFM_INLINE Vec<16> load_vectors<8, 2>(const float* const* at) {
    return {_mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(at[0])), _mm256_loadu_ps(at[1]), 1)};
}
template <>
FASTFM_INLINE Vec<16> load_vectors<4, 4>(const float* const* at) {
    const __m512 two = _mm512_castps256_ps512(load_vectors<4, 2>(at).m);
    return {_mm512_insertf32x4(_mm512_insertf32x4(two, _mm_loadu_ps(at[2]), 2), _mm_loadu_ps(at[3]), 3)};
}
template <>
FASTFM_INLINE void load_pairs<4, 4>(const float* const* at, Vec<16> (&pairs)[2]) {
    const __m512 two = load_vectors<8, 2>(at).m, next = load_vectors<8, 2>(at + 2).m;
    pairs[0] = {_mm512_shuffle_f32x4(two, next, 0x88)};
    pairs[1] = {_mm512_shuffle_f32x4(two, next, 0xdd)};
}
template <>
FASTFM_INLINE void store_pairs<4, 4>(const Vec<16> (&pairs)[2], float* const* at) {
    const __m512d firsts = _mm512_castps_pd(pairs[0].m), seconds = _mm512_castps_pd(pairs[1].m);
    const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11),
                  high = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    const __m512 two = _mm512_castpd_ps(_mm512_permutex2var_pd(firsts, low, seconds));
    const __m512 next = _mm512_castpd_ps(_mm512_permutex2var_pd(firsts, high, seconds));
    _mm256_storeu_ps(at[0], _mm512_castps512_ps256(two));
    _mm256_storeu_ps(at[1], _mm512_extractf32x8_ps(two, 1));
    _mm256_storeu_ps(at[2], _mm512_castps512_ps256(next));
    _mm256_storeu_ps(at[3], _mm512_extractf32x8_ps(next, 1));
}

template <>
FASTFM_INLINE void store_some<4, 4>(Vec<16> vectors, unsigned which, float* at) {
    // Halves apart, each bit apart, and then four of each.
    const unsigned halves = (which | which << 6) & 0x303u, bits = (halves | halves << 3) & 0x1111u;
    _mm512_mask_storeu_ps(at, static_cast<__mmask16>(bits * 0xfu), vectors.m);
}
template <>
FASTFM_INLINE void store_some<8, 2>(Vec<16> vectors, unsigned which, float* at) {
    const unsigned bits = (which | which << 7) & 0x101u;
    _mm512_mask_storeu_ps(at, static_cast<__mmask16>(bits * 0xffu), vectors.m);
}

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
