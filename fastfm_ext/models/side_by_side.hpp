// The pairs of a row whose features are alone in fields that lie side by side, as most rows are: `side` vectors fill a
// register, and `side` registers make a square, the vectors of as many nonzeros for the fields of as many others.
//
//   A, the vectors of nonzeros a, a + 1, ... for the fields of b, b + 1, ...     p_AB = <A, B'>    B': B transposed
//   B, the vectors of nonzeros b, b + 1, ... for the fields of a, a + 1, ...     dp/dA = B'        dp/dB = A'
//
// (each vector times its nonzero's x). Where `side` does not divide how many nonzeros there are, the last squares are filled
// up with vectors of zeros.
#pragma once

#include "math/optimizer.hpp"
#include "math/squares.hpp"
#include "models/row_by_field.hpp"

namespace fastfm::FASTFM_ISA {

template <int lanes, int side>
class SideBySide {
  public:
    using V = Vec<lanes * side>;

    // How many floats of room they need.
    static int64_t room(int64_t most_nnz, int64_t n_fields) {
        return in_lines(RowByField::room(most_nnz, n_fields)) + in_lines(n_fields * lanes);
    }

    explicit SideBySide(const Params& params)
        : width_(params.tables[V_table].width),
          zeros_(params.room + in_lines(RowByField::room(params.most_nnz, params.fields.n))) {
        for (int64_t f = 0; zeros_are_used && f < width_; ++f) zeros_[f] = 0.0f;
    }

    static int64_t n_squares(int64_t n) {
        const int64_t n_sides = (n + side - 1) / side;
        return n_sides * (n_sides + 1) / 2;
    }

    // Whether a row of n nonzeros is such a row, and its squares end within the features' records.
    bool fits(const RowByField& of, int64_t n) const {
        return n > 0 && of.n_alone == n && of.at(n - 1) - of.at(0) == (n - 1) * lanes &&
               of.at(0) + in_squares(n) * lanes <= width_;
    }

    // The score of all pairs of a row. `beside(each)` comes before each square, and each(f) calls f with the place of
    // each of its registers.
    template <bool ones, class Beside>
    FASTFM_INLINE float score(const RowByField of, int64_t n, Beside beside) const {
        Sums sums;
        int64_t b = 0;
        for (; b + side <= n; b += side) score_column<ones>(of, Side(of, b), sums, beside);
        if (b < n) score_column<ones>(of, Side(of, b, n, zeros_), sums, beside);
        return sum(sums.even + sums.odd);
    }

    // Steps on all of a row's vectors but those that features have for their own fields. `beside()` comes before each
    // square. What was read last for the score comes first: it is in the nearest cache.
    template <class Rule, bool ones, class Beside>
    FASTFM_INLINE void step(const RowByField of, int64_t n, const Rates<lanes * side>& rates, Beside beside) const {
        const int64_t full = n / side * side;
        if (full < n) step_on_column<Rule, ones, false>(of, Side(of, full, n, zeros_), rates, beside);
        for (int64_t b = full - side; b >= 0; b -= side)
            step_on_column<Rule, ones, true>(of, Side(of, b), rates, beside);
    }

  private:
    static constexpr bool zeros_are_used = side > 1;
    static constexpr int64_t floats_per_line = 16;
    static constexpr unsigned all = (1u << side) - 1;

    // Additions wait for each other: two sums take turns.
    struct Sums {
        V even = V::fill(0.0f), odd = V::fill(0.0f);
    };

    // The nonzeros from `first` on: `side` of them, or those before n and then vectors of zeros. v: for the fields from the
    // row's first one on.
    struct Side {
        int64_t first;
        int n_there = side;
        float* v[side];
        float x[side];

        FASTFM_INLINE Side(const RowByField& of, int64_t from) : first(from) {
            for (int s = 0; s < side; ++s) set(of, s);
        }
        FASTFM_INLINE Side(const RowByField& of, int64_t from, int64_t n, float* zeros)
            : first(from), n_there(static_cast<int>(n - from)) {
            for (int s = 0; s < side; ++s) {
                if (s < n_there) {
                    set(of, s);
                } else {
                    v[s] = zeros + of.at(0);
                    x[s] = 0.0f;
                }
            }
        }

        void set(const RowByField& of, int s) {
            v[s] = of.v(first + s) + of.at(0);
            x[s] = of.x(first + s);
        }
    };

