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
#include "models/linear.hpp"
#include "models/pair_square.hpp"
#include "models/records.hpp"
#include "models/row.hpp"
#include "models/row_by_field.hpp"
#include "models/side_by_side.hpp"
#include "types/gradient.hpp"

namespace fastfm::FASTFM_ISA {

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
    static constexpr bool steps_on_sums = true;                           // on the row that score() left in the room
    static constexpr bool has_score_near = false;

    explicit Ffm(const Params& params)
        : linear_(params),
          of_feature_(params.fields.of_feature),
          k_(params.k),
          width_(params.tables[V_table].width),
          nonzeros_(params, k()),
          side_by_side_(params) {}

    // Before a step. The state of the row's vectors is asked for on the way.
    template <class Row>
    float score(const Row& row) {
        nonzeros_.set(row, linear_.at);
        are_side_by_side_ = may_be_side_by_side && side_by_side_.fits(nonzeros_, row.nnz());
        const bool asks = linear_.at.is_far();
        if (!are_side_by_side_) {
            return score_of_pairs(row, [&](int64_t j) FASTFM_INLINE_LAMBDA {
                if (asks) ask_for<true>(nonzeros_.v(j) + width_, nonzeros_.v(j) + linear_.at.values() * width_);
            });
        }
        const auto ask = [&](const float* v) FASTFM_INLINE_LAMBDA {
            for (int s = 1; s < linear_.at.values(); ++s) linear_.at.template ask_for<true>(v + s * width_);
        };
        return score_side_by_side(row, [&](auto each) FASTFM_INLINE_LAMBDA {
            if (asks) each(ask);
        });
    }

    // To predict, with a call of `beside(j)` for each nonzero j on the way.
    template <class Row, class Beside>
    float score(const Row& row, Beside beside) {
        nonzeros_.set(row, linear_.at);
        if (!may_be_side_by_side || !side_by_side_.fits(nonzeros_, row.nnz())) return score_of_pairs(row, beside);
        const int64_t n_squares = side_by_side_.n_squares(row.nnz()), at_once = (row.nnz() + n_squares - 1) / n_squares;
        int64_t j = 0;
        return score_side_by_side(row, [&](auto) FASTFM_INLINE_LAMBDA {
            for (int64_t end = j + at_once; j < end && j < row.nnz(); ++j) beside(j);
        });
    }

    // One step with dL/dp = g on the row that score() saw last. The values of `later`, a row to come, are asked for on the
    // way.
    template <class Rule, class Row, class LaterRow>
    void step(const Row& row, float g, float weight, const Options& options, const LaterRow& later) {
        g *= weight;
        const float l2_weight = Rule::l2_in_gradient ? weight : 0.0f, l2 = l2_weight * options.V.l2;
        linear_.template step<Rule>(row, g, l2_weight, options);
        nonzeros_.weigh(row.nnz(), g, l2);
        const BySide<Rates> rates(options.V);
        const int64_t n_later = linear_.at.is_far() ? later.nnz() : 0;
        if (may_be_side_by_side && are_side_by_side_) {
            // A copy, whose address nobody has taken: its values stay in registers.
            const Rates<lanes * most_side> in_registers = rates.many;
            Lines<LaterRow> lines{*this, later, n_later};
            side_by_side_.template step<Rule, Row::ones>(nonzeros_, row.nnz(), in_registers,
                                                         [&]() FASTFM_INLINE_LAMBDA {
                                                             if (n_later) lines.ask_for_some();
                                                         });
            lines.ask_for_the_rest();
            return;
        }
        const auto ask = [&](int64_t j) FASTFM_INLINE_LAMBDA { prefetch<true>(later.i[j]); };
        for_pairs(n_later, ask, [&](const auto& square) FASTFM_INLINE_LAMBDA {
            square.template step<Rule>(rates.of(square), k(), width_);
        });
        step_on_groups<Rule>(rates.one);
    }

    static int64_t room(int64_t most_nnz, int64_t n_fields) {
        return SideBySide<lanes, most_side>::room(most_nnz, n_fields);
    }

    void store_w0() const { linear_.store_w0(); }
    void put_back() const {}

    void prefetch_values(int64_t i) const { prefetch<false>(i); }

  private:
    static constexpr int floats_per_line = 16;
    static constexpr int few_side = most_side > 2 ? 2 : 1;
    static constexpr bool may_be_side_by_side = K == lanes;
    using Nonzeros = RowByField;
    using OfGroup = FieldGroup<lanes, Nonzeros>;

    // Of the row that the nonzeros are set to.
    template <class Row, class Beside>
    float score_side_by_side(const Row& row, Beside beside) const {
        const float pairs = side_by_side_.template score<Row::ones>(nonzeros_, row.nnz(), beside);
        return linear_.score(row) + pairs + linear_.w0();
    }

    // The same, pair by pair.
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
    void ask_for(const float* first, const float* last) const {
        for (const float* line = first; line < last; line += floats_per_line)
            linear_.at.template ask_for<to_write>(line);
    }

    // Asks for all of a feature but the state of its vectors.
    template <bool to_write>
    void prefetch(int64_t i) const {
        prefetch_all_but_vectors<to_write>(i);
        ask_for<to_write>(linear_.at.V_of(i), linear_.at.V_of(i) + width_);
    }

    template <bool to_write>
    void prefetch_all_but_vectors(int64_t i) const {
        prefetch_line(of_feature_ + i);
        linear_.at.template prefetch_weight<to_write>(i);
    }

    // Asks for a row to come, some lines of its vectors at a time: the first n of its nonzeros.
    template <class Row>
    struct Lines {
        const Ffm& of;
        const Row& row;
        int64_t n;
        int64_t j = 0;
        const float* next = nullptr;
        const float* end = nullptr;

        // As many as cores have in the air at a time, or nearly.
        FASTFM_INLINE void ask_for_some() {
            for (int64_t room = 10 * floats_per_line; room > 0;) {
                if (next >= end) {
                    if (j == n) return;
                    of.template prefetch_all_but_vectors<true>(row.i[j]);
                    next = of.linear_.at.V_of(row.i[j++]);
                    end = next + of.width_;
                }
                const float* const stop = end - next < room ? end : next + room;
                for (; next < stop; next += floats_per_line, room -= floats_per_line)
                    of.linear_.at.template ask_for<true>(next);
            }
        }
        FASTFM_INLINE void ask_for_the_rest() {
            while (next < end || j < n) ask_for_some();
        }
    };

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
                of_b.template step<Rule>(f, T_a, a == b, rates, width_);
                if (a != b) of_a.template step<Rule>(f, T_b, false, rates, width_);
            }
        });
    }

    Linear<Records<any_k, slots, copies>> linear_;
    const int32_t* of_feature_;
    int32_t k_;
    int32_t width_;  // of a feature's vectors, and from them to their state
    Nonzeros nonzeros_;
    SideBySide<lanes, most_side> side_by_side_;
    bool are_side_by_side_ = false;
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
