// The field-matrixed factorization machine for ONE row (Sun et al. 2021, "FM^2: Field-matrixed Factorization Machines for
// Recommender Systems", eq. 6), with the linear terms of a factorization machine:
//
//   p         = w0 + sum_i w_i x_i + sum_{F < G} S_F M_FG S_G^T + sum_F sum_{i < j in F} v_i M_FF v_j^T x_i x_j
//   dp/dv_i   = x_i (sum_{G != F} S_G M_FG^T + (S_F - x_i v_i) M_FF)         F the field of feature i; M_GF = M_FG^T
//   dp/dM_FG  = S_F^T S_G         dp/dM_FF = 1/2 (S_F^T S_F - sum_{i in F} x_i^2 v_i^T v_i)
//
// or, with vectors in place of matrices, which is each M_FG = diag(m_FG), the paper's FvFM: dp/dm_FG = S_F * S_G by factor.
// From M = I, or m = 1, it starts as the factorization machine. M_FF is symmetric and stays so. F and G are the m fields
// that the row has: O(k nnz + k m^2) with vectors, O(k nnz + k^2 m^2) with matrices. A step moves everything from what it
// was before the step, and pays the L2 of each M_FG once.
//
// R is n_fields x (n_fields L), L = k or k^2: M_FG, by rows, begins at G L in row F, for F <= G. The rest is not of use.
#pragma once

#include <string.h>

#include "math/optimizer.hpp"
#include "math/vec.hpp"
#include "models/field_sums.hpp"
#include "models/linear.hpp"
#include "models/records.hpp"
#include "models/row.hpp"
#include "types/gradient.hpp"

namespace fastfm::FASTFM_ISA {

template <bool has_matrices, int K, int slots, bool copies>
class Fmfm {
  public:
    static constexpr int block_size = K > 0 ? K : 16;
    static constexpr int lanes = block_size < max_lanes ? block_size : max_lanes;
    static constexpr bool steps_on_sums = true;
    static constexpr bool has_score_near = false;
    using V = Vec<lanes>;

    // Floats of room: those of the sums, T, the parts of T_F by lane, and dp/dM_FF.
    static int64_t room(int64_t k, int32_t n_fields) {
        const int64_t n = in_tiles(n_fields);
        return in_tiles(FieldSums<K>::room(k, n_fields)) + n * k + k * lanes + n * length(k);
    }

    explicit Fmfm(const Params& params)
        : linear_(params),
          k_(params.k),
          sums_(params.fields, params.k, params.fields.n, params.room),
          T_(params.room + in_tiles(FieldSums<K>::room(params.k, params.fields.n))),
          parts_(T_ + int64_t{in_tiles(params.fields.n)} * params.k),
          own_(parts_ + params.k * lanes),
          R_(params.tables[R_table].records),
          width_(params.tables[R_table].width),
          stride_(int64_t{1 + params.n_slots} * width_) {}

    template <class Row>
    float score(const Row& row) {
        return score(row, [](int64_t) {});
    }

    template <class Row, class Beside>
    float score(const Row& row, Beside beside) {
        const float p = linear_.score(row) + linear_.w0();
        if (!k()) {
            for (int64_t j = 0; j < row.nnz(); ++j) beside(j);
            return p;
        }
        sums_.take(row, linear_.at.factors_from(0), beside);
        V pairs = V::fill(0.0f);
        for (int F = 0; F < sums_.n(); ++F)
            for (int G = F + 1; G < sums_.n(); ++G) pairs = pairs + pair(sums_.S(F), M(F, G), sums_.S(G));
        if (sums_.has_several()) pairs = pairs + own_pairs(row);
        return p + sum(pairs);
    }

    template <class Rule, class Row, class LaterRow>
    void step(const Row& row, float g, float weight, const Options& options, const LaterRow& later) {
        g *= weight;
        const float l2_weight = Rule::l2_in_gradient ? weight : 0.0f;
        linear_.template step<Rule>(row, g, l2_weight, options);
        if (!k()) return;
        const Rates<lanes> rates(options.R);
        const float l2 = l2_weight * options.R.l2;
        memset(T_, 0, sizeof(float) * sums_.n() * k());
        for (int F = 0; F < sums_.n(); ++F) step_on_pairs<Rule>(F, g, l2, rates);
        step_on_factors<Rule>(row, g, l2_weight * options.V.l2, Rates<lanes>(options.V), later);
        for (int F = 0; F < sums_.n(); ++F) step_on_own<Rule>(F, g, l2, rates);
    }

