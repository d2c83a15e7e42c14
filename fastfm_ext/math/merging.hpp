// How much of what threads have learned apart adds up: pure functions of a record before, and of the sum of its changes.
//
// Each of T threads has moved a parameter from theta on rows of its own. Near an optimum, steps that shrink an error by
// the factor exp(-x / T) in each thread would have shrunk it by exp(-x), had they been made one after the other. From
// there follows the share of the sum of the changes that is right to add,
//
//   share(x) = [(1 - exp(-x)) / x] / [(1 - exp(-x / T)) / (x / T)],
//
// with Pade's (1, 1) approximant of exp: (2 + x / T) / (2 + x). After few steps it is 1, and changes add up; after many it
// is 1 / T, the mean. x is the sum of step size times curvature over all visits. Curvature is h d^2, h being the second
// derivative of the loss and d the derivative of the score; for rules that sum up the squares of g d, g being the first
// derivative of the loss, it is known from the growth of these sums and the means of h and g^2.
//
// That is the parameter's own share. What all rows have in common, such as the mean of the targets, all parameters of a
// row follow together: as fast as J = sum d^2 says, by 1 - exp(-u / T) of the way in each thread, with u = J x / d^2 for a
// rule whose steps are as long for all parameters, and J x for one that divides them by the root of (g d)^2. The sum of T
// such moves must not reach twice the way, where errors come back as large as they were; it is held to `farthest` times.
#pragma once

#include "math/loss.hpp"
#include "math/optimizer.hpp"
#include "types/replicas.hpp"

namespace fastfm::FASTFM_ISA {

constexpr float farthest = 1.5f;

// What all records of one kind of parameter need to know, in every lane.
template <int W>
struct MergeRates {
    Rates<W> rates;
    Vec<W> per_replica, row_norm, derivative;
    Vec<W> of_loss;     // curvature of a visit's loss, over its weight
    Vec<W> of_squares;  // curvature over the growth of a sum of squares

    // `derivative` is the mean square of a score's derivative by such a parameter, over x_i^2.
    MergeRates(Loss loss, const StepSizes& sizes, const Replicas& replicas, float derivative_square)
        : rates(sizes),
          per_replica(Vec<W>::fill(1.0f / static_cast<float>(replicas.n))),
          row_norm(Vec<W>::fill(replicas.rows.row_norm)),
          derivative(Vec<W>::fill(derivative_square)),
          of_loss(Vec<W>::fill(largest_curvature(loss))),
          of_squares(Vec<W>::fill(replicas.rows.mean_weight / (replicas.rows.mean_squared_weight *
                                                               square_per_curvature(loss, replicas.rows.mean_loss)))) {}

    // The share for steps that shrink a parameter's own error by exp(-x), and what rows have in common by exp(-u).
    Vec<W> share(Vec<W> x, Vec<W> u) const {
        const Vec<W> one = Vec<W>::fill(1.0f), two = Vec<W>::fill(2.0f), half = Vec<W>::fill(0.5f);
        const Vec<W> own = fma(x, per_replica, two) / (two + x);
        const Vec<W> in_each = min(u * per_replica, Vec<W>::fill(1e9f));
        const Vec<W> grown = fma(half * in_each, in_each, in_each);  // exp(u / T) - 1, to the second order
        const Vec<W> common = Vec<W>::fill(farthest) * per_replica * ((one + grown) / max(grown, Vec<W>::fill(1e-9f)));
        return min(own, common);
    }
};

// merge(record, change, visits, rates) turns the record before the steps into the merged one; `change` is the sum over
// replicas of what each has added to it, `visits` the sum of x_i^2 over visits. `adds_few` says whether changes, of the state
// too, simply add up where visits are few, so that all shares are 1. A new rule of math/optimizer.hpp has both here, too.
template <class Rule>
struct Merging;

template <>
struct Merging<Sgd> {
    static constexpr bool adds_few = true;

