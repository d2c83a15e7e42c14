// The weights r_FG of the pairs of ONE row's fields, with the optimizer's state.
#pragma once

#include "math/optimizer.hpp"
#include "math/transpose.hpp"
#include "models/field_sums.hpp"
#include "types/parameters.hpp"

namespace fastfm::FASTFM_ISA {

// A copy from the table, which stays as long as rows have the same fields: it is put back when others come, and in the end.
// What is held is noted in the room, which was zeroed at first, so that it outlives this.
//
// A symmetric matrix in whole registers, with zeros on the diagonal: row(F) holds r_FG at the place of G, and behind them
// the state values, `width()` apart. The r_FF are in a row of their own.
class PairWeights {
  public:
    // Floats of room for the numbers of fields, and as many rows as there may be places, and one.
    static int64_t room(int32_t n_fields) {
        const int64_t n = in_tiles(n_fields);
        return field_tile + n + (n + 1) * (1 + max_slots) * n;
    }

    PairWeights(const Params& params, float* room)
        : table_(params.tables[R_table]),
          n_values_(1 + params.n_slots),
          held_(reinterpret_cast<Held*>(room)),
          field_at_(reinterpret_cast<int32_t*>(room + field_tile)),
          own_(room + field_tile + in_tiles(params.fields.n)),
          rows_(own_ + n_values_ * in_tiles(params.fields.n)) {}

    int width() const { return held_->width; }
    int64_t stride() const { return int64_t{n_values_} * width(); }
    float* row(int F) const { return rows_ + F * stride(); }
    float* own() const { return own_; }

    // Holds the weights of the fields of these sums from here on.
    template <class Sums>
    FASTFM_INLINE void take(const Sums& sums) {
        if (!has_fields_of(sums)) take_others(sums);
    }

    // Holds none from here on.
    void put_back() {
        if (held_->has_changed) {
            for_each([&](int F, int G, int s, float* shared)
                         FASTFM_INLINE_LAMBDA { *shared = F == G ? own_[s * width() + F] : row(F)[s * width() + G]; });
        }
        *held_ = {};
    }

    // Says that a step has changed what is held.
    void set_changed() { held_->has_changed = true; }

    // Copies what stands in the registers behind those of the diagonal to below it, but for the state.
    void mirror() {
        for (int F = 0; F + field_lanes < width(); F += tile_side) {
            const float* rows[tile_side];
            for (int r = 0; r < tile_side; ++r) rows[r] = row(F + r);
            for (int G = in_tiles(F + 1, field_lanes); G < width(); G += tile_side)
                transpose_tile(rows, G, row(G) + F, stride());
        }
    }

  private:
    struct Held {
        int32_t n, width, has_changed;
    };

    template <class Sums>
    bool has_fields_of(const Sums& sums) const {
        if (sums.n() != held_->n) return false;
        if (sums.is_spread()) return true;
        for (int place = 0; place < held_->n; ++place)
            if (field_at_[place] != sums.field_at(place)) return false;
        return true;
    }

    template <class Sums>
    void take_others(const Sums& sums) {
        put_back();
        const int n = sums.n(), width = in_tiles(n, field_lanes);
        *held_ = {n, width, false};
        for (int place = 0; place < n; ++place) field_at_[place] = sums.field_at(place);
        clear(own_);
        for (int F = 0; F < in_tiles(n, field_tile); ++F) clear(row(F));
        for_each([&](int F, int G, int s, const float* shared) FASTFM_INLINE_LAMBDA {
            if (F == G)
                own_[s * width + F] = *shared;
            else
                row(F)[s * width + G] = row(G)[s * width + F] = *shared;
        });
    }

    // Without weights, and with a state from which no optimizer steps where there is no gradient.
    void clear(float* values) const {
        for (int s = 0; s < n_values_; ++s) {
            const float value = s > 0 && s + 1 == n_values_ ? 1.0f : 0.0f;
            for (int G = 0; G < width(); ++G) values[s * width() + G] = value;
        }
    }

    // Calls body(F, G, s, value s of the pair in the table) for the pairs F <= G.
    template <class Body>
    FASTFM_INLINE void for_each(Body body) {
        for (int F = 0; F < held_->n; ++F) {
            float* shared = table_.records + int64_t{n_values_} * table_.width * field_at_[F];
            for (int s = 0; s < n_values_; ++s, shared += table_.width)
                for (int G = F; G < held_->n; ++G) body(F, G, s, shared + field_at_[G]);
        }
    }

    Table table_;
    int n_values_;
    Held* held_;
    int32_t* field_at_;
    float* own_;
    float* rows_;
};

}  // namespace fastfm::FASTFM_ISA
