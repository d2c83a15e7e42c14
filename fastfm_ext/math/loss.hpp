// Losses as pure functions of one point (y, p): y the target, p the score before the link.
//
//   squared    L = (p - y)^2 / 2             dL/dp = p - y              y real
//   logistic   L = log(1 + e^p) - y p        dL/dp = 1/(1 + e^-p) - y   y in {0, 1}; p is the log odds of y = 1
//   huber      L = g (r - g / 2)             dL/dp = g, which is r within [-delta, delta]; r = p - y, y real
//              (Huber, "Robust estimation of a location parameter", 1964): r^2 / 2, and linear beyond delta
//
// Each says what its second derivative is at most, and about what the mean of (dL/dp)^2 is over that of the second
// derivative, in a calibrated model whose mean loss is known.
//
// A loss is a few operations a row, so it is chosen by a switch at run time and not by a template. A new one is a struct
// here and a line in types/registry.hpp.
#pragma once

#include <math.h>
#include <string.h>

#include "types/compiler.hpp"
#include "types/gradient.hpp"

namespace fastfm::FASTFM_ISA {

// Beyond this, 2^n in exp_of would not be a normal number.
constexpr float largest_exponent = 87.0f;

// e^x for |x| <= largest_exponent, with a relative error below 3e-7. The C library's expf is as quick by itself, but a
// call makes the caller put its vectors into memory and take them back.
//
// x = n log 2 + r with |r| <= log(2) / 2; e^r by its Chebyshev interpolant of degree 5; 2^n by its bits.
//
// `sign` is 1 or -1, and the power e^(sign x): its bits are those of sign * x, for which nothing waits.
inline float exp_of(float x, float sign = 1.0f) {
    constexpr float log2_e = 1.44269504f, log_2_high = 0.693359375f, log_2_low = -2.12194440e-4f;
    constexpr float to_integer = 12582912.0f;  // 1.5 * 2^23: adding it leaves no bit for a fraction
    const float shifted = x * (sign * log2_e) + to_integer;
    const float n = shifted - to_integer;
    const float r = (sign * x - n * log_2_high) - n * log_2_low;
    const float r2 = r * r;
    const float e_r =
        (1.00000008f + r) + r2 * ((0.499988694f + 0.166665053f * r) + r2 * (0.0419175072f + 0.00836914849f * r));
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = static_cast<int32_t>(static_cast<uint32_t>(bits) << 23) + 0x3f800000;
    float two_to_n;
    memcpy(&two_to_n, &bits, sizeof two_to_n);
    return e_r * two_to_n;
}

// L = rest + log(1 + e).
struct LossPoint {
    float gradient;  // dL/dp
    float rest;
    float e;
};

struct SquaredLoss {
    static constexpr float largest_curvature = 1.0f;
    static float square_per_curvature(float mean_loss) { return 2.0f * mean_loss; }

    static LossPoint at(float y, float p, const LossOptions&) {
        const float residual = p - y;
        return {residual, 0.5f * residual * residual, 0.0f};
    }
};

// With z = p for y = 0 and z = -p for y = 1, L = log(1 + e^z) and dL/dz = e^z / (1 + e^z), whose digits stay at both
// ends. Each row waits for this: the only branch is on scores that hardly ever occur.
struct LogisticLoss {
    static constexpr float largest_curvature = 0.25f;
    static float square_per_curvature(float) { return 1.0f; }  // Fisher's information

    static LossPoint at(float y, float p, const LossOptions& = {}) {
        const float sign = 1.0f - 2.0f * y;
        float near = p;
        if (FASTFM_RARELY(fabsf(p) > largest_exponent)) near = p > 0.0f ? largest_exponent : -largest_exponent;
        const float e = exp_of(near, sign);
        const float beyond = sign * (p - near);
        return {sign * e / (1.0f + e), beyond > 0.0f ? beyond : 0.0f, e};
    }
};

struct HuberLoss {
    static constexpr float largest_curvature = 1.0f;
    static float square_per_curvature(float mean_loss) { return 2.0f * mean_loss; }

    static LossPoint at(float y, float p, const LossOptions& options) {
        const float residual = p - y;
        const float below = residual < options.delta ? residual : options.delta;
        const float gradient = below > -options.delta ? below : -options.delta;
        return {gradient, gradient * (residual - 0.5f * gradient), 0.0f};
    }
};

FASTFM_INLINE LossPoint evaluate(Loss loss, float y, float p, const LossOptions& options) {
    switch (loss) {  // not covered: a number without a loss
#define FASTFM_CASE(name, Type) \
    case Loss::name: return Type::at(y, p, options);
        FASTFM_LOSSES(FASTFM_CASE)
#undef FASTFM_CASE
    }
    FASTFM_UNREACHABLE();  // not covered: every number has a case
}

// The largest second derivative of L by p.
inline float largest_curvature(Loss loss) {
    switch (loss) {  // not covered: a number without a loss
#define FASTFM_CASE(name, Type) \
    case Loss::name: return Type::largest_curvature;
        FASTFM_LOSSES(FASTFM_CASE)
#undef FASTFM_CASE
    }
    FASTFM_UNREACHABLE();  // not covered: every number has a case
}

// About the mean of (dL/dp)^2 over that of the second derivative, where the mean of L is known.
inline float square_per_curvature(Loss loss, float mean_loss) {
    switch (loss) {  // not covered: a number without a loss
#define FASTFM_CASE(name, Type) \
    case Loss::name: return Type::square_per_curvature(mean_loss);
        FASTFM_LOSSES(FASTFM_CASE)
#undef FASTFM_CASE
    }
    FASTFM_UNREACHABLE();  // not covered: every number has a case
}

// A gradient within [-bound, bound]. With the squared loss, descent on it is descent on Huber's loss with this threshold
// (Huber, "Robust estimation of a location parameter", 1964).
inline float clipped(float gradient, float bound) {
    const float below = gradient < bound ? gradient : bound;
    return below > -bound ? below : -bound;
}

// The sum of weighted losses. The logistic loss holds log(1 + e); sum log(1 + e) = log prod (1 + e), so that one
// logarithm serves hundreds of rows.
class LossSum {
  public:
    void add(float weight, const LossPoint& point) {
        sum_ += double{weight} * double{point.rest};
        if (point.e == 0.0f) return;  // where e is the constant 0, the compiler leaves out all below
        if (weight == 1.0f) {
            product_ *= 1.0 + double{point.e};
            if (product_ > 1e250) flush();  // so that another factor, of at most e^largest_exponent, finds room
        } else {
            sum_ += double{weight} * log1p(double{point.e});
        }
    }

    double value() {
        flush();
        return sum_;
    }

  private:
    void flush() {
        sum_ += log(product_);
        product_ = 1.0;
    }

    double sum_ = 0.0;
    double product_ = 1.0;
};

}  // namespace fastfm::FASTFM_ISA
