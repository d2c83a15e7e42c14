// Vec<W>: W floats in one register, with the few operations that the kernels need.
// What an ISA unit offers follows from the flags it is compiled with: W = 4 everywhere, 8 with AVX2, 16 with AVX-512.
#pragma once

#include <math.h>
#include <stdint.h>

#include "types/compiler.hpp"

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#elif defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#if defined(__SSE2__) || defined(_M_X64)
#define FASTFM_SSE 1
#endif

namespace fastfm::FASTFM_ISA {

template <int W>
struct Vec;

// --- 4 lanes -----------------------------------------------------------------------------------------------------

#if defined(FASTFM_SSE)

template <>
struct Vec<4> {
    __m128 m;

    static Vec load(const float* a) { return {_mm_loadu_ps(a)}; }
    static Vec fill(float a) { return {_mm_set1_ps(a)}; }
    static Vec of(float a, float b, float c, float d) { return {_mm_setr_ps(a, b, c, d)}; }
    void store(float* a) const { _mm_storeu_ps(a, m); }
    float first() const { return _mm_cvtss_f32(m); }
    friend Vec operator+(Vec a, Vec b) { return {_mm_add_ps(a.m, b.m)}; }
    friend Vec operator-(Vec a, Vec b) { return {_mm_sub_ps(a.m, b.m)}; }
    friend Vec operator*(Vec a, Vec b) { return {_mm_mul_ps(a.m, b.m)}; }
#if defined(__FMA__)
    friend Vec fma(Vec a, Vec b, Vec c) { return {_mm_fmadd_ps(a.m, b.m, c.m)}; }
    friend Vec fnma(Vec a, Vec b, Vec c) { return {_mm_fnmadd_ps(a.m, b.m, c.m)}; }
#else
    friend Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
    friend Vec fnma(Vec a, Vec b, Vec c) { return c - a * b; }
#endif
    friend Vec operator/(Vec a, Vec b) { return {_mm_div_ps(a.m, b.m)}; }
    friend Vec sqrt(Vec a) { return {_mm_sqrt_ps(a.m)}; }
    friend Vec min(Vec a, Vec b) { return {_mm_min_ps(a.m, b.m)}; }
    friend Vec max(Vec a, Vec b) { return {_mm_max_ps(a.m, b.m)}; }
    friend Vec rsqrt_estimate(Vec a) { return {_mm_rsqrt_ps(a.m)}; }
    friend unsigned at_least(Vec a, Vec b) { return static_cast<unsigned>(_mm_movemask_ps(_mm_cmpge_ps(a.m, b.m))); }
    friend float sum(Vec a) {
        const __m128 pairs = _mm_add_ps(a.m, _mm_movehl_ps(a.m, a.m));
        return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_shuffle_ps(pairs, pairs, 1)));
    }

    // Four pairs of floats, each at its own address, as four firsts and four seconds; and back.
    static void load_pairs(float* const* at, Vec& firsts, Vec& seconds) {
        const __m128 low = two_pairs(at[0], at[1]), high = two_pairs(at[2], at[3]);
        firsts = {_mm_shuffle_ps(low, high, _MM_SHUFFLE(2, 0, 2, 0))};
        seconds = {_mm_shuffle_ps(low, high, _MM_SHUFFLE(3, 1, 3, 1))};
    }
    static void store_pairs(float* const* at, Vec firsts, Vec seconds) {
        const __m128 low = _mm_unpacklo_ps(firsts.m, seconds.m), high = _mm_unpackhi_ps(firsts.m, seconds.m);
        _mm_storel_pi(reinterpret_cast<__m64*>(at[0]), low);
        _mm_storeh_pi(reinterpret_cast<__m64*>(at[1]), low);
        _mm_storel_pi(reinterpret_cast<__m64*>(at[2]), high);
        _mm_storeh_pi(reinterpret_cast<__m64*>(at[3]), high);
    }

  private:
    static __m128 two_pairs(const float* a, const float* b) {
        const __m128 low = _mm_castpd_ps(_mm_load_sd(reinterpret_cast<const double*>(a)));
        return _mm_loadh_pi(low, reinterpret_cast<const __m64*>(b));
    }
};

#elif defined(__ARM_NEON)

template <>
struct Vec<4> {
    float32x4_t m;

