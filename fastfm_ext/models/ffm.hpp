// The field-aware factorization machine for ONE row (Juan, Zhuang, Chin, Lin 2016, "Field-aware Factorization Machines for
// CTR Prediction", eq. 4), with the linear terms of a factorization machine:
//
//   p           = w0 + sum_i w_i x_i + sum_{i<j} <v_i,F(j), v_j,F(i)> x_i x_j          F(i): the field of feature i
//   dp/dv_i,F   = x_i sum_{j != i, F(j) = F} v_j,F(i) x_j
//
// Features of the same field make pairs, too. V is n_features x (n_fields k): the factors of feature i for field F begin
// at F k. A step is on the gradient of the whole row: vectors v_i,F are visited once, and pay L2 once, if a feature other
// than i is of field F, and else not at all.
//
// Pairs of one field A with another, B, need v_i,B of i in A and v_j,A of j in B, which no other pairs need:
//
//   p_AB = <T_AB, T_BA>,     T_AB = sum_{i in A} v_i,B x_i         dp/dv_i,B = x_i T_BA     dp/dv_j,A = x_j T_AB
//   p_AA = 1/2 [ |T_AA|^2 - sum_{i in A} |v_i,A x_i|^2 ]           dp/dv_i,A = x_i (T_AA - v_i,A x_i)
//
// O(k nnz n) for the score and for the step, where the row's features have n fields. Most often each is alone in its
// field, and then T has a single term.
#pragma once

#include "math/optimizer.hpp"
#include "math/parts.hpp"
#include "models/linear.hpp"
#include "models/records.hpp"
#include "models/row.hpp"
#include "models/row_by_field.hpp"
#include "types/gradient.hpp"

namespace fastfm::FASTFM_ISA {

// The vectors that nonzero a and the nonzeros b, ..., b + parts - 1 have for each other's fields, a register of those of a
// and one of the others.
template <int lanes, int parts, class Nonzeros>
class Pairs {
  public:
    static constexpr int n_parts = parts;
    using V = Vec<lanes * parts>;

    Pairs(const Nonzeros& of, int64_t a, int64_t b) : of_(of), a_(a), b_(b) {
        if (parts > 1) are_adjacent_ = of.at(b + parts - 1) - of.at(b) == (parts - 1) * lanes;
    }

    // Adds their part in the score to `products`, where the value of a is x.
    FASTFM_INLINE V add_score(float x, int k, V products) const {
        const V xx = V::fill(x) * x_of_b();
        for (int f = 0; f < k; f += lanes) products = fma(xx * load_a(f), load_b(f), products);
        return products;
    }

    template <class Rule>
    FASTFM_INLINE void step(float gx, float l2, const Rates<lanes * parts>& rates, int k, int64_t stride) const {
        const V gxx = V::fill(gx) * x_of_b(), l2_a = V::fill(l2 * of_.l2_scale(a_)),
                l2_b = V::fill(l2) * l2_scale_of_b();
        for (int f = 0; f < k; f += lanes) {
            V of_a[1 + Rule::n_slots], of_b[1 + Rule::n_slots];
            for (int s = 0; s <= Rule::n_slots; ++s) {
                of_a[s] = load_a(s * stride + f);
                of_b[s] = load_b(s * stride + f);
            }
            const V G_a = fma(l2_a, of_a[0], gxx * of_b[0]), G_b = fma(l2_b, of_b[0], gxx * of_a[0]);
            Rule::update(of_a, G_a, rates);
            Rule::update(of_b, G_b, rates);
            for (int s = 0; s <= Rule::n_slots; ++s) {
                store_a(of_a[s], s * stride + f);
                store_b(of_b[s], s * stride + f);
            }
        }
    }

  private:
    using Register = Parts<lanes * parts, parts>;

    auto place_of_a() const {
        return [this](int p) { return of_.v(a_) + of_.at(b_ + p); };
    }
    auto place_of_b() const {
        return [this](int p) { return of_.v(b_ + p) + of_.at(a_); };
    }
    V load_a(int64_t offset) const {
        return are_adjacent_ ? V::load(of_.v(a_) + of_.at(b_) + offset) : Register::load(place_of_a(), offset);
    }
    void store_a(V value, int64_t offset) const {
        if (are_adjacent_)
            value.store(of_.v(a_) + of_.at(b_) + offset);
        else
            Register::store(value, place_of_a(), offset);
    }
    V load_b(int64_t offset) const { return Register::load(place_of_b(), offset); }
    void store_b(V value, int64_t offset) const { Register::store(value, place_of_b(), offset); }
    V x_of_b() const { return parts == 1 ? V::fill(of_.x(b_)) : V::load(of_.xs(b_)); }
    V l2_scale_of_b() const { return parts == 1 ? V::fill(of_.l2_scale(b_)) : V::load(of_.l2_scales(b_)); }

