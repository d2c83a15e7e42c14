// The second-order factorization machine for ONE row (Rendle 2010, "Factorization Machines", eq. 1 and lemma 3.1):
//
//   p       = w0 + sum_i w_i x_i + 1/2 sum_f [ S_f^2 - sum_i v_if^2 x_i^2 ],     S_f = sum_i v_if x_i
//   dp/dw0  = 1      dp/dw_i = x_i      dp/dv_if = x_i (S_f - v_if x_i)
//
// O(k nnz) for the score and for the step. The k factors are worked through in blocks of K, a compile-time constant:
// for K = k (the usual case) the sums S stay in registers between score and step.
#pragma once

#include "math/optimizer.hpp"
#include "math/vec.hpp"
#include "models/linear.hpp"
#include "models/records.hpp"
#include "models/row.hpp"
#include "types/gradient.hpp"

namespace fastfm::FASTFM_ISA {

// K factors of all features; `at(i)` is where those of feature i begin.
template <int K, class Storage = Float32>
struct Block {
    using Value = typename Storage::Value;

    static constexpr int lanes = K < max_lanes ? K : max_lanes;
    static constexpr int n_vecs = K / lanes;
    using V = Vec<lanes>;
    using Rounding = typename Storage::Rounding;

    V S[n_vecs];  // S_f of the row seen last

    FASTFM_INLINE static V load(const Value* v, int slot = 0) { return Storage::template load<lanes>(v, slot); }

    // sum_i v_if x_i for each factor, and minus the sum of (v_if x_i)^2 over features and registers.
    struct Sums {
        V S[n_vecs];
        V minus_squares = V::fill(0.0f);

        Sums() {
            for (V& s : S) s = V::fill(0.0f);
        }

        void add(const Value* v, V x, bool ones) {
            for (int b = 0; b < n_vecs; ++b) {
                const V v_b = load(v + b * lanes), vx = ones ? v_b : v_b * x;
                S[b] = S[b] + vx;
                minus_squares = fnma(vx, vx, minus_squares);
            }
        }

        void add(const Sums& others) {
            for (int b = 0; b < n_vecs; ++b) S[b] = S[b] + others.S[b];
            minus_squares = minus_squares + others.minus_squares;
        }
    };

    // Sets S and returns twice the row's pair term of these factors: sum_f [ S_f^2 - sum_i v_if^2 x_i^2 ].
    // Additions wait for each other: where there are fewer registers to add to than `n_in_turn`, several sums take turns.
    // `beside(j)` is called for each nonzero j.
    template <int n_in_turn = 2, class Row, class At, class Beside>
    float score(const Row& row, At at, Beside beside) {
        constexpr int n_sums = n_vecs < n_in_turn ? n_in_turn / n_vecs : 1;
        Sums sums[n_sums];
        const auto add = [&](int64_t j, int s) FASTFM_INLINE_LAMBDA {
            beside(j);
            sums[s].add(at(row.i[j]), V::fill(row.value(j)), Row::ones);
        };
        int64_t j = 0;
        for (; j + n_sums <= row.nnz(); j += n_sums) {
            FASTFM_UNROLL
            for (int s = 0; s < n_sums; ++s) add(j + s, s);
        }
        FASTFM_UNROLL
        for (int s = 0; s < n_sums - 1; ++s)
            if (j + s < row.nnz()) add(j + s, s);
        if constexpr (n_sums == 4) {
            if (row.nnz() > 2) {
                sums[0].add(sums[2]);
                sums[1].add(sums[3]);
            }
        }
        if constexpr (n_sums > 1) sums[0].add(sums[1]);
        V pairs = sums[0].minus_squares;
        for (int b = 0; b < n_vecs; ++b) {
            S[b] = sums[0].S[b];
            pairs = fma(S[b], S[b], pairs);
        }
        return sum(pairs);
    }

    // Sets S alone.
    template <class Row, class At>
    void sum_up(const Row& row, At at) {
        for (V& s : S) s = V::fill(0.0f);
        for (int64_t j = 0; j < row.nnz(); ++j) {
            const Value* v = at(row.i[j]);
            const V x = V::fill(row.value(j));
            for (int b = 0; b < n_vecs; ++b) {
                const V v_b = load(v + b * lanes);
                S[b] = Row::ones ? S[b] + v_b : fma(v_b, x, S[b]);
            }
        }
    }

    // 1/2 (S + E S_b), of which `half_sum` is the part of the background, or null for zeros.
    struct Halves {
        V T[n_vecs];

        Halves(const Block& block, const float* half_sum) {
            const V half = V::fill(0.5f);
            for (int b = 0; b < n_vecs; ++b)
                T[b] = half_sum ? fma(half, block.S[b], V::load(half_sum + b * lanes)) : half * block.S[b];
        }

