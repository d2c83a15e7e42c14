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
        const int64_t most = most_of(most_nnz, n_fields);
        if (most == 0) return RowByField::room(most_nnz, n_fields);
        return in_lines(RowByField::room(most_nnz, n_fields)) + in_lines(n_fields * lanes) + most * stride_of(most);
    }

    explicit Partners(const Params& params)
        : most_(most_of(params.most_nnz, params.fields.n)),
          stride_(stride_of(most_)),
          record_width_(params.tables[V_table].width),
          zeros_(params.room + in_lines(RowByField::room(params.most_nnz, params.fields.n))),
          T_(zeros_ + in_lines(params.fields.n * lanes)) {
        for (int64_t f = 0; most_ && f < record_width_; ++f) zeros_[f] = 0.0f;
    }

    // Whether a row of n nonzeros is one of those.
    bool has_place_for(const RowByField& of, int64_t n) const {
        return n >= side && n <= most_ && of.n_alone == n && of.at(n - 1) - of.at(0) == (n - 1) * lanes &&
               of.at(0) + in_squares(n) * lanes <= record_width_;
    }

    // Writes T and returns the score of all pairs. The last square is filled up with vectors of zeros if `side` does not
    // divide n.
    template <bool ones>
    FASTFM_INLINE float take(const RowByField& of, int64_t n) {
        Sums sums;
        for (int64_t b = 0; b < n; b += side) take_column<ones>(of, b, n, sums);
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
    static int64_t in_squares(int64_t n) { return (n + side - 1) / side * side; }
    // Nonzeros of a row that there is a place for. Of more fields, T would not stay in the second cache.
    static int64_t most_of(int64_t most_nnz, int64_t n_fields) {
        constexpr int64_t most_fields = 96;
        return side == 1 || n_fields > most_fields ? 0 : in_squares(most_nnz < n_fields ? most_nnz : n_fields);
    }
    // An odd number of lines, so that a column has lines of many sets of the cache.
    static int64_t stride_of(int64_t most) { return in_lines(most * lanes) | floats_per_line; }

    // 0 in the vectors before number `first`, else 1.
    static V from(int64_t first) {
        alignas(64) static constexpr float zeros_and_ones[32] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                                                 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
        return V::load(zeros_and_ones + 16 - first * lanes);
    }

    // The pairs of the nonzeros from b on with each other and with those before, in a row of n.
    template <bool ones>
    FASTFM_INLINE void take_column(const RowByField& of, int64_t b, int64_t n, Sums& sums) {
        // Copies: for all the compiler knows, a write to T could change members.
        const int64_t at = of.at(0), stride = stride_;
        float* const* const all_v = of.all_v();
        float* const all_T = T_;
        const float* v[side];
        float x[side];
        float* T[side];
        for (int s = 0; s < side; ++s) {
            const bool is_there = b + s < n;
            v[s] = (is_there ? all_v[b + s] : zeros_) + at;
            x[s] = is_there ? of.x(b + s) : 0.0f;
            T[s] = all_T + (b + s) * stride;
        }
        for (int64_t a = 0; a < b; a += side) {
            V of_a[side], of_b[side], for_a[side], for_b[side];
            for (int s = 0; s < side; ++s) of_b[s] = times<ones>(V::load(v[s] + a * lanes), x[s]);
            for (int s = 0; s < side; ++s) of_a[s] = times<ones>(V::load(all_v[a + s] + at + b * lanes), of.x(a + s));
            transpose_square<lanes, side>(of_b, for_a);
            transpose_square<lanes, side>(of_a, for_b);
            for (int s = 0; s < side; ++s) {
                V& products = s % 2 ? sums.odd : sums.even;
                products = fma(of_a[s], for_a[s], products);
            }
            for (int s = 0; s < side; ++s) for_b[s].store(T[s] + a * lanes);
            for (int s = 0; s < side; ++s) for_a[s].store(all_T + (a + s) * stride + b * lanes);
        }
        V own[side], turned[side];
        for (int s = 0; s < side; ++s) own[s] = times<ones>(V::load(v[s] + b * lanes), x[s]);
        transpose_square<lanes, side>(own, turned);
        for (int s = 0; s < side; ++s) turned[s].store(T[s] + b * lanes);
        for (int s = 0; s + 1 < side; ++s) sums.even = fma(own[s] * from(s + 1), turned[s], sums.even);
    }

    template <bool ones>
    static FASTFM_INLINE V times(V v, float x) {
        return ones ? v : v * V::fill(x);
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

    int64_t most_;
    int64_t stride_;
    int64_t record_width_;
    float* zeros_;  // a record of vectors
    float* T_;
};

}  // namespace fastfm::FASTFM_ISA
