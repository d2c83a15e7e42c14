// Optimizers as update rules for one parameter, or W of them at once.
//
// A rule gets the place of the parameter `theta`, its gradient `G`, and the distance to its state values:
// state s of theta[l] lies at theta[l + (s + 1) * slot_stride].
//
//   SGD       theta <- theta - eta G
//   AdaGrad   acc <- acc + G^2;   theta <- theta - eta G / sqrt(acc)      (Duchi, Hazan, Singer 2011, diagonal form)
//
// acc starts above zero, so the root needs no epsilon.
#pragma once

#include "vec.hpp"

namespace fastfm::FASTFM_ISA {

struct Sgd {
    static constexpr int n_slots = 0;

    template <int W>
    static void update(float* theta, int, Vec<W> G, Vec<W> eta) {
        fnma(eta, G, Vec<W>::load(theta)).store(theta);
    }

    static void update(float* theta, float G, float eta) { theta[0] -= eta * G; }
};

struct AdaGrad {
    static constexpr int n_slots = 1;

    template <int W>
    static void update(float* theta, int slot_stride, Vec<W> G, Vec<W> eta) {
        const Vec<W> acc = fma(G, G, Vec<W>::load(theta + slot_stride));
        acc.store(theta + slot_stride);
        subtract_over_sqrt(Vec<W>::load(theta), eta * G, acc).store(theta);
    }

    static void update(float* theta, float G, float eta) {
        const float acc = theta[1] + G * G;
        theta[1] = acc;
        theta[0] = subtract_over_sqrt(theta[0], eta * G, acc);
    }
};

}  // namespace fastfm::FASTFM_ISA