    void store_w0() const { linear_.store_w0(); }
    void put_back() const {}

    void prefetch_values(int64_t i) const {
        linear_.at.template prefetch<false>(i);
        sums_.prefetch(i);
    }

  private:
    int k() const { return K > 0 ? K : K == 0 ? 0 : k_; }
    static int64_t length(int64_t k) { return has_matrices ? k * k : k; }
    int64_t length() const { return length(k()); }

    float* M(int F, int G) const { return R_ + sums_.field_at(F) * stride_ + sums_.field_at(G) * length(); }

    // a M b^T, to be summed over lanes.
    V pair(const float* a, const float* M, const float* b) const {
        V products = V::fill(0.0f);
        for (int f = 0; f < k(); f += lanes) products = fma(times(a, M, f), V::load(b + f), products);
        return products;
    }

    // a M, the factors of a register from f on.
    FASTFM_INLINE V times(const float* a, const float* M, int f) const {
        if (!has_matrices) return V::load(a + f) * V::load(M + f);
        V product = V::fill(0.0f);
        for (int e = 0; e < k(); ++e) product = fma(V::fill(a[e]), V::load(M + int64_t{e} * k() + f), product);
        return product;
    }

    // sum_F sum_{i < j in F} v_i M_FF v_j^T x_i x_j, to be summed over lanes; leaves dp/dM_FF in `own_`.
    template <class Row>
    V own_pairs(const Row& row) {
        memset(own_, 0, sizeof(float) * sums_.n() * length());
        memset(T_, 0, sizeof(float) * sums_.n() * k());  // sums of the nonzeros before j
        for (int64_t j = 0; j < row.nnz(); ++j) {
            const int F = sums_.place_of(j, row.i[j]);
            const float* v = linear_.at.V_of(row.i[j]);
            const float x = row.value(j);
            float* before = T_ + int64_t{F} * k();
            add_product(before, v, x, own_ + F * length());
            for (int f = 0; f < k(); f += lanes) fma(V::fill(x), V::load(v + f), V::load(before + f)).store(before + f);
        }
        V pairs = V::fill(0.0f);
        for (int F = 0; F < sums_.n(); ++F) {
            const float *of_field = M(F, F), *own = own_ + F * length();
            for (int64_t e = 0; e < length(); e += lanes) pairs = fma(V::load(of_field + e), V::load(own + e), pairs);
        }
        return pairs;
    }

    // to += x a * b by factor, or x/2 (a^T b + b^T a).
    void add_product(const float* a, const float* b, float x, float* to) const {
        if (!has_matrices) {
            for (int f = 0; f < k(); f += lanes)
                fma(V::fill(x) * V::load(a + f), V::load(b + f), V::load(to + f)).store(to + f);
            return;
        }
        for (int e = 0; e < k(); ++e) {
            const V a_e = V::fill(0.5f * x * a[e]), b_e = V::fill(0.5f * x * b[e]);
            float* row = to + int64_t{e} * k();
            for (int f = 0; f < k(); f += lanes)
                fma(a_e, V::load(b + f), fma(b_e, V::load(a + f), V::load(row + f))).store(row + f);
        }
    }

    template <class Rule>
    FASTFM_INLINE V update(float* at, V G, V l2, const Rates<lanes>& rates) const {
        V record[1 + Rule::n_slots];
        for (int s = 0; s <= Rule::n_slots; ++s) record[s] = V::load(at + s * int64_t{width_});
        const V before = record[0];
        Rule::update(record, fma(l2, before, G), rates);
        for (int s = 0; s <= Rule::n_slots; ++s) record[s].store(at + s * int64_t{width_});
        return before;
    }

