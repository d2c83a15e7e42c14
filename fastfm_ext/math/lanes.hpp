// Rows of floats in whole registers: their width k is a multiple of 16, with padding that is 0.
#pragma once

#include "math/vec.hpp"

namespace fastfm::FASTFM_ISA {

using Lanes = Vec<max_lanes>;

inline float inner(const float* a, const float* b, int k) {
    Lanes products = Lanes::fill(0.0f);
    for (int f = 0; f < k; f += max_lanes) products = fma(Lanes::load(a + f), Lanes::load(b + f), products);
    return sum(products);
}

// out += weight row.
inline void add_row(float weight, const float* row, int k, float* out) {
    const Lanes w = Lanes::fill(weight);
    for (int f = 0; f < k; f += max_lanes) fma(w, Lanes::load(row + f), Lanes::load(out + f)).store(out + f);
}

}  // namespace fastfm::FASTFM_ISA
