// How much of what threads have learned apart adds up: pure functions of a record before, and of the sum of its changes.
//
// Each of T threads has moved a parameter from theta on rows of its own. Near an optimum, steps that shrink an error by
// the factor exp(-x / T) in each thread would have shrunk it by exp(-x), had they been made one after the other. From
// there follows the share of the sum of the changes that is right to add,
//
//   share(x) = [(1 - exp(-x)) / x] / [(1 - exp(-x / T)) / (x / T)],
//
// with exp(a) by its series to the second order. After few steps it is 1, and changes add up; after many it is 1 / T, the
// mean. x is the sum of step size times curvature over all visits. Curvature is h d^2, h being the second
// derivative of the loss and d the derivative of the score; for rules that sum up the squares of g d, g being the first
// derivative of the loss, it is known from the growth of these sums and the means of h and g^2.
//
// That is the parameter's own share. What all rows have in common, such as the mean of the targets, all parameters of a
// row follow together: of that way each thread goes 1 - exp(-u / T), where u is J times the x of the feature's weight, whose
// d is x_i, and J the mean of sum d^2 over the row's parameters. The sum of T such moves must not reach twice the way, where
// errors come back as large as they were; it is held to `farthest` times: to 1.5 where steps shrink, and to the way
// itself for SGD, whose steps stay as long as they are, so that going too far is noise that never ends. Where x is
// measured, factors have the u of the way that they go by themselves, the x of a row's factors together: while they are
// small they go little of it, and must be free to grow as they do in one thread.
//
// Factors are multiplied by each other, so they grow the faster the larger they are. Let a thread's steps make a
// feature's factors v some q = 1 + <v, sum of changes> / (T <v, v>) times as long. A thread that came after j others
// would have begun from factors q^j times as long, and have moved them q^j times as far. So changes are lengthened by
// the mean of q^j over j = 0..T-1; by sums alone, factors of four threads grow later than those of one.
//
// Where visits are few, changes add up. Steps of AdaGrad, each thread's over the root of the squares that it has summed
// up alone, are then longer than if one thread had summed up all. Weights are slowed down by the ratio of these roots,
// in the middle of their growth. Factors are not: while they are small they grow by more than is measured.
#pragma once

#include "math/loss.hpp"
#include "math/optimizer.hpp"
#include "types/replicas.hpp"

namespace fastfm::FASTFM_ISA {

// What all records of one kind of parameter need to know, in every lane.
template <int W>
struct MergeRates {
    Rates<W> rates;
    int32_t n_replicas;
    Vec<W> per_replica, in_common;
    Vec<W> of_loss;     // curvature of a visit's loss by the parameter, over its weight and x_i^2
    Vec<W> of_squares;  // curvature over the growth of a sum of squares

    // `derivative_square` is the mean square of a score's derivative by such a parameter, over x_i^2, and `in_common` is
    // u over x.
    MergeRates(Loss loss, const StepSizes& sizes, const Replicas& replicas, float derivative_square, float in_common)
        : rates(sizes),
          n_replicas(replicas.n),
          per_replica(Vec<W>::fill(1.0f / static_cast<float>(replicas.n))),
          in_common(Vec<W>::fill(in_common)),
          of_loss(Vec<W>::fill(largest_curvature(loss) * derivative_square)),
          of_squares(Vec<W>::fill(replicas.rows.mean_weight / (replicas.rows.mean_squared_weight *
                                                               square_per_curvature(loss, replicas.rows.mean_loss)))) {}

    // The share for steps that shrink a parameter's own error by exp(-x), and what rows have in common by exp(-u).
    Vec<W> share(Vec<W> x, Vec<W> u, float farthest) const {
        const Vec<W> one = Vec<W>::fill(1.0f), tiny = Vec<W>::fill(1e-6f), huge = Vec<W>::fill(1e6f);
        x = min(max(x, tiny), huge);
        const Vec<W> of_all = grown(x), of_each = grown(x * per_replica);
        const Vec<W> own = of_all * (one + of_each) / (of_each * (one + of_all));
        const Vec<W> way = grown(min(max(u, tiny), huge) * per_replica);
        return per_replica * min(own, Vec<W>::fill(farthest) * (one + way) / way);
    }

    // The mean of q^j, for `along` = <v, sum of changes> and `square` = <v, v>.
    float compounded(float along, float square) const {
        constexpr float most = 1.0f, tiny = 1e-30f;
        const float part = 1.0f / static_cast<float>(n_replicas), growth = along / (square + tiny);
        const float q = 1.0f + part * (growth > most ? most : growth < -most ? -most : growth);
        float power = 1.0f, sum = 0.0f;
        for (int32_t j = 0; j < n_replicas; ++j, power *= q) sum += power;
        return part * sum;
    }

  private:
    // exp(a) - 1.
    static Vec<W> grown(Vec<W> a) { return fma(Vec<W>::fill(0.5f) * a, a, a); }
};

// A new rule of math/optimizer.hpp has here
//
//   adds_few       whether changes, of the state too, add up where visits are few, so that all shares are 1
//   slowdown       if so, what the sum of a weight's changes is multiplied by; `squares` are the sums over replicas of
//                  the squares of what each has added to the last value of the record
//   farthest       how many times the way of what rows have in common the sum of changes may go
//   compounds      whether factors' changes are lengthened: SGD's, which grow slowly, are not behind
//   is_measured    whether x follows from the gradients that were met, not from means over all rows
//   contraction    x of the record before the steps, from the sum over replicas of what each has added to it, and from
//                  the sum of weight x_i^2 over visits
//   merge          turns this record into the merged one, with the share of theta
template <class Rule>
struct Merging;

template <>
struct Merging<Sgd> {
    static constexpr bool adds_few = true;
    static constexpr float farthest = 1.0f;
    static constexpr bool compounds = false;
    static constexpr bool is_measured = false;

