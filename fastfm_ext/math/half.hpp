// Numbers of 16 bits, one at a time: float16 (11 bits, up to 65,504) and bfloat16 (8 bits, the range of float32).
//
// Numbers become float32 exactly. Back, they are rounded stochastically, to one of their two neighbours, the nearer of which
// is the more likely, so that the mean is the number itself. float16 ends at +-65,504. Its numbers below 6e-5 are 6e-8
// apart, and are rounded towards zero.
//
// ISA units have these in their own namespaces: the linker would merge inline functions across instruction sets.
#pragma once

#include <stdint.h>
#include <string.h>

#if defined(FASTFM_ISA)
namespace fastfm::FASTFM_ISA {
#else
namespace fastfm {
#endif

// What a float32 has below the last bit of the others: so many random bits are added to it before it is cut off.
constexpr int bits_below_half = 13, bits_below_bfloat = 16;

inline uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

inline float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

inline float float_of_half(uint16_t half) {
    constexpr uint32_t infinite = 0x7c00u, least_normal = 0x400u, exponents_apart = 112u << 23;
    const uint32_t sign = uint32_t{half} << 16 & 0x80000000u, magnitude = half & 0x7fffu;
    if (magnitude < least_normal) return float_of(sign | bits_of(static_cast<float>(magnitude) * 0x1p-24f));
    const uint32_t bits = (magnitude << bits_below_half) + exponents_apart;
    return float_of(sign | (magnitude < infinite ? bits : bits + exponents_apart));
}

inline uint16_t half_of_float(float value, uint32_t random) {
    constexpr uint32_t infinite = 0x7f800000u, least_normal = 0x38800000u, exponents_apart = 112u << 23;
    constexpr uint32_t largest_half = 0x7bffu, infinite_half = 0x7c00u;
    const uint32_t sign = bits_of(value) >> 16 & 0x8000u, sum = (bits_of(value) & 0x7fffffffu) + random;
    uint32_t half;
    if (sum < least_normal) {
        half = static_cast<uint32_t>(float_of(sum) * 0x1p24f);
    } else if (sum < infinite) {
        half = (sum - exponents_apart) >> bits_below_half;
        half = half < largest_half ? half : largest_half;
    } else {
        half = sum - random == infinite ? infinite_half : infinite_half | 0x200u;
    }
    return static_cast<uint16_t>(sign | half);
}

inline float float_of_bfloat(uint16_t bfloat) { return float_of(uint32_t{bfloat} << bits_below_bfloat); }

inline uint16_t bfloat_of_float(float value, uint32_t random) {
    return static_cast<uint16_t>((bits_of(value) + random) >> bits_below_bfloat);
}

}  // namespace fastfm::FASTFM_ISA, or fastfm
