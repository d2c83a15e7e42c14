// Optimizers as update rules for W parameters at once: pure functions of a record, which is the parameters `theta` and,
// behind them, their state.
//
//   SGD       theta <- theta - eta G
//   AdaGrad   acc <- acc + G^2;   theta <- theta - eta G / sqrt(acc)      (Duchi, Hazan, Singer 2011, diagonal form)
//             acc starts above zero, so the root needs no epsilon.
//   FTRL      sigma = (sqrt(n + G^2) - sqrt(n)) / eta;   z <- z + G - sigma theta;   n <- n + G^2;
//             theta <- 0 if |z| <= l1, else -(z - sign(z) l1) / ((beta + sqrt(n)) / eta + l2)
//             (McMahan et al. 2013, algorithm 1)
//
// G is the gradient of the row's loss. For SGD and AdaGrad it holds l2 theta, too (`l2_in_gradient`): L2 is paid at each
// visit. FTRL's l1 and l2 belong to the sum of all losses.
#pragma once

#include "math/vec.hpp"
#include "types/gradient.hpp"

namespace fastfm::FASTFM_ISA {

// The step sizes of one kind of parameter, in every lane.
template <int W>
struct Rates {
    Vec<W> eta, half_eta, beta, l1, l2;

    explicit Rates(const StepSizes& sizes)
        : eta(Vec<W>::fill(sizes.learning_rate)),
          half_eta(Vec<W>::fill(0.5f * sizes.learning_rate)),
          beta(Vec<W>::fill(sizes.beta)),
          l1(Vec<W>::fill(sizes.l1)),
          l2(Vec<W>::fill(sizes.l2)) {}
};

struct Sgd {
    static constexpr int n_slots = 0;
    static constexpr bool l2_in_gradient = true;

    template <int W>
    static void update(Vec<W>* record, Vec<W> G, const Rates<W>& rates) {
        record[0] = fnma(rates.eta, G, record[0]);
    }
};

struct AdaGrad {
    static constexpr int n_slots = 1;
    static constexpr bool l2_in_gradient = true;

    template <int W>
    static void update(Vec<W>* record, Vec<W> G, const Rates<W>& rates) {
        record[1] = fma(G, G, record[1]);
        record[0] = subtract_twice_over_sqrt(record[0], rates.half_eta * G, record[1]);
    }
};

struct Ftrl {
    static constexpr int n_slots = 2;
    static constexpr bool l2_in_gradient = false;

    template <int W>
    static void update(Vec<W>* record, Vec<W> G, const Rates<W>& rates) {
        Vec<W>&theta = record[0], &z = record[1], &n = record[2];
        const Vec<W> root_before = sqrt(n);
        n = fma(G, G, n);
        const Vec<W> root = sqrt(n);
        z = fnma((root - root_before) / rates.eta, theta, z + G);
        // z - clamp(z, -l1, l1) is zero exactly where |z| <= l1.
        const Vec<W> zero = Vec<W>::fill(0.0f);
        const Vec<W> beyond_l1 = z - max(min(z, rates.l1), zero - rates.l1);
        theta = (zero - rates.eta * beyond_l1) / fma(rates.l2, rates.eta, rates.beta + root);
    }
};

}  // namespace fastfm::FASTFM_ISA