    static Vec load(const float* a) { return {vld1q_f32(a)}; }
    static Vec fill(float a) { return {vdupq_n_f32(a)}; }
    static Vec of(float a, float b, float c, float d) { return {float32x4_t{a, b, c, d}}; }
    void store(float* a) const { vst1q_f32(a, m); }
    float first() const { return vgetq_lane_f32(m, 0); }
    friend Vec operator+(Vec a, Vec b) { return {vaddq_f32(a.m, b.m)}; }
    friend Vec operator-(Vec a, Vec b) { return {vsubq_f32(a.m, b.m)}; }
    friend Vec operator*(Vec a, Vec b) { return {vmulq_f32(a.m, b.m)}; }
    friend Vec fma(Vec a, Vec b, Vec c) { return {vfmaq_f32(c.m, a.m, b.m)}; }
    friend Vec fnma(Vec a, Vec b, Vec c) { return {vfmsq_f32(c.m, a.m, b.m)}; }
    friend Vec operator/(Vec a, Vec b) { return {vdivq_f32(a.m, b.m)}; }
    friend Vec sqrt(Vec a) { return {vsqrtq_f32(a.m)}; }
    friend Vec min(Vec a, Vec b) { return {vminq_f32(a.m, b.m)}; }
    friend Vec max(Vec a, Vec b) { return {vmaxq_f32(a.m, b.m)}; }
    friend Vec rsqrt_estimate(Vec a) {
        // NEON's estimate has 8 bits: one step here brings it near the 12 bits of the other instruction sets.
        const float32x4_t e = vrsqrteq_f32(a.m);
        return {vmulq_f32(e, vrsqrtsq_f32(vmulq_f32(a.m, e), e))};
    }
    friend unsigned at_least(Vec a, Vec b) {
        const uint32x4_t lane_bits = {1, 2, 4, 8};
        return vaddvq_u32(vandq_u32(vcgeq_f32(a.m, b.m), lane_bits));
    }
    friend float sum(Vec a) { return vaddvq_f32(a.m); }
    static void load_pairs(float* const* at, Vec& firsts, Vec& seconds) {
        const float32x4_t low = vcombine_f32(vld1_f32(at[0]), vld1_f32(at[1]));
        const float32x4_t high = vcombine_f32(vld1_f32(at[2]), vld1_f32(at[3]));
        firsts = {vuzp1q_f32(low, high)};
        seconds = {vuzp2q_f32(low, high)};
    }
    static void store_pairs(float* const* at, Vec firsts, Vec seconds) {
        const float32x4_t low = vzip1q_f32(firsts.m, seconds.m), high = vzip2q_f32(firsts.m, seconds.m);
        vst1_f32(at[0], vget_low_f32(low));
        vst1_f32(at[1], vget_high_f32(low));
        vst1_f32(at[2], vget_low_f32(high));
        vst1_f32(at[3], vget_high_f32(high));
    }
};

#else

template <>
struct Vec<4> {
    float m[4];

    template <class F>
    static Vec each(F f) {
        return {{f(0), f(1), f(2), f(3)}};
    }
    static Vec load(const float* a) {
        return each([=](int l) { return a[l]; });
    }
    static Vec fill(float a) { return {{a, a, a, a}}; }
    static Vec of(float a, float b, float c, float d) { return {{a, b, c, d}}; }
    void store(float* a) const {
        for (int l = 0; l < 4; ++l) a[l] = m[l];
    }
    float first() const { return m[0]; }
    friend Vec operator+(Vec a, Vec b) {
        return each([=](int l) { return a.m[l] + b.m[l]; });
    }
    friend Vec operator-(Vec a, Vec b) {
        return each([=](int l) { return a.m[l] - b.m[l]; });
    }
    friend Vec operator*(Vec a, Vec b) {
        return each([=](int l) { return a.m[l] * b.m[l]; });
    }
    friend Vec operator/(Vec a, Vec b) {
        return each([=](int l) { return a.m[l] / b.m[l]; });
    }
    friend Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
    friend Vec fnma(Vec a, Vec b, Vec c) { return c - a * b; }
    friend Vec sqrt(Vec a) {
        return each([=](int l) { return sqrtf(a.m[l]); });
    }
    friend Vec min(Vec a, Vec b) {
        return each([=](int l) { return a.m[l] < b.m[l] ? a.m[l] : b.m[l]; });
    }
    friend Vec max(Vec a, Vec b) {
        return each([=](int l) { return a.m[l] > b.m[l] ? a.m[l] : b.m[l]; });
    }
    friend Vec rsqrt_estimate(Vec a) { return fill(1.0f) / sqrt(a); }
    friend unsigned at_least(Vec a, Vec b) {
        unsigned bits = 0;
        for (int l = 0; l < 4; ++l) bits |= unsigned{a.m[l] >= b.m[l]} << l;
        return bits;
    }
    friend float sum(Vec a) { return (a.m[0] + a.m[2]) + (a.m[1] + a.m[3]); }
    static void load_pairs(float* const* at, Vec& firsts, Vec& seconds) {
        firsts = each([=](int l) { return at[l][0]; });
        seconds = each([=](int l) { return at[l][1]; });
    }
    static void store_pairs(float* const* at, Vec firsts, Vec seconds) {
        for (int l = 0; l < 4; ++l) {
            at[l][0] = firsts.m[l];
            at[l][1] = seconds.m[l];
        }
    }
};

