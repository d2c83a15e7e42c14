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
#include "math/squares.hpp"
#include "models/linear.hpp"
#include "models/partners.hpp"
#include "models/records.hpp"
#include "models/row.hpp"
#include "models/row_by_field.hpp"
#include "types/gradient.hpp"

namespace fastfm::FASTFM_ISA {

// The pairs of the nonzeros a, ..., a + side - 1 with b, ..., b + side - 1, which do not overlap: the vectors of each for
// the fields of the others, where these fields lie side by side, are a register. So are, once the square of one half's
// vectors is transposed, those that they are multiplied by.
template <int lanes, int side, class Nonzeros>
class PairSquare {
  public:
    static constexpr int n_pairs = side * side;
    using V = Vec<lanes * side>;

    PairSquare(const Nonzeros& of, int64_t a, int64_t b) : of_(of), a_(a), b_(b) {
        for (int n = 0; n < side; ++n) {
            at_a_[n] = of.v(a + n) + of.at(b);
            at_b_[n] = of.v(b + n) + of.at(a);
        }
    }

    // Adds their part in the score to `products`.
    FASTFM_INLINE V add_score(int k, V products) const {
        for (int f = 0; f < k; f += lanes) {
            V of_b[side], for_a[side];
            for (int n = 0; n < side; ++n) of_b[n] = V::load(at_b_[n] + f) * V::fill(of_.x(b_ + n));
            transpose_square<lanes, side>(of_b, for_a);
            for (int n = 0; n < side; ++n)
                products = fma(V::load(at_a_[n] + f) * V::fill(of_.x(a_ + n)), for_a[n], products);
        }
        return products;
    }

    template <class Rule>
    FASTFM_INLINE void step(const Rates<lanes * side>& rates, int k, int64_t stride) const {
        for (int f = 0; f < k; f += lanes) {
            V of_a[side], of_b[side], for_a[side], for_b[side];
            load(at_a_, a_, f, of_a, for_b);
            load(at_b_, b_, f, of_b, for_a);
            update<Rule>(at_a_, a_, f, of_a, for_a, rates, stride);
            update<Rule>(at_b_, b_, f, of_b, for_b, rates, stride);
        }
    }

  private:
    // Loads vectors v, and what v x is for the others.
    FASTFM_INLINE void load(float* const* at, int64_t first, int f, V* v, V* for_others) const {
        V vx[side];
        for (int n = 0; n < side; ++n) {
            v[n] = V::load(at[n] + f);
            vx[n] = v[n] * V::fill(of_.x(first + n));
        }
        transpose_square<lanes, side>(vx, for_others);
    }

    // Steps on vectors v with the gradients g x times what the others are for them, and l2 v.
    template <class Rule>
    FASTFM_INLINE void update(float* const* at, int64_t first, int f, const V* v, const V* others,
                              const Rates<lanes * side>& rates, int64_t stride) const {
        for (int n = 0; n < side; ++n) {
            V record[1 + Rule::n_slots] = {v[n]};
            for (int s = 1; s <= Rule::n_slots; ++s) record[s] = V::load(at[n] + f + s * stride);
            const V gx = V::fill(of_.gx(first + n)), l2 = V::fill(of_.l2(first + n));
            Rule::update(record, fma(l2, record[0], gx * others[n]), rates);
            for (int s = 0; s <= Rule::n_slots; ++s) record[s].store(at[n] + f + s * stride);
        }
    }

    const Nonzeros& of_;
    int64_t a_, b_;
    float* at_a_[side];
    float* at_b_[side];
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

    // Steps with the gradient g x T + l2 v, less g x^2 v if T holds v x, too.
    template <class Rule>
    FASTFM_INLINE void step(int f, V T, bool holds_own, const Rates<lanes>& rates, int64_t stride) const {
        for (int64_t n = first; n < last; ++n) {
            float* const v = of.v(n) + field + f;
            V record[1 + Rule::n_slots];
            for (int s = 0; s <= Rule::n_slots; ++s) record[s] = V::load(v + s * stride);
            const V decay = V::fill(of.l2(n) - (holds_own ? of.gx(n) * of.x(n) : 0.0f));
            Rule::update(record, fma(decay, record[0], V::fill(of.gx(n)) * T), rates);
            for (int s = 0; s <= Rule::n_slots; ++s) record[s].store(v + s * stride);
        }
    }
};

// A sum by lanes.
template <int W>
struct Sum {
    Vec<W> lanes;

