// W numbers of 16 bits at a time, and the random bits that round them; see math/half.hpp.
#pragma once

#include "math/half.hpp"
#include "math/vec.hpp"

namespace fastfm::FASTFM_ISA {

// Random bits for W lanes: 16 in each, above which are zeros. Lanes are evenly spread from a random place, and next() moves
// all by the same odd number, a Weyl sequence: a single instruction, and each number alone is as random as the place.
template <int W>
struct RandomLanes;

constexpr uint32_t spread[16] = {0x0000, 0x8000, 0x4000, 0xc000, 0x2000, 0xa000, 0x6000, 0xe000,
                                 0x1000, 0x9000, 0x5000, 0xd000, 0x3000, 0xb000, 0x7000, 0xf000};
constexpr uint32_t golden_ratio = 40503;  // of 2^16
// float16 takes the upper bits of the 16, bfloat16 all.
constexpr int spare_bits = bits_below_bfloat - bits_below_half;

template <>
struct RandomLanes<4> {
    uint32_t place;

    static RandomLanes from(uint16_t place) { return {place}; }
    void next() { place = (place + golden_ratio) & 0xffffu; }
    uint32_t of_lane(int l) const { return place ^ spread[l]; }
};

#if defined(__AVX2__)

inline Vec<4> four_halves(const uint16_t* from) {
    return {_mm_cvtph_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)))};
}

#elif defined(FASTFM_SSE)

// As float_of_half.
inline Vec<4> four_halves(const uint16_t* from) {
    const __m128i halves = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
    const __m128i numbers = _mm_unpacklo_epi16(halves, _mm_setzero_si128()), apart = _mm_set1_epi32(112 << 23);
    const __m128i magnitude = _mm_and_si128(numbers, _mm_set1_epi32(0x7fff));
    const __m128i sign = _mm_slli_epi32(_mm_xor_si128(numbers, magnitude), 16);
    const __m128i is_infinite = _mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x7bff));
    const __m128i is_normal = _mm_cmpgt_epi32(magnitude, _mm_set1_epi32(0x3ff));
    const __m128i normal = _mm_add_epi32(_mm_add_epi32(_mm_slli_epi32(magnitude, bits_below_half), apart),
                                         _mm_and_si128(is_infinite, apart));
    const __m128 small = _mm_mul_ps(_mm_cvtepi32_ps(magnitude), _mm_set1_ps(0x1p-24f));
    const __m128i bits =
        _mm_or_si128(_mm_and_si128(is_normal, normal), _mm_andnot_si128(is_normal, _mm_castps_si128(small)));
    return {_mm_castsi128_ps(_mm_or_si128(sign, bits))};
}

#elif defined(__ARM_NEON)

inline Vec<4> four_halves(const uint16_t* from) { return {vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from)))}; }

#else

inline Vec<4> four_halves(const uint16_t* from) {
    return {{float_of_half(from[0]), float_of_half(from[1]), float_of_half(from[2]), float_of_half(from[3])}};
}

#endif

template <int W>
struct HalfLanes;

template <>
struct HalfLanes<4> {
    static Vec<4> load_half(const uint16_t* from) { return four_halves(from); }
    static Vec<4> load_bfloat(const uint16_t* from) {
        float values[4];
        for (int l = 0; l < 4; ++l) values[l] = float_of_bfloat(from[l]);
        return Vec<4>::load(values);
    }
    static void store_half(Vec<4> value, RandomLanes<4> random, uint16_t* to) {
        float values[4];
        value.store(values);
        for (int l = 0; l < 4; ++l) to[l] = half_of_float(values[l], random.of_lane(l) >> spare_bits);
    }
    static void store_bfloat(Vec<4> value, RandomLanes<4> random, uint16_t* to) {
        float values[4];
        value.store(values);
        for (int l = 0; l < 4; ++l) to[l] = bfloat_of_float(values[l], random.of_lane(l));
    }
};

#if defined(__AVX2__)

template <>
struct RandomLanes<8> {
    __m256i m;

    static RandomLanes from(uint16_t place) {
        const __m256i apart = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(spread));
        return {_mm256_add_epi16(apart, _mm256_set1_epi32(place))};
    }
    void next() { m = _mm256_add_epi16(m, _mm256_set1_epi32(golden_ratio)); }
};

template <>
struct HalfLanes<8> {
    static Vec<8> load_half(const uint16_t* from) { return {_mm256_cvtph_ps(loaded(from))}; }
    static Vec<8> load_bfloat(const uint16_t* from) {
        return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(loaded(from)), bits_below_bfloat))};
    }
    static void store_half(Vec<8> value, RandomLanes<8> random, uint16_t* to) {
        const __m256i sum = _mm256_add_epi32(_mm256_castps_si256(value.m), _mm256_srli_epi32(random.m, spare_bits));
        stored(_mm256_cvtps_ph(_mm256_castsi256_ps(sum), _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC), to);
    }
    static void store_bfloat(Vec<8> value, RandomLanes<8> random, uint16_t* to) {
        const __m256i sum = _mm256_add_epi32(_mm256_castps_si256(value.m), random.m);
        const __m256i upper = _mm256_srli_epi32(sum, bits_below_bfloat);
        stored(_mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1)), to);
    }

  private:
    static __m128i loaded(const uint16_t* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); }
    static void stored(__m128i values, uint16_t* to) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), values); }
};

#endif

#if defined(__AVX512F__)

template <>
struct RandomLanes<16> {
    __m512i m;

    static RandomLanes from(uint16_t place) {
        return {_mm512_add_epi16(_mm512_loadu_si512(spread), _mm512_set1_epi32(place))};
    }
    void next() { m = _mm512_add_epi16(m, _mm512_set1_epi32(golden_ratio)); }
};

template <>
struct HalfLanes<16> {
    static Vec<16> load_half(const uint16_t* from) { return {_mm512_cvtph_ps(loaded(from))}; }
    static Vec<16> load_bfloat(const uint16_t* from) {
        // Number l becomes the upper half of lane l.
        const __m512i number = _mm512_set_epi32(0xf0000, 0xe0000, 0xd0000, 0xc0000, 0xb0000, 0xa0000, 0x90000, 0x80000,
                                                0x70000, 0x60000, 0x50000, 0x40000, 0x30000, 0x20000, 0x10000, 0);
        const __m512i numbers = _mm512_castsi256_si512(loaded(from));
        return {_mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaau, number, numbers))};
    }
    static void store_half(Vec<16> value, RandomLanes<16> random, uint16_t* to) {
        const __m512i sum = _mm512_add_epi32(_mm512_castps_si512(value.m), _mm512_srli_epi32(random.m, spare_bits));
        stored(_mm512_cvtps_ph(_mm512_castsi512_ps(sum), _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC), to);
    }
    static void store_bfloat(Vec<16> value, RandomLanes<16> random, uint16_t* to) {
        const __m512i sum = _mm512_add_epi32(_mm512_castps_si512(value.m), random.m);
        // The upper halves of the lanes.
        const __m512i upper = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0x1f001d, 0x1b0019, 0x170015, 0x130011, 0xf000d,
                                               0xb0009, 0x70005, 0x30001);
        stored(_mm512_castsi512_si256(_mm512_permutexvar_epi16(upper, sum)), to);
    }

  private:
    static __m256i loaded(const uint16_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }
    static void stored(__m256i values, uint16_t* to) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), values); }
};

#endif

}  // namespace fastfm::FASTFM_ISA
