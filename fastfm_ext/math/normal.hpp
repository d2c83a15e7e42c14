// Standard normal numbers: Box and Muller (1958), over SplitMix64. The same functions for every instruction set, so that
// only the rounding of products differs.
#pragma once

#include <math.h>

#include "math/random.hpp"

namespace fastfm::FASTFM_ISA {

constexpr int normals_at_once = 16;

// log(x) for normal x > 0, to about 1e-7: x = 2^e m with m near 1, and the series of Cephes' logf.
inline float log_of(float x) {
    union {
        float f;
        int32_t i;
    } bits{x};
    const int32_t shifted = bits.i - 0x3f3504f3;  // the root of 1/2
    const float e = static_cast<float>(shifted >> 23);
    bits.i = (shifted & 0x007fffff) + 0x3f3504f3;
    const float m = bits.f - 1.0f, z = m * m;
    float p = 7.0376836292e-2f;
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    return m + (z * m * p - 0.5f * z) + e * 0.693147182f;
}

// Fills z with normals_at_once numbers.
inline void draw_normals(SplitMix64& random, float* z) {
    constexpr int pairs = normals_at_once / 2;
    float radius[pairs], turn[pairs];
    for (int i = 0; i < pairs; ++i) {
        const uint64_t bits = random.next();
        radius[i] = (static_cast<float>(static_cast<int32_t>(bits >> 33)) + 1.0f) * 0x1p-31f;
        turn[i] = static_cast<float>(static_cast<int32_t>(bits & 0xffffff)) * 0x1p-24f;
    }
    for (int i = 0; i < pairs; ++i) {
        const float r = sqrtf(-2.0f * log_of(radius[i] < 1.0f ? radius[i] : 1.0f));
        // Angle 2 pi turn as a quarter of a turn and what is left of it, within an eighth on either side.
        const float quarters = 4.0f * turn[i];
        const int32_t quarter = static_cast<int32_t>(quarters + 0.5f);
        const float x = (quarters - static_cast<float>(quarter)) * 1.57079633f, xx = x * x;
        const float s = x + x * xx * (-1.6666654611e-1f + xx * (8.3321608736e-3f - xx * 1.9515295891e-4f));
        const float c = 1.0f - 0.5f * xx +
                        xx * xx * (4.166664568298827e-2f + xx * (-1.388731625493765e-3f + xx * 2.443315711809948e-5f));
        const bool swapped = quarter & 1;
        const float sine = swapped ? c : s, cosine = swapped ? s : c;
        z[i] = r * (quarter & 2 ? -sine : sine);
        z[pairs + i] = r * ((quarter + 1) & 2 ? -cosine : cosine);
    }
}

}  // namespace fastfm::FASTFM_ISA
