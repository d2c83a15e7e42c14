// The fields of ONE row, and the sums over the row's features of each:
//
//   S_F = sum_{i in F} v_i x_i          own_F = sum_{i < j in F} <v_i, v_j> x_i x_j
//
// A field has a place among those that the row has, in the order of their numbers: a model of pairs of fields costs by
// them, however many there are in all. Where most are there, a model may have all of them, each at the place of its number,
// with S_F = 0 for the others: it need not look which ones they are. O(k nnz), or O(k n_fields) then.
#pragma once

#include <string.h>

#include "math/vec.hpp"
#include "types/parameters.hpp"

namespace fastfm::FASTFM_ISA {

// Fields whose pairs are worked out at once, by lanes.
constexpr int field_lanes = max_lanes;
// Rows of S are whole tiles of this many, whatever the number of fields.
constexpr int field_tile = 16;

inline int in_tiles(int n, int tile = field_tile) { return (n + tile - 1) / tile * tile; }

template <int K>
class FieldSums {
  public:
    static constexpr int block_size = K > 0 ? K : 16;
    static constexpr int lanes = block_size < max_lanes ? block_size : max_lanes;
    using V = Vec<lanes>;

    // Floats of room, which is zeroed at first: numbers of fields and of places, own_F, which are there, ones, and S
    // with as many floats behind as a tile may read.
    static int64_t room(int32_t k, int32_t n_fields) {
        const int64_t n = in_tiles(n_fields);
        return 5 * n + n * k + field_tile;
    }

    // From `least_spread` fields of a row on, all fields have a place.
    FieldSums(const Fields& fields, int k, int least_spread, float* room)
        : fields_(fields),
          k_(k),
          least_spread_(least_spread),
          field_at_(reinterpret_cast<int32_t*>(room)),
          place_of_(field_at_ + in_tiles(fields.n)),
          own_(room + 2 * in_tiles(fields.n)),
          some_(own_ + in_tiles(fields.n)),
          all_(some_ + in_tiles(fields.n)),
          S_(all_ + in_tiles(fields.n)) {
        // Once in a room: the softmax makes machines for each row.
        if (fields.n && all_[0] == 0.0f)
            for (int F = 0; F < in_tiles(fields.n); ++F) all_[F] = 1.0f;
    }

    // How many fields have a place.
    int n() const { return n_; }
    // Whether all fields have a place, which is their number.
    bool is_spread() const { return is_spread_; }
    // 1 at the places of fields that are there, else 0.
    const float* present() const { return has_gaps_ ? some_ : all_; }
    // Whether nonzero j is of field j, for all fields.
    bool is_in_order() const { return is_in_order_; }
    // Whether a field has several features.
    bool has_several() const { return has_several_; }

    int field_of(int64_t i) const { return fields_.of_feature[i]; }
    int field_at(int place) const { return is_spread_ ? place : field_at_[place]; }
    // The place of the field of nonzero j, feature i.
    int place_of(int64_t j, int64_t i) const {
        if (is_in_order_) return static_cast<int>(j);
        return is_spread_ ? field_of(i) : place_of_[field_of(i)];
    }

    const float* S(int place) const { return S_ + int64_t{place} * k(); }
    float own(int place) const { return own_[place]; }
    const float* owns() const { return own_; }

    void prefetch(int64_t i) const { prefetch_line(fields_.of_feature + i); }

    // Sets all of this from a row; `at(i)` is where the factors of feature i begin. `beside(j)` is called for each
    // nonzero j. Rows of S up to a whole number of lanes are 0.
    template <class Row, class At, class Beside>
    FASTFM_INLINE void take(const Row& row, At at, Beside beside) {
        is_in_order_ = take_in_order(row, at, beside);
        if (is_in_order_) {
            n_ = fields_.n;
            is_spread_ = true;
            has_gaps_ = has_several_ = false;
        } else {
            find_fields(row);
            sum_up(row, at, beside);
            clear_from(n_);
        }
    }