    template <int W>
    static Vec<W> slowdown(const Vec<W>*, const Vec<W>*, Vec<W>) {
        return Vec<W>::fill(1.0f);
    }

    template <int W>
    static Vec<W> contraction(const Vec<W>*, const Vec<W>*, Vec<W> visits, const MergeRates<W>& m) {
        return m.rates.eta * m.of_loss * visits;
    }

    template <int W>
    static void merge(Vec<W>* record, const Vec<W>* change, Vec<W> share, Vec<W>, const MergeRates<W>&) {
        record[0] = fma(share, change[0], record[0]);
    }
};

// A step is eta / sqrt(sum of squares): the sum is taken in the middle of its growth.
template <>
struct Merging<AdaGrad> {
    static constexpr bool adds_few = true;
    static constexpr float farthest = 1.5f;
    static constexpr bool compounds = true;
    static constexpr bool is_measured = true;

    // A thread's own growth is the mean of the growths, weighted by them: where one has made all visits, this is 1.
    template <int W>
    static Vec<W> slowdown(const Vec<W>* record, const Vec<W>* change, Vec<W> squares) {
        const Vec<W> half = Vec<W>::fill(0.5f), tiny = Vec<W>::fill(1e-30f);
        const Vec<W> growth = max(change[1], tiny), before = record[1] + tiny;
        return sqrt(fma(half, squares / growth, before) / fma(half, growth, before));
    }

    template <int W>
    static Vec<W> contraction(const Vec<W>* record, const Vec<W>* change, Vec<W>, const MergeRates<W>& m) {
        const Vec<W> growth = max(change[1], Vec<W>::fill(0.0f));
        const Vec<W> between = max(fma(Vec<W>::fill(0.5f), growth, record[1]), Vec<W>::fill(1e-30f));
        return m.rates.eta * m.of_squares * growth * rsqrt_estimate(between);
    }

    template <int W>
    static void merge(Vec<W>* record, const Vec<W>* change, Vec<W> share, Vec<W>, const MergeRates<W>&) {
        record[0] = fma(share, change[0], record[0]);
        record[1] = record[1] + change[1];
    }
};

// theta is merged as AdaGrad's, n adds up, and z is what gives this theta with this n. The sum of the threads' z would not
// do: each takes off sigma theta for a root of n that has grown from the start, and together they take off too much.
template <>
struct Merging<Ftrl> {
    static constexpr bool adds_few = false;
    static constexpr float farthest = 1.5f;
    static constexpr bool compounds = true;
    static constexpr bool is_measured = true;

    template <int W>
    static Vec<W> contraction(const Vec<W>* record, const Vec<W>* change, Vec<W>, const MergeRates<W>& m) {
        const Vec<W> growth = max(change[2], Vec<W>::fill(0.0f));
        const Vec<W> between = sqrt(fma(Vec<W>::fill(0.5f), growth, record[2]));
        return m.rates.eta * m.of_squares * growth / fma(m.rates.l2, m.rates.eta, m.rates.beta + between);
    }

    template <int W>
    static void merge(Vec<W>* record, const Vec<W>* change, Vec<W> share, Vec<W>, const MergeRates<W>& m) {
        const Vec<W> zero = Vec<W>::fill(0.0f), one = Vec<W>::fill(1.0f), huge = Vec<W>::fill(1e38f), l1 = m.rates.l1;
        const Vec<W> theta = fma(share, change[0], record[0]), z = fma(share, change[1], record[1]);
        const Vec<W> n = record[2] + max(change[2], zero);
        const Vec<W> divisor = fma(m.rates.l2, m.rates.eta, m.rates.beta + sqrt(n)) / m.rates.eta;
        // Where theta is 0, z is what has been summed up, within l1; elsewhere l1 has the sign of theta.
        const Vec<W> sign = max(min(theta * huge * huge, one), zero - one);
        const Vec<W> inside = max(min(z, l1), zero - l1);
        record[0] = theta;
        record[1] = fnma(theta, divisor, fnma(sign, l1, (one - sign * sign) * inside));
        record[2] = n;
    }
};

// A step is eta (m / n_m) / sqrt(v / n_v), v / n_v the mean of (g d)^2. Averages become the mean of the threads', which no
// number of visits takes out of their range.
template <>
struct Merging<Adam> {
    static constexpr bool adds_few = false;
    static constexpr float farthest = 1.5f;
    static constexpr bool compounds = true;
    static constexpr bool is_measured = true;

    template <int W>
    static Vec<W> contraction(const Vec<W>* record, const Vec<W>* change, Vec<W> visits, const MergeRates<W>& m) {
        const Vec<W> tiny = Vec<W>::fill(1e-30f);
        const Vec<W> squares = fma(change[2], m.per_replica, record[2]),
                     of_all = fma(change[4], m.per_replica, record[4]);
        return m.rates.eta * m.of_squares * sqrt(max(squares / max(of_all, tiny), tiny)) * visits;
    }

    template <int W>
    static void merge(Vec<W>* record, const Vec<W>* change, Vec<W> share, Vec<W>, const MergeRates<W>& m) {
        record[0] = fma(share, change[0], record[0]);
        for (int s = 1; s <= Adam::n_slots; ++s) record[s] = fma(m.per_replica, change[s], record[s]);
    }
};

}  // namespace fastfm::FASTFM_ISA