#endif

// --- 8 lanes -----------------------------------------------------------------------------------------------------

#if defined(__AVX2__)

template <>
struct Vec<8> {
    __m256 m;

    static Vec load(const float* a) { return {_mm256_loadu_ps(a)}; }
    static Vec fill(float a) { return {_mm256_set1_ps(a)}; }
    void store(float* a) const { _mm256_storeu_ps(a, m); }
    friend Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.m, b.m)}; }
    friend Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.m, b.m)}; }
    friend Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.m, b.m)}; }
    friend Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.m, b.m, c.m)}; }
    friend Vec fnma(Vec a, Vec b, Vec c) { return {_mm256_fnmadd_ps(a.m, b.m, c.m)}; }
    friend Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.m, b.m)}; }
    friend Vec sqrt(Vec a) { return {_mm256_sqrt_ps(a.m)}; }
    friend Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.m, b.m)}; }
    friend Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.m, b.m)}; }
    friend Vec rsqrt_estimate(Vec a) { return {_mm256_rsqrt_ps(a.m)}; }
    friend unsigned at_least(Vec a, Vec b) {
        return static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(a.m, b.m, _CMP_GE_OQ)));
    }
    friend float sum(Vec a) {
        return sum(Vec<4>{_mm_add_ps(_mm256_castps256_ps128(a.m), _mm256_extractf128_ps(a.m, 1))});
    }
};

#endif

// --- 16 lanes ----------------------------------------------------------------------------------------------------

#if defined(__AVX512F__)

template <>
struct Vec<16> {
    __m512 m;

    static Vec load(const float* a) { return {_mm512_loadu_ps(a)}; }
    static Vec fill(float a) { return {_mm512_set1_ps(a)}; }
    void store(float* a) const { _mm512_storeu_ps(a, m); }
    friend Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.m, b.m)}; }
    friend Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.m, b.m)}; }
    friend Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.m, b.m)}; }
    friend Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.m, b.m, c.m)}; }
    friend Vec fnma(Vec a, Vec b, Vec c) { return {_mm512_fnmadd_ps(a.m, b.m, c.m)}; }
    friend Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.m, b.m)}; }
    friend Vec sqrt(Vec a) { return {_mm512_sqrt_ps(a.m)}; }
    friend Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.m, b.m)}; }
    friend Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.m, b.m)}; }
    friend Vec rsqrt_estimate(Vec a) { return {_mm512_rsqrt14_ps(a.m)}; }
    friend unsigned at_least(Vec a, Vec b) { return _mm512_cmp_ps_mask(a.m, b.m, _CMP_GE_OQ); }
    friend float sum(Vec a) {
        const __m128 first = _mm512_castps512_ps128(a.m), second = _mm512_extractf32x4_ps(a.m, 1);
        const __m128 third = _mm512_extractf32x4_ps(a.m, 2), fourth = _mm512_extractf32x4_ps(a.m, 3);
        return sum(Vec<4>{_mm_add_ps(_mm_add_ps(first, second), _mm_add_ps(third, fourth))});
    }
};

#endif

#if defined(__AVX512F__)
constexpr int max_lanes = 16;
#elif defined(__AVX2__)
constexpr int max_lanes = 8;
#else
constexpr int max_lanes = 4;
#endif

// Asks for the 64 bytes around `address`, to read them, or to write to them: then no other core keeps a copy that would
// have to be called back. In assembly, because GCC takes a function that does nothing but prefetch to have no effect, and
// drops the calls to it. CPUs without prefetchw take it for a no-op.
template <bool to_write = false>
inline void prefetch_line(const void* address) {
#if defined(__GNUC__) && defined(FASTFM_SSE)
    if (to_write)
        __asm__ volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
    else
        __asm__ volatile("prefetcht0 %0" : : "m"(*static_cast<const char*>(address)));
#elif defined(__GNUC__) && defined(__aarch64__)
    if (to_write)
        __asm__ volatile("prfm pstl1keep, %0" : : "Q"(*static_cast<const char*>(address)));
    else
        __asm__ volatile("prfm pldl1keep, %0" : : "Q"(*static_cast<const char*>(address)));
#elif defined(FASTFM_SSE)
    _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0);