  private:
    int k() const { return K > 0 ? K : K == 0 ? 0 : k_; }

    // Rows of S up to a whole register of fields.
    void clear_from(int place) {
        for (float* S = S_ + int64_t{place} * k(); S < S_ + int64_t{in_tiles(place, field_lanes)} * k(); S += lanes)
            V::fill(0.0f).store(S);
    }

    // Returns whether nonzero j is of field j, for all fields; then S is set, too.
    template <class Row, class At, class Beside>
    FASTFM_INLINE bool take_in_order(const Row& row, At at, Beside beside) {
        if (row.nnz() != fields_.n) return false;
        for (int64_t j = 0; j < row.nnz(); ++j) {
            const int64_t i = row.i[j];
            if (field_of(i) != j) return false;
            beside(j);
            set(at(i), V::fill(row.value(j)), Row::ones, S_ + j * k());
        }
        return true;
    }

    template <class Row>
    void find_fields(const Row& row) {
        n_ = 0;
        for (int64_t j = 0; j < row.nnz(); ++j) {
            const int F = field_of(row.i[j]), place = place_of_[F];
            // Whatever was left there by other rows: a field has a place if what stands at this place is the field.
            if (place >= 0 && place < n_ && field_at_[place] == F) continue;
            place_of_[F] = n_;
            field_at_[n_++] = F;
        }
        has_several_ = row.nnz() > n_;
        is_spread_ = n_ >= least_spread_;
        has_gaps_ = is_spread_ && n_ < fields_.n;
        if (!is_spread_) sort_fields();
        if (has_gaps_) spread();
    }

    void spread() {
        for (int F = 0; F < in_tiles(fields_.n, field_lanes); ++F) some_[F] = 0.0f;
        for (int place = 0; place < n_; ++place) some_[field_at_[place]] = 1.0f;
        n_ = fields_.n;
    }

    // Puts fields in ascending order, as they mostly are.
    void sort_fields() {
        for (int place = 1; place < n_; ++place) {
            const int F = field_at_[place];
            int at = place;
            for (; at > 0 && field_at_[at - 1] > F; --at) field_at_[at] = field_at_[at - 1];
            field_at_[at] = F;
        }
        for (int place = 0; place < n_; ++place) place_of_[field_at_[place]] = place;
    }

    template <class Row, class At, class Beside>
    FASTFM_INLINE void sum_up(const Row& row, At at, Beside beside) {
        if (has_several_ || has_gaps_) memset(S_, 0, sizeof(float) * n_ * k());
        if (has_several_) {
            memset(own_, 0, sizeof(float) * in_tiles(n_, field_lanes));
        }
        for (int64_t j = 0; j < row.nnz(); ++j) {
            beside(j);
            const int place = place_of(j, row.i[j]);
            float* S = S_ + int64_t{place} * k();
            if (has_several_)
                own_[place] += add(at(row.i[j]), V::fill(row.value(j)), S);
            else
                set(at(row.i[j]), V::fill(row.value(j)), Row::ones, S);
        }
    }

    FASTFM_INLINE void set(const float* v, V x, bool ones, float* S) const {
        for (int f = 0; f < k(); f += lanes) (ones ? V::load(v + f) : V::load(v + f) * x).store(S + f);
    }

    // S += v x; returns what the pairs with those before make of own_F.
    float add(const float* v, V x, float* S) const {
        V products = V::fill(0.0f);
        for (int f = 0; f < k(); f += lanes) {
            const V vx = V::load(v + f) * x, before = V::load(S + f);
            products = fma(before, vx, products);
            (before + vx).store(S + f);
        }
        return sum(products);
    }

    Fields fields_;
    int k_;
    int least_spread_;
    int n_ = 0;
    bool is_in_order_ = false, is_spread_ = false, has_gaps_ = false, has_several_ = false;
    int32_t* field_at_;
    int32_t* place_of_;
    float* own_;
    float* some_;
    float* all_;
    float* S_;
};

}  // namespace fastfm::FASTFM_ISA
