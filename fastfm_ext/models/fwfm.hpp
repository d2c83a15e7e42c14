// The field-weighted factorization machine for ONE row (Pan et al. 2018, "Field-weighted Factorization Machines for
// Click-Through Rate Prediction in Display Advertising", eq. 6), with the linear terms of a factorization machine:
//
//   p        = w0 + sum_i w_i x_i + sum_{F < G} r_FG <S_F, S_G> + sum_F r_FF own_F        S, own: models/field_sums.hpp
//   dp/dv_i  = x_i (T_F(i) - r_F(i)F(i) v_i x_i)          T_F = sum_G r_FG S_G           F(i): the field of feature i
//   dp/dr_FG = <S_F, S_G>       dp/dr_FF = own_F
//
// With all r = 1 it is the factorization machine. F and G are the fields that the row has, so the cost is O(k nnz + k m^2)
// for m of them. A step moves w0, w, V and R from what they were before it; it pays the L2 of each r_FG once.
//
// R is n_fields x (n_fields with padding), symmetric: r_FG stands in row F for F <= G. What stands below the diagonal is
// not of use.
#pragma once

#include "math/dense.hpp"
#include "math/optimizer.hpp"
#include "math/squares.hpp"
#include "math/transpose.hpp"
#include "math/vec.hpp"
#include "models/field_sums.hpp"
#include "models/linear.hpp"
#include "models/pair_weights.hpp"
#include "models/records.hpp"
#include "models/row.hpp"
#include "types/gradient.hpp"

namespace fastfm::FASTFM_ISA {

template <int K, int slots, bool copies>
class Fwfm {
  public:
    static constexpr int block_size = K > 0 ? K : 16;
    static constexpr int lanes = block_size < max_lanes ? block_size : max_lanes;
    static constexpr bool steps_on_sums = true;
    static constexpr bool has_score_near = false;
    using V = Vec<lanes>;
    using Across = Vec<field_lanes>;

    // Floats of room: those of the sums and of R; S transposed; T, and T transposed.
    static int64_t room(int32_t k, int32_t n_fields) {
        return room_of_sums(k, n_fields) + in_tiles(PairWeights::room(n_fields)) + 3 * room_of_factors(k, n_fields);
    }

    explicit Fwfm(const Params& params)
        : linear_(params),
          k_(params.k),
          sums_(params.fields, params.k, least_spread(params.fields.n), params.room),
          R_(params, params.room + room_of_sums(params.k, params.fields.n)),
          S_by_factor_(params.room + room_of_sums(params.k, params.fields.n) +
                       in_tiles(PairWeights::room(params.fields.n))),
          T_(S_by_factor_ + room_of_factors(params.k, params.fields.n)),
          T_by_factor_(T_ + room_of_factors(params.k, params.fields.n)) {}

    template <class Row>
    float score(const Row& row) {
        return score(row, [](int64_t) {});
    }

    template <class Row, class Beside>
    float score(const Row& row, Beside beside) {
        float p = linear_.score(row) + linear_.w0();
        if (!k()) {
            for (int64_t j = 0; j < row.nnz(); ++j) beside(j);
            return p;
        }
        sums_.take(row, linear_.at.factors_from(0), beside);
        R_.take(sums_);
        p += 0.5f * (is_short ? weigh_by_factor() : weigh_by_field());
        if (!sums_.has_several()) return p;
        for (int F = 0; F < sums_.n(); ++F) p += R_.own()[F] * sums_.own(F);
        return p;
    }

    // First what can be worked out while g is not known yet.
    template <class Rule, class Row, class LaterRow>
    FASTFM_INLINE void step(const Row& row, float g, float weight, const Options& options, const LaterRow& later) {
        g *= weight;
        const float l2_weight = Rule::l2_in_gradient ? weight : 0.0f;
        if (k()) {
            if (is_short) prefetch_from(0, later);
            if constexpr (is_short)
                transpose_back();
            else
                transpose();
            step_on_pairs<Rule>(g, l2_weight * options.R.l2, Rates<field_lanes>(options.R));
        }
        linear_.template step<Rule>(row, g, l2_weight, options);
        if (!k()) return;
        step_on_factors<Rule>(row, g, l2_weight * options.V.l2, options.V, later);
        step_on_own<Rule>(g, l2_weight * options.R.l2, Rates<field_lanes>(options.R));
        R_.set_changed();
    }

