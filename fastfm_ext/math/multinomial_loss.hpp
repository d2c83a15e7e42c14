// The multinomial log loss as a pure function of the scores p_c of a row's classes and of its target y_c, which is 1 for
// the row's class and 0 for the others:
//
//   q_c = e^{p_c} / sum_d e^{p_d}        L = -sum_c y_c log q_c        dL/dp_c = q_c - y_c
//
// (Bishop, "Pattern Recognition and Machine Learning", 2006, eq. 4.104 to 4.109).
#pragma once

#include <math.h>

#include "math/loss.hpp"

namespace fastfm::FASTFM_ISA {

// Turns the scores (n_classes,) into derivatives, and returns the loss. y_c is y[c * stride].
inline double multinomial(float* scores, int32_t n_classes, const float* y, int64_t stride) {
    float largest = scores[0];
    for (int32_t c = 1; c < n_classes; ++c) largest = scores[c] > largest ? scores[c] : largest;
    double of_target = 0.0;
    float sum = 0.0f;
    for (int32_t c = 0; c < n_classes; ++c) {
        const float below = scores[c] - largest;
        of_target += double{y[c * stride]} * double{below};
        scores[c] = exp_of(below > -largest_exponent ? below : -largest_exponent);
        sum += scores[c];
    }
    for (int32_t c = 0; c < n_classes; ++c) scores[c] = scores[c] / sum - y[c * stride];
    return log(double{sum}) - of_target;
}

}  // namespace fastfm::FASTFM_ISA
