// Losses as pure functions of one point (y, p): y the target, p the score before the link.
//
//   squared    L = (p - y)^2 / 2             dL/dp = p - y            y real
//   logistic   L = log(1 + e^p) - y p        dL/dp = 1/(1 + e^-p) - y   y in {0, 1}; p is the log odds of y = 1
//
// A loss is a few operations a row, so it is chosen by a switch at run time and not by a template.
#pragma once

#include <math.h>

#include "../types.hpp"

namespace fastfm::FASTFM_ISA {

struct LossPoint {
    float value;
    float gradient;  // dL/dp
};

inline LossPoint squared_loss(float y, float p) {
    const float residual = p - y;
    return {0.5f * residual * residual, residual};
}

// Only exp(-|p|) <= 1 is ever computed, so nothing overflows and log1p keeps its digits at both ends.
inline LossPoint logistic_loss(float y, float p) {
    const float e = expf(-fabsf(p));
    const float sigmoid = (p >= 0.0f ? 1.0f : e) / (1.0f + e);
    return {log1pf(e) + fmaxf(p, 0.0f) - y * p, sigmoid - y};
}

inline LossPoint evaluate(Loss loss, float y, float p) {
    return loss == Loss::squared ? squared_loss(y, p) : logistic_loss(y, p);
}

}  // namespace fastfm::FASTFM_ISA