    explicit Sum(float from) : lanes(Vec<W>::fill(from)) {}
};

template <int K, int slots, bool copies>
class Ffm {
  public:
    static constexpr int block_size = K > 0 ? K : 16;
    static constexpr int lanes = block_size < max_lanes ? block_size : max_lanes;
    static constexpr int most_side = K == lanes ? max_lanes / lanes : 1;  // so many vectors fill a register
    static constexpr bool steps_on_sums = true;                           // on what score() left in the room
    static constexpr bool has_score_near = false;

    explicit Ffm(const Params& params)
        : linear_(params),
          of_feature_(params.fields.of_feature),
          k_(params.k),
          stride_(params.tables[V_table].width),
          nonzeros_(params, k()),
          partners_(params) {}

    // Before a step.
    template <class Row>
    float score(const Row& row) {
        nonzeros_.set(row, linear_.at);
        if constexpr (may_have_partners) {
            has_partners_ = partners_.has_place_for(nonzeros_, row.nnz());
            if (has_partners_) {
                const float pairs = partners_.template take<Row::ones>(nonzeros_, row.nnz());
                return linear_.score(row) + pairs + linear_.w0();
            }
        }
        return score_of_pairs(row, [](int64_t) {});
    }

    // To predict, with a call of `beside(j)` for each nonzero j on the way.
    template <class Row, class Beside>
    float score(const Row& row, Beside beside) {
        nonzeros_.set(row, linear_.at);
        return score_of_pairs(row, beside);
    }

    // One step with dL/dp = g on the row that score() saw last. The parameters of `later`, a row to come, are asked for on
    // the way.
    template <class Rule, class Row, class LaterRow>
    void step(const Row& row, float g, float weight, const Options& options, const LaterRow& later) {
        g *= weight;
        const float l2_weight = Rule::l2_in_gradient ? weight : 0.0f, l2 = l2_weight * options.V.l2;
        linear_.template step<Rule>(row, g, l2_weight, options);
        nonzeros_.weigh(row.nnz(), g, l2);
        const BySide<Rates> rates(options.V);
        const auto ask = [&](int64_t j) FASTFM_INLINE_LAMBDA { prefetch<true>(later.i[j]); };
        if (may_have_partners && has_partners_) {
            const int64_t n_later = linear_.at.is_far() ? later.nnz() : 0;
            // A copy, whose address nobody has taken: its values stay in registers.
            const BySide<Rates> in_registers = rates;
            for (int64_t a = 0; a < row.nnz(); ++a) {
                if (a < n_later) ask(a);
                partners_.template step<Rule>(nonzeros_, a, row.nnz(), stride_, in_registers);
            }
            for (int64_t j = row.nnz(); j < n_later; ++j) ask(j);
            return;
        }
        for_pairs(linear_.at.is_far() ? later.nnz() : 0, ask, [&](const auto& square) FASTFM_INLINE_LAMBDA {
            square.template step<Rule>(rates.of(square), k(), stride_);
        });
        step_on_groups<Rule>(rates.one);
    }

    static int64_t room(int64_t most_nnz, int64_t n_fields) {
        if constexpr (may_have_partners) return Partners<lanes, most_side>::room(most_nnz, n_fields);
        return RowByField::room(most_nnz, n_fields);
    }

    void store_w0() const { linear_.store_w0(); }
    void put_back() const {}

    void prefetch_values(int64_t i) const { prefetch<false>(i); }

  private:
    static constexpr int few_side = most_side > 2 ? 2 : 1;
    static constexpr bool may_have_partners = most_side > 1;
    using Nonzeros = RowByField;
    using OfGroup = FieldGroup<lanes, Nonzeros>;

    // Of the row that the nonzeros are set to, pair by pair.
    template <class Row, class Beside>
    float score_of_pairs(const Row& row, Beside beside) {
        BySide<Sum> sums(0.0f);
        for_pairs(row.nnz(), beside, [&](const auto& square) FASTFM_INLINE_LAMBDA {
            auto& products = sums.of(square).lanes;
            products = square.add_score(k(), products);
        });
        return linear_.score(row) + sum(sums.many.lanes) + sum(sums.few.lanes) + sum(sums.one.lanes) +
               score_of_groups() + linear_.w0();
    }

    // Something for squares of each side.
    template <template <int> class Of>
    struct BySide {
        Of<lanes * most_side> many;
        Of<lanes * few_side> few;
        Of<lanes> one;

        template <class From>
        explicit BySide(const From& from) : many(from), few(from), one(from) {}