#else
    (void)address;
#endif
}

// The same, but no nearer than the second cache: the first has few places for what it waits for, and what comes to stay for
// long would push out what is in use.
inline void prefetch_to_second_cache(const void* address) {
#if defined(__GNUC__) && defined(FASTFM_SSE)
    __asm__ volatile("prefetcht1 %0" : : "m"(*static_cast<const char*>(address)));
#elif defined(__GNUC__) && defined(__aarch64__)
    __asm__ volatile("prfm pldl2keep, %0" : : "Q"(*static_cast<const char*>(address)));
#elif defined(FASTFM_SSE)
    _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T1);
#else
    (void)address;
#endif
}

// c - b / sqrt(a) for normal a > 0, and c for infinite a. The reciprocal root is the CPU's estimate as it is: off by at most
// 1.5 * 2^-12 of itself with SSE and AVX, by 2^-14 with AVX-512, by how much and where as the maker of the CPU chose.
template <int W>
Vec<W> subtract_over_sqrt(Vec<W> c, Vec<W> b, Vec<W> a) {
    return fnma(b, rsqrt_estimate(a), c);
}

// How many of the lowest 16 bits are set.
inline int count_bits(unsigned bits) {
#if defined(__AVX2__)
    return static_cast<int>(_mm_popcnt_u32(bits));
#else
    bits -= bits >> 1 & 0x5555u;
    bits = (bits & 0x3333u) + (bits >> 2 & 0x3333u);
    bits = (bits + (bits >> 4)) & 0x0f0fu;
    return static_cast<int>((bits + (bits >> 8)) & 0x1fu);
#endif
}

// Of W pairs, writes those whose bit is set to `to_values` and `to_numbers`, one after the other, and returns how many they
// are. W places are written, whatever the bits; they may be those that are read.
template <int W>
int compress(const Vec<W>& values, const int32_t* numbers, unsigned bits, float* to_values, int32_t* to_numbers) {
    float lanes[W];
    int32_t lane_numbers[W];
    values.store(lanes);
    for (int l = 0; l < W; ++l) lane_numbers[l] = numbers[l];
    int n = 0;
    for (int l = 0; l < W; ++l) {
        to_values[n] = lanes[l];
        to_numbers[n] = lane_numbers[l];
        n += static_cast<int>(bits >> l & 1u);
    }
    return n;
}

#if defined(__AVX2__)
// For all bits of eight lanes, the numbers of those that are set: a byte each.
struct CompressedLanes {
    uint64_t of[256] = {};

    constexpr CompressedLanes() {
        for (int bits = 0; bits < 256; ++bits)
            for (int l = 0, n = 0; l < 8; ++l)
                if (bits >> l & 1) of[bits] |= uint64_t(l) << (8 * n++);
    }
};
inline constexpr CompressedLanes compressed_lanes;

template <>
inline int compress<8>(const Vec<8>& values, const int32_t* numbers, unsigned bits, float* to_values,
                       int32_t* to_numbers) {
    const auto* const lanes = reinterpret_cast<const __m128i*>(compressed_lanes.of + bits);
    const __m256i kept = _mm256_cvtepu8_epi32(_mm_loadl_epi64(lanes));
    const __m256i all_numbers = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(numbers));
    _mm256_storeu_ps(to_values, _mm256_permutevar8x32_ps(values.m, kept));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to_numbers), _mm256_permutevar8x32_epi32(all_numbers, kept));
    return count_bits(bits);
}
#endif

#if defined(__AVX512F__)
// In registers and then stored: compressing straight to memory is slow on some CPUs.
template <>
inline int compress<16>(const Vec<16>& values, const int32_t* numbers, unsigned bits, float* to_values,
                        int32_t* to_numbers) {
    const __mmask16 kept = static_cast<__mmask16>(bits);
    const __m512i all_numbers = _mm512_loadu_si512(numbers);
    _mm512_storeu_ps(to_values, _mm512_maskz_compress_ps(kept, values.m));
    _mm512_storeu_si512(to_numbers, _mm512_maskz_compress_epi32(kept, all_numbers));
    return count_bits(bits);
}
#endif

}  // namespace fastfm::FASTFM_ISA