    // Steps on M_FG for all G behind F, and adds what the pairs bring to T_F and each T_G.
    template <class Rule>
    FASTFM_INLINE void step_on_pairs(int F, float g, float l2, const Rates<lanes>& rates) {
        const V l2s = V::fill(l2), gs = V::fill(g);
        const float* S_F = sums_.S(F);
        float* T_F = T_ + int64_t{F} * k();
        if (has_matrices) memset(parts_, 0, sizeof(float) * k() * lanes);
        for (int G = F + 1; G < sums_.n(); ++G) {
            const float* S_G = sums_.S(G);
            float *T_G = T_ + int64_t{G} * k(), *of_pair = M(F, G);
            for (int f = 0; f < k(); f += lanes) {
                const V of_G = V::load(S_G + f), gS = gs * of_G;
                V T = V::load(T_G + f);
                if (!has_matrices) {
                    const V of_F = V::load(S_F + f), m = update<Rule>(of_pair + f, gS * of_F, l2s, rates);
                    fma(m, of_F, T).store(T_G + f);
                    fma(m, of_G, V::load(T_F + f)).store(T_F + f);
                    continue;
                }
                for (int e = 0; e < k(); ++e) {
                    const V of_F = V::fill(S_F[e]);
                    const V m = update<Rule>(of_pair + int64_t{e} * k() + f, gS * of_F, l2s, rates);
                    T = fma(m, of_F, T);
                    fma(m, of_G, V::load(parts_ + e * lanes)).store(parts_ + e * lanes);
                }
                T.store(T_G + f);
            }
        }
        for (int e = 0; has_matrices && e < k(); ++e) T_F[e] += sum(V::load(parts_ + e * lanes));
    }

    // With what pairs of the same field bring, of M_FF before its step.
    template <class Rule, class Row, class LaterRow>
    FASTFM_INLINE void step_on_factors(const Row& row, float g, float l2, const Rates<lanes>& rates,
                                       const LaterRow& later) {
        for (int64_t j = 0; j < row.nnz(); ++j) {
            if (j < later.nnz()) prefetch(later.i[j]);
            const int F = sums_.place_of(j, row.i[j]);
            const float x = row.value(j), own_l2 = l2 * linear_.at.l2_scale_of(row.i[j]);
            float* v = linear_.at.V_of(row.i[j]);
            float* others = parts_;
            for (int f = 0; f < k(); f += lanes)
                (sums_.has_several() ? fnma(V::fill(x), V::load(v + f), V::load(sums_.S(F) + f)) : V::fill(0.0f))
                    .store(others + f);
            for (int f = 0; f < k(); f += lanes) {
                V T = V::load(T_ + int64_t{F} * k() + f);
                if (sums_.has_several()) T = T + times(others, M(F, F), f);
                V record[1 + Rule::n_slots];
                for (int s = 0; s <= Rule::n_slots; ++s) record[s] = V::load(v + f + s * k());
                Rule::update(record, fma(V::fill(own_l2), record[0], V::fill(g * x) * T), rates);
                for (int s = 0; s <= Rule::n_slots; ++s) record[s].store(v + f + s * k());
            }
        }
        for (int64_t j = row.nnz(); j < later.nnz(); ++j) prefetch(later.i[j]);
    }

    template <class Rule>
    FASTFM_INLINE void step_on_own(int F, float g, float l2, const Rates<lanes>& rates) {
        float *of_field = M(F, F), *own = own_ + F * length();
        for (int64_t e = 0; e < length(); e += lanes) {
            const V G = sums_.has_several() ? V::fill(g) * V::load(own + e) : V::fill(0.0f);
            update<Rule>(of_field + e, G, V::fill(l2), rates);
        }
    }

    void prefetch(int64_t i) const {
        linear_.at.template prefetch<true>(i);
        sums_.prefetch(i);
    }

    Linear<Records<K, slots, copies>> linear_;
    int k_;
    FieldSums<K> sums_;
    float* T_;
    float* parts_;
    float* own_;
    float* R_;
    int32_t width_;
    int64_t stride_;
};

template <bool has_matrices>
struct FmfmOf {
    static constexpr bool is_specialised = false;
    static constexpr int most_plain_k = 0;
    static constexpr bool has_replicas = false;

    template <int K, int slots, bool copies>
    using Machine = Fmfm<has_matrices, K, slots, copies>;

    static int64_t room(int32_t k, int32_t n_fields, int64_t) {
        return Fmfm<has_matrices, any_k, any_slots, false>::room(k, n_fields);
    }
};

using FvfmModel = FmfmOf<false>;
using FmfmModel = FmfmOf<true>;

}  // namespace fastfm::FASTFM_ISA