    void store_w0() const { linear_.store_w0(); }
    void put_back() { R_.put_back(); }

    void prefetch_values(int64_t i) const {
        linear_.at.template prefetch<false>(i);
        sums_.prefetch(i);
    }

  private:
    // Short vectors do not fill a register; then T is worked out for a register of fields at once.
    static constexpr bool is_short = K > 0 && lanes < max_lanes;
    static constexpr int short_k = is_short ? K : 1;
    static constexpr int most_side = is_short ? max_lanes / K : 1;  // so many vectors fill a register
    static constexpr int most_vecs =
        3 * short_k <= max_lanes ? 3 : 2;  // of fields at once, so that sums find registers

    // From so many fields on, gaps cost less than a copy of R for these fields; but Adam moves where there is no gradient.
    static int least_spread(int n_fields) { return slots > Ftrl::n_slots ? n_fields : (n_fields + 2) / 3; }

    static int64_t room_of_sums(int32_t k, int32_t n_fields) { return in_tiles(FieldSums<K>::room(k, n_fields)); }
    static int64_t room_of_factors(int32_t k, int32_t n_fields) { return int64_t{k} * in_tiles(n_fields); }

    int k() const { return K > 0 ? K : K == 0 ? 0 : k_; }

    // T_F = sum_{G != F} r_FG S_G; returns sum_F <S_F, T_F>.
    FASTFM_INLINE float weigh_by_field() {
        constexpr int at_once = field_lanes < 8 ? field_lanes : 8;
        V products = V::fill(0.0f);
        for (int F = 0; F < sums_.n(); F += at_once) {
            const int first = F / field_lanes * field_lanes;  // from here on, row F has the pairs; before, others have
            for (int f = 0; f < k(); f += lanes) {
                V T[at_once][1];
                clear(T);
                add_product_to(T, {R_.row(0) + F, 1, R_.stride()}, sums_.S(0) + f, first, k());
                add_product_to(T, {R_.row(F) + first, R_.stride(), 1}, sums_.S(first) + f, sums_.n() - first, k());
                for (int i = 0; i < at_once; ++i) {
                    T[i][0].store(T_ + (F + i) * k() + f);
                    products = fma(T[i][0], V::load(sums_.S(F + i) + f), products);
                }
            }
        }
        return sum(products);
    }

    // The same, but T is left transposed, as S is.
    FASTFM_INLINE float weigh_by_factor() {
        transpose();
        const int width = R_.width();
        Across products = Across::fill(0.0f);
        for (int F = 0; F < width; F += most_vecs * field_lanes) {
            switch ((width - F) / field_lanes) {
                case 1: products = products + weigh_registers<1>(F); break;
                case 2: products = products + weigh_registers<2>(F); break;
                default: products = products + weigh_registers<most_vecs>(F);
            }
        }
        return sum(products);
    }

    // For n_vecs registers of fields from F on. The sum of one is there sooner as two, of every other field each.
    template <int n_vecs>
    FASTFM_INLINE Across weigh_registers(int F) {
        const int64_t width = R_.width(), stride = R_.stride();
        Across T[short_k][n_vecs], others[short_k][n_vecs], products = Across::fill(0.0f);
        clear(T);
        clear(others);
        if constexpr (n_vecs == 1) {
            // Behind the last field there are zeros.
            const float *S = sums_.S(0), *r = R_.row(0) + F;
            for (int G = 0; G < sums_.n(); G += 2, S += 2 * short_k, r += 2 * stride) {
                add_product_to(T, {S, 1, k()}, r, 1, stride);
                add_product_to(others, {S + short_k, 1, k()}, r + stride, 1, stride);
            }
        } else {
            add_product_to(T, {sums_.S(0), 1, k()}, R_.row(0) + F, sums_.n(), stride);
        }
        for (int f = 0; f < short_k; ++f) {
            for (int v = 0; v < n_vecs; ++v) {
                const int64_t at = f * width + F + v * field_lanes;
                if (n_vecs == 1) T[f][v] = T[f][v] + others[f][v];
                T[f][v].store(T_by_factor_ + at);
                products = fma(T[f][v], Across::load(S_by_factor_ + at), products);
            }
        }
        return products;
    }

    template <int n, int n_vecs, int W>
    static FASTFM_INLINE void clear(Vec<W> (&registers)[n][n_vecs]) {
        for (auto& row : registers)
            for (Vec<W>& r : row) r = Vec<W>::fill(0.0f);
    }

