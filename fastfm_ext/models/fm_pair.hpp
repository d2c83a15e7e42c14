// The factorization machine for ONE pair of a user's row and an item's row, as far as it ranks items for a user:
//
//   score(u, t) = own(t) + <S_u, S_t>       S_u = sum_{i in u} v_i x_i,   S_t = sum_{i in t} v_i x_i
//   own(t)      = sum_{i in t} w_i x_i + 1/2 sum_f [ S_tf^2 - sum_{i in t} v_if^2 x_i^2 ]
//
// What the user scores alone, and w0, are the same for every item and left out (Rendle 2010, lemma 3.1, with the sum
// split into the user's and the item's features). With g = dL/dscore(u, t):
//
//   dL/dw_i  = g x_i                             i in t
//   dL/dv_if = g x_i (S_uf + S_tf - v_if x_i)    i in t
//   dL/dv_if = x_i sum_t g_t S_tf                i in u, over all items that the user was scored with
//
// O(k nnz). S_u and sum_t g_t S_t lie in arrays of k floats, which stay in the first-level cache or in registers.
#pragma once

#include "models/fm.hpp"

namespace fastfm::FASTFM_ISA {

template <int K, class Rule>
class FmPair {
  public:
    FmPair(const Params& params, const RankingOptions& options, float* sum_user, float* gradient)
        : at_(params),
          options_(options),
          w_rates_(options.w),
          V_rates_(options.V),
          sum_user_(sum_user),
          gradient_(gradient) {}

    // Pools the user's row into S_u, and begins a new sum_t g_t S_t.
    template <class Row>
    void begin_user(const Row& user) {
        for (int first = 0; first < k(); first += block_size) {
            Block<block_size> block;
            block.sum_up(user, at_.factors_from(first));
            for (int b = 0; b < n_vecs; ++b) {
                block.S[b].store(sum_user_ + first + b * lanes);
                V::fill(0.0f).store(gradient_ + first + b * lanes);
            }
        }
    }

    template <class Row>
    float score(const Row& item) const {
        float own = 0.0f;
        for (int64_t j = 0; j < item.nnz(); ++j) own += *at_.w_of(item.i[j]) * item.value(j);
        V both = V::fill(0.0f);
        for (int first = 0; first < k(); first += block_size) {
            Block<block_size> block;
            if (item.nnz() == 1) {  // a feature has no pair with itself
                block.sum_up(item, at_.factors_from(first));
            } else {
                own += 0.5f * block.score(item, at_.factors_from(first), [](int64_t) {});
            }
            for (int b = 0; b < n_vecs; ++b) both = fma(block.S[b], V::load(user_at(first, b)), both);
        }
        return k() ? own + sum(both) : own;
    }

    // One step on the item's features; `l2` is the share of L2 that this item pays.
    template <class Row>
    void step_item(const Row& item, float g, float l2) {
        const float l2_V = l2 * options_.V.l2;
        if (options_.fit_linear) {
            for (int64_t j = 0; j < item.nnz(); ++j) {
                float* w = at_.w_of(item.i[j]);
                update_one<Rule>(w, g * item.value(j) + l2 * options_.w.l2 * w[0], w_rates_);
            }
        }
        for (int first = 0; first < k(); first += block_size) {
            Block<block_size> block;
            const auto factors = at_.factors_from(first);
            block.sum_up(item, factors);
            for (int b = 0; b < n_vecs; ++b) {
                float* G = gradient_ + first + b * lanes;
                fma(V::fill(g), block.S[b], V::load(G)).store(G);
                block.S[b] = block.S[b] + V::load(user_at(first, b));
            }
            block.template step<Rule>(item, factors, k(), g, [=](int64_t) { return l2_V; }, V_rates_);
        }
    }

    // One step on the user's features, after those on the items.
    template <class Row>
    void step_user(const Row& user, float l2) {
        const float l2_V = l2 * options_.V.l2;
        for (int first = 0; first < k(); first += block_size) {
            Block<block_size> block;
            for (int b = 0; b < n_vecs; ++b) block.S[b] = V::load(gradient_ + first + b * lanes);
            block.template step<Rule, false>(
                user, at_.factors_from(first), k(), 1.0f, [=](int64_t) { return l2_V; }, V_rates_);
        }
    }

    template <class Row>
    void prefetch(const Row& row) const {
        for (int64_t j = 0; j < row.nnz(); ++j) at_.template prefetch<true>(row.i[j]);
    }

  private:
    static constexpr int block_size = K > 0 ? K : 16;
    static constexpr int lanes = Block<block_size>::lanes;
    static constexpr int n_vecs = Block<block_size>::n_vecs;
    using V = Vec<lanes>;

    int k() const { return at_.n_factors(); }
    const float* user_at(int first, int b) const { return sum_user_ + first + b * lanes; }

    Records<K, Rule::n_slots> at_;
    RankingOptions options_;
    Rates<4> w_rates_;
    Rates<lanes> V_rates_;
    float* sum_user_;
    float* gradient_;
};

}  // namespace fastfm::FASTFM_ISA
