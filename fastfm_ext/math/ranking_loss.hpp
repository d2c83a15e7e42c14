// Losses of ranking as pure functions of scores: p_1 .. p_m of the items that a user chose, with their weights a_1 .. a_m,
// and s_1 .. s_n of items drawn from the others.
//
//   BPR       sum_c a_c 1/n sum_j log(1 + e^(s_j - p_c))                       (Rendle et al. 2009)
//   softmax   sum_c a_c [ log( e^(p_c) + sum_j e^(s_j) ) - p_c ]               (Bengio and Senecal 2008; Jean et al. 2015)
//             the scores less log q_t, where items t are drawn with unequal probabilities q_t
//   WARP      a log(r) max(0, 1 - p + s_j),  r = floor((n_others - 1) / N)     (Weston, Bengio, Usunier 2011)
//             j the first of the items tried with s_j > p - 1, and N how many were tried
//   k-OS WARP that of the k-th best of some choices of the user, by score        (Weston, Yee, Weiss 2013)
//
// Each fills `g` with the derivatives, of the chosen items first, and returns the value.
#pragma once

#include "math/loss.hpp"
#include "types/compiler.hpp"
#include "types/registry.hpp"

namespace fastfm::FASTFM_ISA {

struct Bpr {
    static constexpr bool tries_items = false;      // draws until an item violates the margin
    static constexpr bool corrects_scores = false;  // by log q_t

    FASTFM_INLINE static double value(const float* scores, int m, int n, const float* weights, float* g) {
        double loss = 0.0;
        for (int j = 0; j < m + n; ++j) g[j] = 0.0f;
        for (int c = 0; c < m; ++c) {
            const float share = weights[c] / static_cast<float>(n);
            for (int j = m; j < m + n; ++j) {
                const LossPoint point = LogisticLoss::at(1.0f, scores[c] - scores[j]);
                loss += double{share} * (double{point.rest} + log1p(double{point.e}));
                g[c] += share * point.gradient;
                g[j] -= share * point.gradient;
            }
        }
        return loss;
    }
};

struct Softmax {
    static constexpr bool tries_items = false;
    static constexpr bool corrects_scores = true;

    FASTFM_INLINE static double value(const float* scores, int m, int n, const float* weights, float* g) {
        float largest = scores[0];
        for (int j = 1; j < m + n; ++j) largest = scores[j] > largest ? scores[j] : largest;
        for (int j = 0; j < m + n; ++j) {
            const float x = scores[j] - largest;
            g[j] = exp_of(x > -largest_exponent ? x : -largest_exponent);
        }
        float others = 0.0f;
        for (int j = m; j < m + n; ++j) others += g[j];
        double loss = 0.0;
        float factor = 0.0f;  // sum_c a_c / (e^(p_c) + sum_j e^(s_j)), what each e^(s_j) is multiplied by
        for (int c = 0; c < m; ++c) {
            const float all = g[c] + others;
            loss += double{weights[c]} * (log(double{all}) + (double{largest} - double{scores[c]}));
            factor += weights[c] / all;
            g[c] = -weights[c] * others / all;
        }
        for (int j = m; j < m + n; ++j) g[j] *= factor;
        return loss;
    }
};

struct Warp {
    static constexpr bool tries_items = true;
    static constexpr bool corrects_scores = false;

    // Of items that are drawn once and for all, as those of a new user are.
    static double value(const float* scores, int m, int n, const float* weights, float* g) {
        return Bpr::value(scores, m, n, weights, g);
    }
};

struct WarpKos : Warp {};

FASTFM_INLINE double evaluate(RankingLoss loss, const float* scores, int m, int n, const float* weights, float* g) {
    switch (loss) {  // not covered: a number without a loss
#define FASTFM_CASE(name, Type) \
    case RankingLoss::name: return Type::value(scores, m, n, weights, g);
        FASTFM_RANKING_LOSSES(FASTFM_CASE)
#undef FASTFM_CASE
    }
    FASTFM_UNREACHABLE();  // not covered: every number has a case
}

inline bool tries_items(RankingLoss loss) {
    switch (loss) {  // not covered: a number without a loss
#define FASTFM_CASE(name, Type) \
    case RankingLoss::name: return Type::tries_items;
        FASTFM_RANKING_LOSSES(FASTFM_CASE)
#undef FASTFM_CASE
    }
    FASTFM_UNREACHABLE();  // not covered: every number has a case
}

inline bool corrects_scores(RankingLoss loss) {
    switch (loss) {  // not covered: a number without a loss
#define FASTFM_CASE(name, Type) \
    case RankingLoss::name: return Type::corrects_scores;
        FASTFM_RANKING_LOSSES(FASTFM_CASE)
#undef FASTFM_CASE
    }
    FASTFM_UNREACHABLE();  // not covered: every number has a case
}

// log(r) is the weight of a pair whose negative was found at the `tried`-th attempt among `n_others` items.
inline float warp_weight(int tried, int64_t n_others) {
    const int64_t rank = (n_others - 1) / tried;
    return rank > 1 ? static_cast<float>(log(static_cast<double>(rank))) : 0.0f;
}

}  // namespace fastfm::FASTFM_ISA