    const Nonzeros& of_;
    int64_t a_, b_;
    bool are_adjacent_ = true;
};

// The vectors that the nonzeros first <= n < last of one field have for another one, or for their own.
template <int lanes, class Nonzeros>
struct FieldGroup {
    using V = Vec<lanes>;

    const Nonzeros& of;
    int64_t first, last, field;  // the field they are for begins `field` floats behind their factors

    // T, for the factors from f on, and of the squares of its terms.
    FASTFM_INLINE V sum_up(int f, V* squares = nullptr) const {
        V T = V::fill(0.0f);
        for (int64_t n = first; n < last; ++n) {
            const V vx = V::load(of.v(n) + field + f) * V::fill(of.x(n));
            T = T + vx;
            if (squares) *squares = fma(vx, vx, *squares);
        }
        return T;
    }

    // Steps with the gradient g x T - own g x^2 v + l2 v, where `own_g` is g if T holds v x, too, and else 0.
    template <class Rule>
    FASTFM_INLINE void step(int f, V T, float g, float own_g, float l2, const Rates<lanes>& rates,
                            int64_t stride) const {
        for (int64_t n = first; n < last; ++n) {
            float* const v = of.v(n) + field + f;
            const float x = of.x(n);
            V record[1 + Rule::n_slots];
            for (int s = 0; s <= Rule::n_slots; ++s) record[s] = V::load(v + s * stride);
            const V decay = V::fill(own_g * x * x - l2 * of.l2_scale(n));
            Rule::update(record, fnma(decay, record[0], V::fill(g * x) * T), rates);
            for (int s = 0; s <= Rule::n_slots; ++s) record[s].store(v + s * stride);
        }
    }
};

template <int K, int slots, bool copies>
class Ffm {
  public:
    static constexpr int block_size = K > 0 ? K : 16;
    static constexpr int lanes = block_size < max_lanes ? block_size : max_lanes;
    static constexpr int most_parts = K == lanes ? max_lanes / lanes : 1;  // so many vectors fill a register
    static constexpr bool steps_on_sums = true;                            // on what score() left in the room

    explicit Ffm(const Params& params)
        : linear_(params),
          of_feature_(params.fields.of_feature),
          k_(params.k),
          stride_(params.tables[V_table].width),
          nonzeros_(params, k()) {}

    template <class Row>
    float score(const Row& row) {
        return score(row, [](int64_t) {});
    }

    // The same, with a call of `beside(j)` for each nonzero j on the way.
    template <class Row, class Beside>
    float score(const Row& row, Beside beside) {
        nonzeros_.set(row, linear_.at);
        PairSums sums;
        int64_t j = 0;
        for (; j < nonzeros_.n_alone; ++j) {
            beside(j);
            for_pairs(j, [&](const auto& pairs) FASTFM_INLINE_LAMBDA {
                auto& sum = sums.of(pairs);
                sum = pairs.add_score(nonzeros_.x(j), k(), sum);
            });
        }
        for (; j < row.nnz(); ++j) beside(j);
        return linear_.score(row) + sums.sum_of_all() + score_of_groups() + linear_.w0();
    }

    // One step with dL/dp = g on the row that score() saw last. The parameters of `later`, a row to come, are asked for on
    // the way.
    template <class Rule, class Row, class LaterRow>
    FASTFM_INLINE void step(const Row& row, float g, float weight, const Options& options, const LaterRow& later) {
        g *= weight;
        const float l2_weight = Rule::l2_in_gradient ? weight : 0.0f, l2 = l2_weight * options.V.l2;
        linear_.template step<Rule>(row, g, l2_weight, options);
        const AllRates rates(options.V);
        int64_t j = 0;
        for (; j < nonzeros_.n_alone; ++j) {
            if (j < later.nnz()) prefetch<true>(later.i[j]);
            for_pairs(j, [&](const auto& pairs) FASTFM_INLINE_LAMBDA {
                pairs.template step<Rule>(g * nonzeros_.x(j), l2, rates.of(pairs), k(), stride_);
            });
        }
        for (; j < later.nnz(); ++j) prefetch<true>(later.i[j]);
        step_on_groups<Rule>(g, l2, rates.one);
    }

    void store_w0() const { linear_.store_w0(); }

    void prefetch_values(int64_t i) const { prefetch<false>(i); }

  private:
    static constexpr int few_parts = most_parts > 2 ? 2 : 1;
    using Nonzeros = RowByField<(most_parts > 1 ? lanes : 1)>;
    using OfGroup = FieldGroup<lanes, Nonzeros>;

    // That of three which has the width of these pairs.
    template <class Many, class Few, class One, int parts>
    static auto& of_width(Many& many, Few& few, One& one, const Pairs<lanes, parts, Nonzeros>&) {
        if constexpr (parts == most_parts)
            return many;
        else if constexpr (parts == few_parts)
            return few;
        else
            return one;
    }