    template <int W>
    static void merge(Vec<W>* record, const Vec<W>* change, Vec<W> visits, const MergeRates<W>& m) {
        const Vec<W> x = m.rates.eta * m.of_loss * visits;
        record[0] = fma(m.share(m.derivative * x, m.row_norm * x), change[0], record[0]);
    }
};

// A step is eta / sqrt(sum of squares): the sum is taken in the middle of its growth.
template <>
struct Merging<AdaGrad> {
    static constexpr bool adds_few = true;

    template <int W>
    static void merge(Vec<W>* record, const Vec<W>* change, Vec<W>, const MergeRates<W>& m) {
        const Vec<W> squares = record[1], growth = max(change[1], Vec<W>::fill(0.0f));
        const Vec<W> step = m.rates.eta * rsqrt_estimate(fma(Vec<W>::fill(0.5f), growth, squares));
        const Vec<W> x = step * m.of_squares * growth;
        record[0] = fma(m.share(x, m.row_norm * x), change[0], record[0]);
        record[1] = squares + growth;
    }
};

// theta is merged as AdaGrad's, n adds up, and z is what gives this theta with this n. The sum of the threads' z would not
// do: each takes off sigma theta for a root of n that has grown from the start, and together they take off too much.
template <>
struct Merging<Ftrl> {
    static constexpr bool adds_few = false;

    template <int W>
    static void merge(Vec<W>* record, const Vec<W>* change, Vec<W>, const MergeRates<W>& m) {
        const Vec<W> zero = Vec<W>::fill(0.0f), one = Vec<W>::fill(1.0f), huge = Vec<W>::fill(1e38f), l1 = m.rates.l1;
        const Vec<W> growth = max(change[2], zero), between = sqrt(fma(Vec<W>::fill(0.5f), growth, record[2]));
        const Vec<W> x = m.rates.eta * m.of_squares * growth / fma(m.rates.l2, m.rates.eta, m.rates.beta + between);
        const Vec<W> share = m.share(x, m.row_norm * x);
        const Vec<W> theta = fma(share, change[0], record[0]), z = fma(share, change[1], record[1]);
        const Vec<W> n = record[2] + growth;
        const Vec<W> divisor = fma(m.rates.l2, m.rates.eta, m.rates.beta + sqrt(n)) / m.rates.eta;
        // Where theta is 0, z is what has been summed up, within l1; elsewhere l1 has the sign of theta.
        const Vec<W> sign = max(min(theta * huge * huge, one), zero - one);
        const Vec<W> inside = max(min(z, l1), zero - l1);
        record[0] = theta;
        record[1] = fnma(theta, divisor, fnma(sign, l1, (one - sign * sign) * inside));
        record[2] = n;
    }
};

// A step is eta (m / n_m) / sqrt(v / n_v), v / n_v the mean of (g d)^2. Its averages forget by 0.1 and 0.001 a visit.
template <>
struct Merging<Adam> {
    static constexpr bool adds_few = false;

    template <int W>
    static void merge(Vec<W>* record, const Vec<W>* change, Vec<W> visits, const MergeRates<W>& m) {
        const Vec<W> tiny = Vec<W>::fill(1e-30f);
        const Vec<W> mean_square =
            (record[3] + change[3] * m.per_replica) / max(record[4] + change[4] * m.per_replica, tiny);
        const Vec<W> x = m.rates.eta * m.of_squares * sqrt(max(mean_square, tiny)) * visits;
        const Vec<W> nothing = Vec<W>::fill(0.0f);
        const Vec<W> mean = m.share(Vec<W>::fill(0.1f) * visits, nothing);
        const Vec<W> square = m.share(Vec<W>::fill(0.001f) * visits, nothing);
        record[0] = fma(m.share(x, m.row_norm * x), change[0], record[0]);
        record[1] = fma(mean, change[1], record[1]);
        record[2] = fma(square, change[2], record[2]);
        record[3] = fma(mean, change[3], record[3]);
        record[4] = fma(square, change[4], record[4]);
    }
};

}  // namespace fastfm::FASTFM_ISA