        // <v_i, T - 1/2 x_i v_i>.
        float times(const Value* v, float x) const {
            const V half_x = V::fill(0.5f * x);
            V products = V::fill(0.0f);
            for (int b = 0; b < n_vecs; ++b) {
                const V v_b = load(v + b * lanes);
                products = fma(v_b, fnma(half_x, v_b, T[b]), products);
            }
            return sum(products);
        }
    };

    void store_sums(float* to) const {
        for (int b = 0; b < n_vecs; ++b) S[b].store(to + b * lanes);
    }

    // One step on v_i for every feature i of the row, with the S of the parameters before the step. The gradient is
    // g dp/dv_if + l2_i v_if = g x_i (S_f - v_if x_i) + l2_i v_if; without `own_square`, S does not hold v_if x_i, and
    // the gradient is g x_i S_f + l2_i v_if. `l2_of(i)` is l2_i; `beside(j)` is called for each nonzero j < n_beside.
    template <class Rule, bool own_square = true, class Row, class At, class L2Of, class Beside>
    void step(const Row& row, At at, int slot_stride, float g, L2Of l2_of, const Rates<lanes>& rates,
              Rounding& rounding, int64_t n_beside, Beside beside) const {
        auto rounded = rounding.template row<lanes>();
        const auto step_on = [&](int64_t j) FASTFM_INLINE_LAMBDA {
            V record[1 + Rule::n_slots];
            Value* v = at(row.i[j]);
            const float x = row.value(j);
            const V gx = V::fill(g * x), decay = V::fill((own_square ? g * x * x : 0.0f) - l2_of(row.i[j]));
            for (int b = 0; b < n_vecs; ++b, v += lanes) {
                for (int s = 0; s <= Rule::n_slots; ++s) record[s] = load(v + s * slot_stride, s);
                Rule::update(record, fnma(decay, record[0], gx * S[b]), rates);
                rounded.next();
                for (int s = 0; s <= Rule::n_slots; ++s) rounded.store(record[s], s, v + s * slot_stride);
            }
        };
        int64_t j = 0;
        for (; j < n_beside && j < row.nnz(); ++j) {
            beside(j);
            step_on(j);
        }
        for (; j < row.nnz(); ++j) step_on(j);
        for (; j < n_beside; ++j) beside(j);
    }

    // The same with nothing beside it, where nothing is rounded.
    template <class Rule, bool own_square = true, class Row, class At, class L2Of>
    void step(const Row& row, At at, int slot_stride, float g, L2Of l2_of, const Rates<lanes>& rates) const {
        Rounding rounding(0);
        step<Rule, own_square>(row, at, slot_stride, g, l2_of, rates, rounding, 0, [](int64_t) {});
    }
};

// The machine over a set of parameters.
//
// K > 0: the k factors form one block, and step() uses the sums of the last score().
// K = 0: no pair term.
// K = any_k: blocks of 16; step() computes each block's sums again, which are in the first-level cache by then.
template <int K, int slots = any_slots, bool copies = false, class Storage = Float32>
class Fm {
  public:
    static constexpr int block_size = K > 0 ? K : 16;
    static constexpr bool steps_on_sums = K > 0;
    using Factors = Block<block_size, Storage>;
    static constexpr bool has_score_near = K > 0 && Factors::n_vecs == 1;

    explicit Fm(const Params& params) : linear_(params), rounding_(params.seed) {}

    // Of a row to train on. The linear terms come last: what the gradient waits for longest begins first.
    template <class Row>
    float score(const Row& row) {
        float pairs = 0.0f;
        for (int first = 0; first < n_factors(); first += block_size) {
            const float twice = block_.template score<4>(row, linear_.at.factors_from(first), [](int64_t) {});
            pairs = first == 0 ? twice : pairs + twice;  // 0 plus the first would be one more to wait for
        }
        return 0.5f * pairs + (linear_.score(row) + linear_.w0());
    }

    // Of one to predict, with a call of `beside(j)` for each nonzero j on the way: the sums, in another order, of rows that
    // do not wait for each other.
    template <class Row, class Beside>
    float score(const Row& row, Beside beside) {
        float p = linear_.score(row) + linear_.w0();
        for (int first = 0; first < n_factors(); first += block_size) {
            p += 0.5f * block_.score(row, linear_.at.factors_from(first), [&](int64_t j) {
                if (first == 0) beside(j);
            });
        }
        if (!n_factors())
            for (int64_t j = 0; j < row.nnz(); ++j) beside(j);
        return p;
    }

    // The same score, of a row whose parameters are near: in one walk, for requests would cost more than they save. The pair
    // term has two sums here, and those of the linear terms take turns with them.
    template <class Row>
    float score_near(const Row& row) {
        typename decltype(linear_)::Sums linear;
        const float pairs = block_.score(row, linear_.at.factors_from(0),
                                         [&](int64_t j) FASTFM_INLINE_LAMBDA { linear.add(j, linear_.term(row, j)); });
        return linear.total() + linear_.w0() + 0.5f * pairs;
    }