    // S_by_factor_[f, F] = S_Ff, for whole registers of fields.
    void transpose() {
        const int width = R_.width();
        for (int F = 0; F < width; F += field_lanes)
            for (int f = 0; f < k(); f += 4)
                transpose_to_fours(sums_.S(F) + f, k(), S_by_factor_ + int64_t{f} * width + F, width);
    }

    void transpose_back() {
        const int width = R_.width();
        for (int F = 0; F < width; F += field_lanes)
            transpose_to_rows<short_k>(T_by_factor_ + F, width, T_ + int64_t{F} * k());
    }

    // Steps on r_FG for all F < G.
    template <class Rule>
    FASTFM_INLINE void step_on_pairs(float g, float l2, const Rates<field_lanes>& rates) {
        const int width = R_.width();
        for (int F = 0; F < width; F += field_lanes) {
            for (int G = F; G < width; G += most_vecs * field_lanes) {
                switch ((width - G) / field_lanes) {
                    case 1: step_on_registers<Rule, 1>(F, G, g, l2, rates); break;
                    case 2: step_on_registers<Rule, 2>(F, G, g, l2, rates); break;
                    default: step_on_registers<Rule, most_vecs>(F, G, g, l2, rates);
                }
            }
        }
        if (is_short) R_.mirror();
    }

    // For the fields of one register from `first` on, with those of n_vecs registers from G on.
    template <class Rule, int n_vecs>
    FASTFM_INLINE void step_on_registers(int first, int G, float g, float l2, const Rates<field_lanes>& rates) {
        const int last = first + field_lanes < sums_.n() ? first + field_lanes : sums_.n();
        const int64_t width = R_.width(), stride = R_.stride();
        const float* const present = sums_.present();
        const Across gs = Across::fill(g);
        Across l2_of[n_vecs];
        for (int v = 0; v < n_vecs; ++v) l2_of[v] = Across::fill(l2) * Across::load(present + G + v * field_lanes);
        const auto step = [&](float* r, int F, int v, Across product) FASTFM_INLINE_LAMBDA {
            if (v == 0 && G == first) product = product * all_but(F - first);
            update<Rule>(r + v * field_lanes, width, gs * product, Across::fill(present[F]) * l2_of[v], rates);
        };
        const float* const others = S_by_factor_ + G;
        if constexpr (is_short) {
            Across S[short_k][n_vecs];
            for (int f = 0; f < short_k; ++f)
                for (int v = 0; v < n_vecs; ++v) S[f][v] = Across::load(others + f * width + v * field_lanes);
            float* r = R_.row(first) + G;
            const float* S_F = sums_.S(first);
            for (int F = first; F < last; ++F, r += stride, S_F += K) {
                for (int v = 0; v < n_vecs; ++v) {
                    Across product = Across::fill(S_F[0]) * S[0][v];
                    for (int f = 1; f < short_k; ++f) product = fma(Across::fill(S_F[f]), S[f][v], product);
                    step(r, F, v, product);
                }
            }
        } else {
            constexpr int at_once = 4;
            for (int F = first; F < last; F += at_once) {
                Across products[at_once][n_vecs];
                clear(products);
                add_product_to(products, {sums_.S(F), k(), 1}, others, k(), R_.width());
                // Behind the last field there are zeros.
                FASTFM_UNROLL
                for (int c = 0; c < at_once * n_vecs; ++c)
                    step(R_.row(F + c / n_vecs) + G, F + c / n_vecs, c % n_vecs, products[c / n_vecs][c % n_vecs]);
            }
        }
    }