    struct PairSums {
        Vec<lanes * most_parts> many = Vec<lanes * most_parts>::fill(0.0f);
        Vec<lanes * few_parts> few = Vec<lanes * few_parts>::fill(0.0f);
        Vec<lanes> one = Vec<lanes>::fill(0.0f);

        template <class OnePairs>
        auto& of(const OnePairs& pairs) {
            return of_width(many, few, one, pairs);
        }
        float sum_of_all() const { return sum(many) + sum(few) + sum(one); }
    };

    struct AllRates {
        Rates<lanes * most_parts> many;
        Rates<lanes * few_parts> few;
        Rates<lanes> one;

        explicit AllRates(const StepSizes& sizes) : many(sizes), few(sizes), one(sizes) {}

        template <class OnePairs>
        const auto& of(const OnePairs& pairs) const {
            return of_width(many, few, one, pairs);
        }
    };

    int k() const { return K == any_k ? k_ : K; }

    template <bool to_write>
    void prefetch(int64_t i) const {
        prefetch_line(of_feature_ + i);
        linear_.at.template prefetch<to_write>(i);
        // Vectors are aligned, records are not: they may end on one line more.
        const int n_floats = stride_ * (to_write ? linear_.at.values() : 1);
        if (n_floats) prefetch_line<to_write>(linear_.at.V_of(i) + n_floats - 1);
    }

    // Calls body(pairs) for pairs of nonzero a and all later ones that are alone in their fields.
    template <class Body>
    FASTFM_INLINE void for_pairs(int64_t a, Body body) const {
        const int64_t last = K == 0 ? 0 : nonzeros_.n_alone;
        int64_t b = a + 1;
        for (; b + most_parts <= last; b += most_parts) body(Pairs<lanes, most_parts, Nonzeros>(nonzeros_, a, b));
        if constexpr (few_parts > 1) {
            if (b + few_parts <= last) {
                body(Pairs<lanes, few_parts, Nonzeros>(nonzeros_, a, b));
                b += few_parts;
            }
        }
        if constexpr (most_parts > 1)
            if (b < last) body(Pairs<lanes, 1, Nonzeros>(nonzeros_, a, b));
    }

    // The vectors of group a for the field of group b.
    OfGroup vectors(int64_t a, int64_t b) const {
        return {nonzeros_, nonzeros_.begin(a), nonzeros_.end(a), nonzeros_.at(nonzeros_.begin(b))};
    }

    // Calls body(a, b) for all pairs of groups, also of one with itself, but those of two that have one nonzero each.
    template <class Body>
    FASTFM_INLINE void for_groups(Body body) const {
        const int64_t n_groups = K == 0 ? 0 : nonzeros_.n_groups;
        for (int64_t b = nonzeros_.n_alone; b < n_groups; ++b)
            for (int64_t a = 0; a <= b; ++a) body(a, b);
    }

    float score_of_groups() const {
        using V = Vec<lanes>;
        V products = V::fill(0.0f);
        const V half = V::fill(0.5f);
        for_groups([&](int64_t a, int64_t b) FASTFM_INLINE_LAMBDA {
            const OfGroup of_a = vectors(a, b), of_b = vectors(b, a);
            for (int f = 0; f < k(); f += lanes) {
                V squares = V::fill(0.0f);
                const V T = of_b.sum_up(f, &squares);
                products =
                    a == b ? fma(half, fma(T, T, V::fill(0.0f) - squares), products) : fma(of_a.sum_up(f), T, products);
            }
        });
        return sum(products);
    }

    template <class Rule>
    void step_on_groups(float g, float l2, const Rates<lanes>& rates) const {
        for_groups([&](int64_t a, int64_t b) FASTFM_INLINE_LAMBDA {
            const OfGroup of_a = vectors(a, b), of_b = vectors(b, a);
            for (int f = 0; f < k(); f += lanes) {
                const auto T_a = of_a.sum_up(f), T_b = of_b.sum_up(f);
                of_b.template step<Rule>(f, T_a, g, a == b ? g : 0.0f, l2, rates, stride_);
                if (a != b) of_a.template step<Rule>(f, T_b, g, 0.0f, l2, rates, stride_);
            }
        });
    }

    Linear<Records<any_k, slots, copies>> linear_;
    const int32_t* of_feature_;
    int32_t k_;
    int32_t stride_;  // from parameters to their state
    Nonzeros nonzeros_;
};

struct FfmModel {
    static constexpr bool is_specialised = false;
    static constexpr bool has_plain_code = false;
    static constexpr bool has_replicas = true;

    template <int K, int slots, bool copies>
    using Machine = Ffm<K, slots, copies>;

    static int64_t room(int32_t, int32_t n_fields, int64_t most_nnz) {
        return RowByField<max_lanes>::room(most_nnz, n_fields);
    }
};

}  // namespace fastfm::FASTFM_ISA