    // One step with dL/dp = g, and L2 on the parameters of the row's features, on the row that score() saw last.
    // `weight` multiplies the row's loss and the L2 that is paid with it, so that weight 2 means "seen twice".
    // The parameters of `later`, a row to come, are asked for on the way.
    template <class Rule, class Row, class LaterRow>
    FASTFM_INLINE void step(const Row& row, float g, float weight, const Options& options, const LaterRow& later) {
        if (FASTFM_RARELY(weight != 1.0f)) g *= weight;  // a branch, since the next row waits for g
        const float l2_weight = Rule::l2_in_gradient ? weight : 0.0f;
        const Rates<Factors::lanes> rates(options.V);
        const float l2 = l2_weight * options.V.l2;
        const auto same_l2 = [&](int64_t) FASTFM_INLINE_LAMBDA { return l2; };
        const auto own_l2 = [&](int64_t i) FASTFM_INLINE_LAMBDA { return l2 * linear_.at.l2_scale_of(i); };
        const auto ask = [&](int64_t j) FASTFM_INLINE_LAMBDA { linear_.at.template prefetch<true>(later.i[j]); };
        for (int first = 0; first < n_factors(); first += block_size) {
            const auto factors = linear_.at.factors_from(first);
            if (K == any_k) block_.score(row, factors, [](int64_t) {});
            const auto step_with = [&](auto l2_of) FASTFM_INLINE_LAMBDA {
                block_.template step<Rule>(row, factors, n_factors(), g, l2_of, rates, rounding_,
                                           first == 0 ? later.nnz() : 0, ask);
            };
            // One question for a row, not one for each nonzero.
            if (linear_.at.has_l2_scale())
                step_with(own_l2);
            else
                step_with(same_l2);
        }
        if (!n_factors())
            for (int64_t j = 0; j < later.nnz(); ++j) ask(j);
        // Last, for the next row begins with its factors.
        linear_.template step<Rule>(row, g, l2_weight, options);
    }

    void store_w0() const { linear_.store_w0(); }
    void put_back() const {}

    // sum_vx[f] = S_f for all k factors; returns the row's own score without w0: its linear and pair terms.
    template <class Row>
    float pool(const Row& row, float* sum_vx) {
        float own = linear_.score(row);
        for (int first = 0; first < n_factors(); first += block_size) {
            own += 0.5f * block_.score(row, linear_.at.factors_from(first), [](int64_t) {});
            block_.store_sums(sum_vx + first);
        }
        return own;
    }

    // Calls begin(j, w_i x_i) for each nonzero j, and then add(j, value), once for each block of factors, with what adds
    // up to its part in the score without w0,
    //
    //   x_i [ w_i + <v_i, 1/2 S + half_sum> - 1/2 |v_i|^2 x_i ],
    //
    // and with_sums(first, block) with the sums S_f of the factors from `first` on.
    template <class Row, class Begin, class Add, class WithSums>
    FASTFM_INLINE void contributions(const Row& row, const float* half_sum, Begin begin, Add add, WithSums with_sums) {
        for (int64_t j = 0; j < row.nnz(); ++j) begin(j, *linear_.at.w_of(row.i[j]) * row.value(j));
        for (int first = 0; first < n_factors(); first += block_size) {
            const auto factors = linear_.at.factors_from(first);
            block_.sum_up(row, factors);
            const typename Factors::Halves halves(block_, half_sum ? half_sum + first : nullptr);
            for (int64_t j = 0; j < row.nnz(); ++j) {
                const float x = row.value(j);
                add(j, x * halves.times(factors(row.i[j]), x));
            }
            with_sums(first, block_);
        }
    }

    // Asks for what score() reads of a feature before it is needed; memory is what a row waits for.
    void prefetch_values(int64_t i) const { linear_.at.template prefetch<false>(i); }

  private:
    int n_factors() const { return linear_.at.n_factors(); }

    Linear<Records<K, slots, copies, Storage>> linear_;
    Factors block_;
    typename Storage::Rounding rounding_;
};

// What the solvers know of it; see models/registry.hpp.
struct FmModel {
    static constexpr bool is_specialised = true;
    static constexpr bool is_usual = true;  // whether that is so for every case, or for the most frequent ones alone
    static constexpr bool has_replicas = true;

    template <int K, int slots, bool copies>
    using Machine = Fm<K, slots, copies>;

    static int64_t room(int32_t, int32_t, int64_t) { return 0; }
};

// The same with V in halves.
struct HalfFmModel : FmModel {
    static constexpr bool is_usual = false;

    template <int K, int slots, bool copies>
    using Machine = Fm<K, slots, copies, Half>;
};

}  // namespace fastfm::FASTFM_ISA
