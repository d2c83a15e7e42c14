// The pairs of some nonzeros with as many others, wherever their fields lie.
#pragma once

#include "math/optimizer.hpp"
#include "math/squares.hpp"

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

}  // namespace fastfm::FASTFM_ISA
