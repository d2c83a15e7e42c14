// The field-aware factorization machine for ONE row (Juan, Zhuang, Chin, Lin 2016, "Field-aware Factorization Machines for
// CTR Prediction", eq. 4), with the linear terms of a factorization machine:
//
//   p           = w0 + sum_i w_i x_i + sum_{i<j} <v_i,F(j), v_j,F(i)> x_i x_j          F(i): the field of feature i
//   dp/dv_i,F   = sum_{j != i, F(j) = F} v_j,F(i) x_i x_j
//
// Features of the same field make pairs, too. O(k nnz^2) for the score and for the step. V is n_features x (n_fields k):
// the factors of feature i for field F begin at F k.
#pragma once

#include "math/optimizer.hpp"
#include "math/vec.hpp"
#include "models/linear.hpp"
#include "models/records.hpp"
#include "models/row.hpp"
#include "types/gradient.hpp"

namespace fastfm::FASTFM_ISA {

template <int K, int slots, bool copies>
class Ffm {
  public:
    static constexpr int block_size = K > 0 ? K : 16;
    static constexpr int lanes = block_size < max_lanes ? block_size : max_lanes;
    static constexpr bool steps_on_sums = false;
    using V = Vec<lanes>;

    explicit Ffm(const Params& params) : linear_(params), fields_(params.fields), k_(params.k) {}

    template <class Row>
    float score(const Row& row) {
        V pairs = V::fill(0.0f);
        for_pairs(row, [&](float* v, float* v_other, float xx) FASTFM_INLINE_LAMBDA {
            const V product = V::fill(xx);
            for (int f = 0; f < k(); f += lanes) pairs = fma(product * V::load(v + f), V::load(v_other + f), pairs);
        });
        return linear_.score(row) + (k() ? sum(pairs) : 0.0f) + linear_.w0();
    }

    template <class Row, class Beside>
    float score(const Row& row, Beside beside) {
        for (int64_t j = 0; j < row.nnz(); ++j) beside(j);
        return score(row);
    }

    // One step, pair by pair, each with the parameters that the pairs before it left, as libffm has it. L2 is paid for
    // the two vectors of each pair.
    template <class Rule, class Row, class LaterRow>
    FASTFM_INLINE void step(const Row& row, float g, float weight, const Options& options, const LaterRow& later) {
        g *= weight;
        const float l2_weight = Rule::l2_in_gradient ? weight : 0.0f;
        linear_.template step<Rule>(row, g, l2_weight, options);
        const Rates<lanes> rates(options.V);
        const V l2 = V::fill(l2_weight * options.V.l2);
        for (int64_t j = 0; j < later.nnz(); ++j) linear_.at.template prefetch<true>(later.i[j]);
        const int stride = width();
        for_pairs(row, [&](float* v, float* v_other, float xx) FASTFM_INLINE_LAMBDA {
            const V gx = V::fill(g * xx);
            for (int f = 0; f < k(); f += lanes) {
                V record[1 + Rule::n_slots], other[1 + Rule::n_slots];
                for (int s = 0; s <= Rule::n_slots; ++s) {
                    record[s] = V::load(v + s * stride + f);
                    other[s] = V::load(v_other + s * stride + f);
                }
                const V G = fma(l2, record[0], gx * other[0]), G_other = fma(l2, other[0], gx * record[0]);
                Rule::update(record, G, rates);
                Rule::update(other, G_other, rates);
                for (int s = 0; s <= Rule::n_slots; ++s) {
                    record[s].store(v + s * stride + f);
                    other[s].store(v_other + s * stride + f);
                }
            }
        });
    }

    void store_w0() const { linear_.store_w0(); }

    void prefetch_values(int64_t i) const { linear_.at.template prefetch<false>(i); }

  private:
    int k() const { return K > 0 ? K : K == 0 ? 0 : k_; }
    int width() const { return k() * fields_.n; }

    // Calls body(v_i,F(j), v_j,F(i), x_i x_j) for each pair i < j of the row's nonzeros.
    template <class Row, class Body>
    FASTFM_INLINE void for_pairs(const Row& row, Body body) const {
        for (int64_t i = 0; i < row.nnz(); ++i) {
            float* const v = linear_.at.V_of(row.i[i]);
            const int64_t field = int64_t{fields_.of_feature[row.i[i]]} * k();
            for (int64_t j = i + 1; j < row.nnz(); ++j) {
                const int64_t other = int64_t{fields_.of_feature[row.i[j]]} * k();
                body(v + other, linear_.at.V_of(row.i[j]) + field, row.value(i) * row.value(j));
            }
        }
    }

    Linear<Records<any_k, slots, copies>> linear_;
    Fields fields_;
    int k_;
};

struct FfmModel {
    static constexpr bool is_specialised = false;
    static constexpr bool has_plain_code = false;
    static constexpr bool has_replicas = false;

    template <int K, int slots, bool copies>
    using Machine = Ffm<K, slots, copies>;

    static int64_t room(int32_t, int32_t) { return 0; }
};

}  // namespace fastfm::FASTFM_ISA