    static int64_t in_lines(int64_t n) { return (n + floats_per_line - 1) / floats_per_line * floats_per_line; }
    static int64_t in_squares(int64_t n) { return (n + side - 1) / side * side; }

    // 0 in the vectors before number `first`, else 1.
    static V from(int64_t first) {
        alignas(64) static constexpr float zeros_and_ones[32] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                                                 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
        return V::load(zeros_and_ones + 16 - first * lanes);
    }

    template <bool ones>
    static FASTFM_INLINE V times(V v, float x) {
        return ones ? v : v * V::fill(x);
    }

    // The vectors v of `whose`, for the fields of the nonzeros from `others` on, and the transposed square of v x.
    template <bool ones>
    static FASTFM_INLINE void load(const Side& whose, int64_t others, V* v, V* turned) {
        V vx[side];
        for (int s = 0; s < side; ++s) {
            v[s] = V::load(whose.v[s] + others * lanes);
            vx[s] = times<ones>(v[s], whose.x[s]);
        }
        transpose_square<lanes, side>(vx, turned);
    }

    // The pairs of nonzeros with those before them, and with each other.
    template <bool ones, class Beside>
    FASTFM_INLINE void score_column(const RowByField& of, const Side& B, Sums& sums, Beside beside) const {
        V v[side], turned[side];
        for (int64_t a = 0; a < B.first; a += side) {
            const Side A(of, a);
            beside([&](auto f) FASTFM_INLINE_LAMBDA {
                for (int s = 0; s < side; ++s) f(B.v[s] + a * lanes);
                for (int s = 0; s < side; ++s) f(A.v[s] + B.first * lanes);
            });
            load<ones>(B, a, v, turned);
            for (int s = 0; s < side; ++s) {
                V& products = s % 2 ? sums.odd : sums.even;
                products = fma(times<ones>(V::load(A.v[s] + B.first * lanes), A.x[s]), turned[s], products);
            }
        }
        beside([&](auto f) FASTFM_INLINE_LAMBDA {
            for (int s = 0; s < side; ++s) f(B.v[s] + B.first * lanes);
        });
        if (side == 1) return;
        load<ones>(B, B.first, v, turned);
        for (int s = 0; s + 1 < side; ++s)
            sums.even = fma(times<ones>(v[s], B.x[s]) * from(s + 1), turned[s], sums.even);
    }

    // The same for a step; `is_full`: none of B are zeros.
    template <class Rule, bool ones, bool is_full, class Beside>
    FASTFM_INLINE void step_on_column(const RowByField& of, const Side& B, const Rates<lanes * side>& rates,
                                      Beside beside) const {
        const int n_there = is_full ? side : B.n_there;
        const int64_t width = width_;
        const unsigned there = is_full ? all : (1u << n_there) - 1;
        const auto step_on = [&](float* at, V v, V others, int64_t n, unsigned which) FASTFM_INLINE_LAMBDA {
            V record[1 + Rule::n_slots] = {v};
            for (int s = 1; s <= Rule::n_slots; ++s) record[s] = V::load(at + s * width);
            Rule::update(record, fma(V::fill(of.l2(n)), v, V::fill(of.gx(n)) * others), rates);
            for (int s = 0; s <= Rule::n_slots; ++s) {
                if (which == all)
                    record[s].store(at + s * width);
                else
                    store_some<lanes, side>(record[s], which, at + s * width);
            }
        };
        V of_b[side], b_turned[side];
        if constexpr (side > 1) {
            beside();
            load<ones>(B, B.first, of_b, b_turned);
            for (int s = 0; s < n_there; ++s)
                step_on(B.v[s] + B.first * lanes, of_b[s], b_turned[s], B.first + s, there & ~(1u << s));
        }
        for (int64_t a = B.first - side; a >= 0; a -= side) {
            const Side A(of, a);
            V of_a[side], a_turned[side];
            beside();
            load<ones>(B, a, of_b, b_turned);
            load<ones>(A, B.first, of_a, a_turned);
            for (int s = 0; s < side; ++s) step_on(A.v[s] + B.first * lanes, of_a[s], b_turned[s], a + s, there);
            for (int s = 0; s < n_there; ++s) step_on(B.v[s] + a * lanes, of_b[s], a_turned[s], B.first + s, all);
        }
    }

    int64_t width_;  // of a feature's vectors, and from them to their state
    float* zeros_;   // vectors of a feature that is not there
};

}  // namespace fastfm::FASTFM_ISA
