// One row as field-aware models read it: its nonzeros by their fields, and where the factors of each lie.
#pragma once

#include "math/vec.hpp"
#include "types/parameters.hpp"

namespace fastfm::FASTFM_ISA {

// The groups of the nonzeros of each field: those that are alone in their field come first, by field, and then the others.
// Group g < n_alone is nonzero g.
class RowByField {
  public:
    int64_t n_alone = 0;
    int64_t n_groups = 0;

    // How many floats of room rows of up to `most_nnz` nonzeros need.
    static int64_t room(int64_t most_nnz, int64_t n_fields) {
        return most_nnz * (floats_per_pointer + 6) + 1 + n_fields;
    }

    RowByField(const Params& params, int k)
        : v_(reinterpret_cast<float**>(params.room)),
          x_(params.room + params.most_nnz * floats_per_pointer),
          l2_scale_(x_ + params.most_nnz),
          gx_(l2_scale_ + params.most_nnz),
          l2_(gx_ + params.most_nnz),
          at_(reinterpret_cast<int32_t*>(l2_ + params.most_nnz)),
          begins_(at_ + params.most_nnz),
          counts_(begins_ + params.most_nnz + 1),
          fields_(params.fields),
          k_(k),
          has_l2_scale_(params.l2_scale) {}

    // The factors of nonzero n begin at v(n), those of any feature for its field at(n) floats behind.
    float* v(int64_t n) const { return v_[n]; }
    float* const* all_v() const { return v_; }
    int64_t at(int64_t n) const { return at_[n]; }
    float x(int64_t n) const { return x_[n]; }
    // g x, and the L2 that nonzero n pays.
    float gx(int64_t n) const { return gx_[n]; }
    float l2(int64_t n) const { return l2_[n]; }
    int64_t begin(int64_t group) const { return group < n_alone ? group : begins_[group - n_alone]; }
    int64_t end(int64_t group) const { return group < n_alone ? group + 1 : begins_[group + 1 - n_alone]; }

    // Takes up a row, whose features' records are at `at`. O(nnz) where fields ascend, else O(nnz + n_fields).
    template <class Row, class Places>
    FASTFM_INLINE void set(const Row& row, const Places& at) {
        int32_t before = -1;
        bool ascends = true;
        for (int64_t j = 0; j < row.nnz(); ++j) {
            const int32_t field = fields_.of_feature[row.i[j]];
            ascends = ascends && field > before;
            before = field;
            put(j, field, row, j, at);
        }
        n_alone = n_groups = row.nnz();
        if (!ascends) group(row, at);
    }

    // Sets gx(n), and l2(n) from the L2 of all.
    void weigh(int64_t nnz, float g, float l2) {
        for (int64_t n = 0; n < nnz; ++n) gx_[n] = g * x_[n];
        for (int64_t n = 0; n < nnz; ++n) l2_[n] = has_l2_scale_ ? l2 * l2_scale_[n] : l2;
    }

  private:
    static constexpr int64_t floats_per_pointer = sizeof(uintptr_t) / sizeof(float);

    template <class Row, class Places>
    FASTFM_INLINE void put(int64_t n, int32_t field, const Row& row, int64_t j, const Places& at) {
        v_[n] = at.V_of(row.i[j]);
        at_[n] = field * k_;
        x_[n] = row.value(j);
        if (has_l2_scale_) l2_scale_[n] = at.l2_scale_of(row.i[j]);
    }

    // Sorts by counting.
    template <class Row, class Places>
    void group(const Row& row, const Places& at) {
        const auto field_of = [&](int64_t j) { return fields_.of_feature[row.i[j]]; };
        for (int32_t F = 0; F < fields_.n; ++F) counts_[F] = 0;
        for (int64_t j = 0; j < row.nnz(); ++j) ++counts_[field_of(j)];
        n_alone = n_groups = 0;
        for (int32_t F = 0; F < fields_.n; ++F) {
            n_alone += counts_[F] == 1;
            n_groups += counts_[F] > 0;
        }
        // From here on, counts are the places of the next nonzero of each field.
        int32_t next_alone = 0, next = static_cast<int32_t>(n_alone), n_begun = 0;
        for (int32_t F = 0; F < fields_.n; ++F) {
            const int32_t count = counts_[F];
            if (count == 1) {
                counts_[F] = next_alone++;
            } else {
                counts_[F] = next;
                if (count) begins_[n_begun++] = next;
                next += count;
            }
        }
        begins_[n_begun] = next;
        for (int64_t j = 0; j < row.nnz(); ++j) {
            const int32_t field = field_of(j);
            put(counts_[field]++, field, row, j, at);
        }
    }

    float** v_;
    float* x_;
    float* l2_scale_;
    float* gx_;
    float* l2_;
    int32_t* at_;
    int32_t* begins_;  // of the groups of several
    int32_t* counts_;  // (n_fields,)
    Fields fields_;
    int k_;
    bool has_l2_scale_;
};

}  // namespace fastfm::FASTFM_ISA
