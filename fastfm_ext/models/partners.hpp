// What the vectors of a row's nonzeros are multiplied with, in the order in which the nonzeros have them: for rows whose
// features are alone in fields that lie side by side, as most are.
//
//   T_a,b = v_b,F(a) x_b          the score of all pairs: sum_{a<b} <v_a,F(b) x_a, T_a,b>;   dp/dv_a,F(b) = x_a T_a,b
//
// The score needs the vectors of both halves of each pair, so it is then that T is written, n x n of them: the squares of
// the vectors of `side` nonzeros for the fields of `side` others, transposed. A step is then one walk along each record.
#pragma once

#include "math/optimizer.hpp"
#include "math/squares.hpp"
#include "models/row_by_field.hpp"

namespace fastfm::FASTFM_ISA {

template <int lanes, int side>
class Partners {
  public:
    static constexpr int width = lanes * side;
    static constexpr int few = width / 2 > lanes ? width / 2 : lanes;
    using V = Vec<width>;

    // How many floats of room they need.
    static int64_t room(int64_t most_nnz, int64_t n_fields) {
        return in_lines(RowByField::room(most_nnz, n_fields)) + most(most_nnz, n_fields) * stride(most_nnz, n_fields);
    }

    explicit Partners(const Params& params)
        : T_(params.room + in_lines(RowByField::room(params.most_nnz, params.fields.n))),
          stride_(stride(params.most_nnz, params.fields.n)),
          most_(most(params.most_nnz, params.fields.n)) {}

    // Whether a row of n nonzeros is one of those.
    bool has_place_for(const RowByField& of, int64_t n) const {
        return n >= side && n <= most_ && of.n_alone == n && of.at(n - 1) - of.at(0) == (n - 1) * lanes;
    }

    // Writes T and returns the score of all pairs. The last square has some nonzeros of the one before again if `side` does
    // not divide n.
    template <bool ones>
    FASTFM_INLINE float take(const RowByField& of, int64_t n) {
        Sums sums;
        int64_t b = 0;
        for (; b + side <= n; b += side) take_column<ones, false>(of, b, 0, sums);
        if (b < n) take_column<ones, true>(of, n - side, b - (n - side), sums);
        return sum(sums.even + sums.odd);
    }

    // Steps on the vectors of nonzero a for the fields of all others. `rates` has the step sizes for registers of `width`,
    // of `few` and of `lanes` floats.
    template <class Rule, class AllRates>
    FASTFM_INLINE void step(const RowByField& of, int64_t a, int64_t n, int64_t stride, const AllRates& rates) const {
        float *const v = of.v(a) + of.at(0), *const own = v + a * lanes;
        const float* const T = T_ + a * stride_;
        const float gx = of.gx(a), l2 = of.l2(a);
        // Its vector for its own field stays what it is.
        Vec<lanes> kept[1 + Rule::n_slots];
        for (int s = 0; s <= Rule::n_slots; ++s) kept[s] = Vec<lanes>::load(own + s * stride);
        int64_t f = 0;
        for (; f + width <= n * lanes; f += width) step_at<Rule, width>(v + f, T + f, gx, l2, rates.many, stride);
        for (; f + few <= n * lanes; f += few) step_at<Rule, few>(v + f, T + f, gx, l2, rates.few, stride);
        for (; f < n * lanes; f += lanes) step_at<Rule, lanes>(v + f, T + f, gx, l2, rates.one, stride);
        for (int s = 0; s <= Rule::n_slots; ++s) kept[s].store(own + s * stride);
    }

  private:
    static constexpr int64_t floats_per_line = 16;

    // Additions wait for each other: two sums take turns.
    struct Sums {
        V even = V::fill(0.0f), odd = V::fill(0.0f);
    };

    static int64_t in_lines(int64_t n) { return (n + floats_per_line - 1) / floats_per_line * floats_per_line; }
    // Of more nonzeros, T would not stay in the second cache.
    static int64_t most(int64_t most_nnz, int64_t n_fields) {
        constexpr int64_t most_of_all = 96;
        const int64_t n = most_nnz < n_fields ? most_nnz : n_fields;
        return n < most_of_all ? n : most_of_all;
    }
    // An odd number of lines, so that a column has lines of many sets of the cache.
    static int64_t stride(int64_t most_nnz, int64_t n_fields) {
        return in_lines(most(most_nnz, n_fields) * lanes) | floats_per_line;
    }

    // 0 in the vectors before number `first`, else 1.
    static V from(int64_t first) {
        alignas(64) static constexpr float zeros_and_ones[32] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                                                 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
        return V::load(zeros_and_ones + 16 - first * lanes);
    }

    // The pairs of the nonzeros from b on with each other and with those before. The first `again` of them have been taken,
    // and count no more.
    template <bool ones, bool has_again>
    FASTFM_INLINE void take_column(const RowByField& of, int64_t b, int64_t again, Sums& sums) {
        // Copies: for all the compiler knows, a write to T could change members.
        const int64_t at = of.at(0), stride = stride_;
        float* const* const all_v = of.all_v();
        float* const all_T = T_;
        const V counts = from(again);
        const float* v[side];
        float* T[side];
        for (int n = 0; n < side; ++n) v[n] = all_v[b + n] + at;
        for (int n = 0; n < side; ++n) T[n] = all_T + (b + n) * stride;
        for (int64_t a = 0; a < b; a += side) {
            V of_a[side], of_b[side], for_a[side], for_b[side];
            for (int n = 0; n < side; ++n) of_b[n] = times_x<ones>(V::load(v[n] + a * lanes), of, b + n);
            for (int n = 0; n < side; ++n) of_a[n] = times_x<ones>(V::load(all_v[a + n] + at + b * lanes), of, a + n);
            transpose_square<lanes, side>(of_b, for_a);
            transpose_square<lanes, side>(of_a, for_b);
            for (int n = 0; n < side; ++n) {
                V& products = n % 2 ? sums.odd : sums.even;
                products = fma(has_again ? of_a[n] * counts : of_a[n], for_a[n], products);
            }
            for (int n = 0; n < side; ++n) for_b[n].store(T[n] + a * lanes);
            for (int n = 0; n < side; ++n) for_a[n].store(all_T + (a + n) * stride + b * lanes);
        }
        V own[side], turned[side];
        for (int n = 0; n < side; ++n) own[n] = times_x<ones>(V::load(v[n] + b * lanes), of, b + n);
        transpose_square<lanes, side>(own, turned);
        for (int n = 0; n < side; ++n) turned[n].store(T[n] + b * lanes);
        for (int n = 0; n + 1 < side; ++n)
            if (!has_again || n >= again) sums.even = fma(own[n] * from(n + 1), turned[n], sums.even);
    }

    template <bool ones>
    static FASTFM_INLINE V times_x(V v, const RowByField& of, int64_t n) {
        return ones ? v : v * V::fill(of.x(n));
    }

    template <class Rule, int W>
    static FASTFM_INLINE void step_at(float* v, const float* T, float gx, float l2, const Rates<W>& rates,
                                      int64_t stride) {
        using Part = Vec<W>;
        Part record[1 + Rule::n_slots];
        for (int s = 0; s <= Rule::n_slots; ++s) record[s] = Part::load(v + s * stride);
        Rule::update(record, fma(Part::fill(l2), record[0], Part::fill(gx) * Part::load(T)), rates);
        for (int s = 0; s <= Rule::n_slots; ++s) record[s].store(v + s * stride);
    }

    float* T_;
    int64_t stride_;
    int64_t most_;
};

}  // namespace fastfm::FASTFM_ISA
