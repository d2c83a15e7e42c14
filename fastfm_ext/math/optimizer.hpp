// Optimizers as update rules for W parameters at once: pure functions of a record, which is the parameters `theta` and,
// behind them, their state.
//
//   SGD       theta <- theta - eta G
//   AdaGrad   acc <- acc + G^2;   theta <- theta - eta G / sqrt(acc)      (Duchi, Hazan, Singer 2011, diagonal form)
//             acc starts above zero, so the root needs no epsilon. 1 / sqrt(acc) is the CPU's estimate: a step is
//             longer or shorter by up to 4e-4 of itself, far less than eta is chosen by.
//   FTRL      sigma = (sqrt(n + G^2) - sqrt(n)) / eta;   z <- z + G - sigma theta;   n <- n + G^2;
//             theta <- 0 if |z| <= l1, else -(z - sign(z) l1) / ((beta + sqrt(n)) / eta + l2)
//             (McMahan et al. 2013, algorithm 1)
//   Adam      m <- b1 m + (1 - b1) G;   v <- b2 v + (1 - b2) G^2;   n_m, n_v: the sums of the weights in m and v
//             theta <- theta - eta (m / n_m) / sqrt(v / n_v)               (Kingma, Ba 2015, algorithm 1)
//             Lazy: averages move when their feature is visited. No epsilon, so steps are the same in any unit of G.
//
// A new rule is a struct here and a line in types/registry.hpp. It says of itself
//
//   n_slots               how many state values follow each parameter
//   l2_in_gradient        whether G holds l2 theta, too
//   normalises            whether a step is as long in any unit of G, as steps on G / sqrt(sum G^2) are
//   trains_halves         whether it has code for records in halves; see math/storage.hpp
//   is_specialised        whether the usual k, and rows of two features, have code of their own, which takes room
//   merge                 how threads merge what each has learned; see threads/gradient.hpp
//   begin                 its first state, behind parameters that are set: record (1 + n_slots, width)
//
// G is the gradient of the row's loss. For all but FTRL it holds l2 theta, too (`l2_in_gradient`): L2 is paid at each
// visit. FTRL's l1 and l2 belong to the sum of all losses.
#pragma once

#include "math/vec.hpp"
#include "types/gradient.hpp"
#include "types/registry.hpp"

namespace fastfm::FASTFM_ISA {

// The step sizes of one kind of parameter, in every lane.
template <int W>
struct Rates {
    Vec<W> eta, beta, l1, l2;

    explicit Rates(const StepSizes& sizes)
        : eta(Vec<W>::fill(sizes.learning_rate)),
          beta(Vec<W>::fill(sizes.beta)),
          l1(Vec<W>::fill(sizes.l1)),
          l2(Vec<W>::fill(sizes.l2)) {}
};

struct Sgd {
    static constexpr int n_slots = 0;
    static constexpr bool l2_in_gradient = true;
    static constexpr bool normalises = false;
    static constexpr bool trains_halves = false;
    static constexpr bool is_specialised = true;
    static constexpr Merge merge = Merge::mean_changes;

    static void begin(float*, int64_t, const InitialSizes&) {}

    template <int W>
    static void update(Vec<W>* record, Vec<W> G, const Rates<W>& rates) {
        record[0] = fnma(rates.eta, G, record[0]);
    }
};

struct AdaGrad {
    static constexpr int n_slots = 1;
    static constexpr bool l2_in_gradient = true;
    static constexpr bool normalises = true;
    static constexpr bool trains_halves = true;
    static constexpr bool is_specialised = true;
    static constexpr Merge merge = Merge::whole_changes;
    static constexpr float least_normal = 1.17549435e-38f;

    static void begin(float* record, int64_t width, const InitialSizes& sizes) {
        const auto acc = static_cast<float>(sizes.initial_acc);
        // Some CPUs take smaller numbers for 0, whose reciprocal root is infinite.
        for (int64_t f = 0; f < width; ++f) record[width + f] = acc > least_normal ? acc : least_normal;
    }

    template <int W>
    static void update(Vec<W>* record, Vec<W> G, const Rates<W>& rates) {
        record[1] = fma(G, G, record[1]);
        record[0] = subtract_over_sqrt(record[0], rates.eta * G, record[1]);
    }
};

struct Ftrl {
    static constexpr int n_slots = 2;
    static constexpr bool l2_in_gradient = false;
    static constexpr bool normalises = true;
    static constexpr bool trains_halves = false;
    static constexpr bool is_specialised = true;
    static constexpr Merge merge = Merge::root_changes;

    // n = 0, and the z from which the formula gives the theta that is there.
    static void begin(float* record, int64_t width, const InitialSizes& sizes) {
        const auto factor = static_cast<float>(sizes.beta / sizes.learning_rate + sizes.l2);
        const auto l1 = static_cast<float>(sizes.l1);
        for (int64_t f = 0; f < width; ++f) {
            const float theta = record[f];
            // Rounded before the subtraction, so that all instruction sets begin with the same bits.
            const volatile float product = -theta * factor;
            record[width + f] = product - (theta > 0.0f ? l1 : theta < 0.0f ? -l1 : 0.0f);
            record[2 * width + f] = 0.0f;
        }
    }

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

struct Adam {
    static constexpr int n_slots = 4;
    static constexpr bool l2_in_gradient = true;
    static constexpr bool normalises = true;
    static constexpr bool trains_halves = false;
    static constexpr bool is_specialised = false;
    static constexpr Merge merge = Merge::mean_state;

    static void begin(float* record, int64_t width, const InitialSizes&) {
        for (int64_t f = width; f < (1 + n_slots) * width; ++f) record[f] = 0.0f;
    }

    template <int W>
    static void update(Vec<W>* record, Vec<W> G, const Rates<W>& rates) {
        constexpr float beta_1 = 0.9f, beta_2 = 0.999f;
        constexpr float tiny = 1e-37f;  // keeps 0 / 0 away
        Vec<W>&m = record[1], &v = record[2], &n_m = record[3], &n_v = record[4];
        const Vec<W> weight_1 = Vec<W>::fill(1.0f - beta_1), weight_2 = Vec<W>::fill(1.0f - beta_2);
        m = fma(weight_1, G, Vec<W>::fill(beta_1) * m);
        v = fma(weight_2 * G, G, Vec<W>::fill(beta_2) * v);
        n_m = fma(Vec<W>::fill(beta_1), n_m, weight_1);
        n_v = fma(Vec<W>::fill(beta_2), n_v, weight_2);
        record[0] = fnma(rates.eta, (m / n_m) / sqrt(v / n_v + Vec<W>::fill(tiny)), record[0]);
    }
};

constexpr int most_slots() {
    int most = 0;
#define FASTFM_LARGER(name, Rule) most = Rule::n_slots > most ? Rule::n_slots : most;
    FASTFM_OPTIMIZERS(FASTFM_LARGER)
#undef FASTFM_LARGER
    return most;
}
constexpr int max_slots = most_slots();

}  // namespace fastfm::FASTFM_ISA