        template <int side>
        auto& of(const PairSquare<lanes, side, Nonzeros>& square) {
            return const_cast<Of<lanes * side>&>(static_cast<const BySide&>(*this).of(square));
        }
        template <int side>
        const auto& of(const PairSquare<lanes, side, Nonzeros>&) const {
            if constexpr (side == most_side)
                return many;
            else if constexpr (side == few_side)
                return few;
            else
                return one;
        }
    };

    int k() const { return K == any_k ? k_ : K; }

    template <bool to_write>
    void prefetch(int64_t i) const {
        prefetch_line(of_feature_ + i);
        linear_.at.template prefetch<to_write>(i);
    }

    // Calls body(square) for squares that have all pairs of nonzeros that are alone in their fields, and beside(j) for
    // each j < n on the way.
    template <class Beside, class Body>
    FASTFM_INLINE void for_pairs(int64_t n, Beside beside, Body body) const {
        int64_t j = 0;
        const auto come_to = [&](int64_t end) FASTFM_INLINE_LAMBDA {
            for (; j < end && j < n; ++j) beside(j);
        };
        pairs_among<most_side>(0, K == 0 ? 0 : nonzeros_.n_alone, come_to, body);
        come_to(n);
    }

    // Calls body(square) for those of the pairs of first <= n < last; come_to(n) comes before the pairs of n - 1 with those
    // before it.
    template <int side, class ComeTo, class Body>
    FASTFM_INLINE void pairs_among(int64_t first, int64_t last, ComeTo come_to, Body& body) const {
        const auto on = [](int64_t) {};
        int64_t b = first;
        for (; b + side <= last; b += side) {
            come_to(b + side);
            pairs_between<side>(first, b, b, b + side, body);
            if constexpr (side > 1) pairs_among<side / 2>(b, b + side, on, body);
        }
        if constexpr (side > 1) {
            pairs_between<side / 2>(first, b, b, last, body);
            pairs_among<side / 2>(b, last, on, body);
        }
    }

    // For those of first_a <= a < last_a, which are a multiple of `side`, with first_b <= b < last_b.
    template <int side, class Body>
    FASTFM_INLINE void pairs_between(int64_t first_a, int64_t last_a, int64_t first_b, int64_t last_b,
                                     Body& body) const {
        int64_t b = first_b;
        for (; b + side <= last_b; b += side) {
            for (int64_t a = first_a; a < last_a; a += side) {
                if (side == 1 || (are_adjacent(a, side) && are_adjacent(b, side)))
                    body(PairSquare<lanes, side, Nonzeros>(nonzeros_, a, b));
                else if constexpr (side > 1)
                    pairs_between<side / 2>(a, a + side, b, b + side, body);
            }
        }
        if constexpr (side > 1) pairs_between<side / 2>(first_a, last_a, b, last_b, body);
    }

    // Whether the fields of so many nonzeros from n on lie side by side.
    bool are_adjacent(int64_t n, int side) const {
        return nonzeros_.at(n + side - 1) - nonzeros_.at(n) == (side - 1) * lanes;
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
    void step_on_groups(const Rates<lanes>& rates) const {
        for_groups([&](int64_t a, int64_t b) FASTFM_INLINE_LAMBDA {
            const OfGroup of_a = vectors(a, b), of_b = vectors(b, a);
            for (int f = 0; f < k(); f += lanes) {
                const auto T_a = of_a.sum_up(f), T_b = of_b.sum_up(f);
                of_b.template step<Rule>(f, T_a, a == b, rates, stride_);
                if (a != b) of_a.template step<Rule>(f, T_b, false, rates, stride_);
            }
        });
    }

    Linear<Records<any_k, slots, copies>> linear_;
    const int32_t* of_feature_;
    int32_t k_;
    int32_t stride_;  // from parameters to their state
    Nonzeros nonzeros_;
    Partners<lanes, most_side> partners_;
    bool has_partners_ = false;
};

struct FfmModel {
    static constexpr bool is_specialised = false;
    static constexpr int most_plain_k = 8;
    static constexpr bool has_replicas = true;

    template <int K, int slots, bool copies>
    using Machine = Ffm<K, slots, copies>;

    static int64_t room(int32_t k, int32_t n_fields, int64_t most_nnz) {
        if (k == 4) return Ffm<4, 0, false>::room(most_nnz, n_fields);
        if (k == 8) return Ffm<8, 0, false>::room(most_nnz, n_fields);
        return RowByField::room(most_nnz, n_fields);
    }
};

}  // namespace fastfm::FASTFM_ISA