    // 0 in this lane, and 1 in the others.
    static Across all_but(int lane) {
        static constexpr float steps[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0,
                                          1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
        return Across::load(steps + 15 - lane);
    }

    template <class Rule>
    FASTFM_INLINE void step_on_own(float g, float l2, const Rates<field_lanes>& rates) {
        const int64_t width = R_.width();
        for (int64_t F = 0; F < width; F += field_lanes) {
            const Across own = sums_.has_several() ? Across::load(sums_.owns() + F) : Across::fill(0.0f);
            const Across l2s = Across::fill(l2) * Across::load(sums_.present() + F);
            update<Rule>(R_.own() + F, width, Across::fill(g) * own, l2s, rates);
        }
    }

    // Steps on a register of parameters, whose state values are `stride` apart, with G and what L2 adds to it.
    template <class Rule, int W>
    static FASTFM_INLINE void update(float* theta, int64_t stride, Vec<W> G, Vec<W> l2, const Rates<W>& rates) {
        Vec<W> record[1 + Rule::n_slots];
        for (int s = 0; s <= Rule::n_slots; ++s) record[s] = Vec<W>::load(theta + s * stride);
        Rule::update(record, fma(l2, record[0], G), rates);
        for (int s = 0; s <= Rule::n_slots; ++s) record[s].store(theta + s * stride);
    }

    // The gradient of v_if is g x_i (T_Ff + r_FF (S_Ff - v_if x_i)) + l2_i v_if. Asks for those of `later` on the way, unless
    // step() did: short vectors are stepped on so soon that these come while g is not known yet.
    template <class Rule, class Row, class LaterRow>
    FASTFM_INLINE void step_on_factors(const Row& row, float g, float l2, const StepSizes& sizes,
                                       const LaterRow& later) {
        int64_t j = 0;
        if constexpr (is_short && Row::ones && !copies && Rule::n_slots == 1) {
            if (sums_.is_in_order()) {
                j = step_on_several<Rule, most_side>(row, j, g, l2, Rates<most_side * lanes>(sizes));
                j = step_on_several<Rule, 2>(row, j, g, l2, Rates<2 * lanes>(sizes));
            }
        }
        if (sums_.has_several()) weigh_own();
        const Rates<lanes> rates(sizes);
        for (; j < row.nnz(); ++j) {
            if (!is_short && j < later.nnz()) prefetch(later.i[j]);
            const int F = sums_.place_of(j, row.i[j]);
            const float x = row.value(j);
            float decay = l2 * linear_.at.l2_scale_of(row.i[j]);
            if (sums_.has_several()) decay -= g * x * x * R_.own()[F];
            const V gx = V::fill(g * x), decays = V::fill(decay);
            const float* T = T_ + F * k();
            float* v = linear_.at.V_of(row.i[j]);
            for (int f = 0; f < k(); f += lanes) update<Rule>(v + f, k(), gx * V::load(T + f), decays, rates);
        }
        if (!is_short) prefetch_from(row.nnz(), later);
    }

    // The same for `side` nonzeros at once, from j on, where nonzero j is of field j and a parameter has one state value.
    // Returns the first nonzero that is left.
    template <class Rule, int side, class Row>
    FASTFM_INLINE int64_t step_on_several(const Row& row, int64_t j, float g, float l2,
                                          const Rates<side * lanes>& rates) {
        using Several = Vec<side * lanes>;
        for (; j + side <= row.nnz(); j += side) {
            float* v[side];
            for (int n = 0; n < side; ++n) v[n] = linear_.at.V_of(row.i[j + n]);
            Several record[2];
            load_pairs<lanes, side>(v, record);
            const Several G = Several::fill(g) * Several::load(T_ + j * K);
            Rule::update(record, fma(Several::fill(l2), record[0], G), rates);
            store_pairs<lanes, side>(record, v);
        }
        return j;
    }

    // T_F += r_FF S_F.
    void weigh_own() {
        for (int F = 0; F < sums_.n(); ++F) {
            const V own = V::fill(R_.own()[F]);
            for (int f = 0; f < k(); f += lanes) {
                float* T = T_ + F * k() + f;
                fma(own, V::load(sums_.S(F) + f), V::load(T)).store(T);
            }
        }
    }

    void prefetch(int64_t i) const {
        linear_.at.template prefetch<true>(i);
        sums_.prefetch(i);
    }
    template <class Row>
    FASTFM_INLINE void prefetch_from(int64_t first, const Row& row) const {
        for (int64_t j = first; j < row.nnz(); ++j) prefetch(row.i[j]);
    }

    Linear<Records<K, slots, copies>> linear_;
    int k_;
    FieldSums<K> sums_;
    PairWeights R_;
    float* S_by_factor_;
    float* T_;
    float* T_by_factor_;
};

struct FwfmModel {
    static constexpr bool is_specialised = false;
    static constexpr int most_plain_k = 16;
    static constexpr bool has_replicas = false;

    template <int K, int slots, bool copies>
    using Machine = Fwfm<K, slots, copies>;

    static int64_t room(int32_t k, int32_t n_fields, int64_t) {
        return Fwfm<any_k, any_slots, false>::room(k, n_fields);
    }
};

}  // namespace fastfm::FASTFM_ISA
