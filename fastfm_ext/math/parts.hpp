// Registers put together from parts that lie at several addresses, and taken apart again: a short vector of factors does
// not fill a register.
#pragma once

#include "math/vec.hpp"

namespace fastfm::FASTFM_ISA {

// Part p, of lanes / parts floats, lies `offset` floats behind at(p).
template <int lanes, int parts>
struct Parts {
    static_assert(parts == 1, "one register of this instruction set has no such parts");

    template <class At>
    static Vec<lanes> load(At at, int64_t offset) {
        return Vec<lanes>::load(at(0) + offset);
    }
    template <class At>
    static void store(Vec<lanes> value, At at, int64_t offset) {
        value.store(at(0) + offset);
    }
};

#if defined(__AVX2__)

template <>
struct Parts<8, 2> {
    template <class At>
    static Vec<8> load(At at, int64_t offset) {
        const __m256 first = _mm256_castps128_ps256(_mm_loadu_ps(at(0) + offset));
        return {_mm256_insertf128_ps(first, _mm_loadu_ps(at(1) + offset), 1)};
    }
    template <class At>
    static void store(Vec<8> value, At at, int64_t offset) {
        _mm_storeu_ps(at(0) + offset, _mm256_castps256_ps128(value.m));
        _mm_storeu_ps(at(1) + offset, _mm256_extractf128_ps(value.m, 1));
    }
};

#endif

#if defined(__AVX512F__)

template <>
struct Parts<16, 2> {
    template <class At>
    static Vec<16> load(At at, int64_t offset) {
        const __m512d first = _mm512_castps_pd(_mm512_castps256_ps512(_mm256_loadu_ps(at(0) + offset)));
        const __m256d second = _mm256_castps_pd(_mm256_loadu_ps(at(1) + offset));
        return {_mm512_castpd_ps(_mm512_insertf64x4(first, second, 1))};
    }
    template <class At>
    static void store(Vec<16> value, At at, int64_t offset) {
        _mm256_storeu_ps(at(0) + offset, _mm512_castps512_ps256(value.m));
        const __m256d second = _mm512_extractf64x4_pd(_mm512_castps_pd(value.m), 1);
        _mm256_storeu_ps(at(1) + offset, _mm256_castpd_ps(second));
    }
};

template <>
struct Parts<16, 4> {
    template <class At>
    static Vec<16> load(At at, int64_t offset) {
        const Vec<8> low = Parts<8, 2>::load(at, offset);
        const Vec<8> high = Parts<8, 2>::load([&](int p) { return at(2 + p); }, offset);
        const __m512d low_half = _mm512_castps_pd(_mm512_castps256_ps512(low.m));
        return {_mm512_castpd_ps(_mm512_insertf64x4(low_half, _mm256_castps_pd(high.m), 1))};
    }
    template <class At>
    static void store(Vec<16> value, At at, int64_t offset) {
        const __m256d high = _mm512_extractf64x4_pd(_mm512_castps_pd(value.m), 1);
        Parts<8, 2>::store({_mm512_castps512_ps256(value.m)}, at, offset);
        Parts<8, 2>::store({_mm256_castpd_ps(high)}, [&](int p) { return at(2 + p); }, offset);
    }
};

#endif

}  // namespace fastfm::FASTFM_ISA
