// The linear terms of ONE row, which every model has:
//
//   w0 + sum_i w_i x_i          dp/dw0 = 1      dp/dw_i = x_i
#pragma once

#include "math/optimizer.hpp"
#include "math/vec.hpp"
#include "models/records.hpp"

namespace fastfm::FASTFM_ISA {

// A step on a single parameter with its state right behind it: one lane would do.
template <class Rule>
FASTFM_INLINE void update_one(float* theta, float G, const Rates<4>& rates) {
    Vec<4> record[1 + Rule::n_slots];
    for (int s = 0; s <= Rule::n_slots; ++s) record[s] = Vec<4>::fill(theta[s]);
    Rule::update(record, Vec<4>::fill(G), rates);
    for (int s = 0; s <= Rule::n_slots; ++s) theta[s] = record[s].first();
}

// `Places` is a `Records`: where these parameters, and those of the rest of the model, are.
template <class Places>
class Linear {
  public:
    const Places at;

    explicit Linear(const Params& params) : at(params) {
        for (int s = 0; s < at.values(); ++s) w0_[s] = at.w0()[s];
    }

    float w0() const { return w0_[0]; }

    // The linear terms of a row, in the order of its nonzeros. Additions wait for each other: two sums take turns.
    struct Sums {
        float even = 0.0f, odd = 0.0f;

        FASTFM_INLINE void add(int64_t j, float term) { (j % 2 ? odd : even) += term; }
        FASTFM_INLINE float total() const { return even + odd; }
    };

    template <class Row>
    FASTFM_INLINE float term(const Row& row, int64_t j) const {
        return *at.w_of(row.i[j]) * row.value(j);
    }

    // Without w0.
    template <class Row>
    FASTFM_INLINE float score(const Row& row) const {
        Sums sums;
        int64_t j = 0;
        for (; j + 2 <= row.nnz(); j += 2) {
            sums.add(j, term(row, j));
            sums.add(j + 1, term(row, j + 1));
        }
        if (j < row.nnz()) sums.add(j, term(row, j));
        return sums.total();
    }

    // One step with dL/dp = g, where L2 is paid `l2_weight` times.
    template <class Rule, class Row>
    FASTFM_INLINE void step(const Row& row, float g, float l2_weight, const Options& options) {
        if (options.fit_intercept) update_one<Rule>(w0_, g, Rates<4>(options.w0));
        if (options.fit_linear) step_on_weights<Rule>(row, g, l2_weight * options.w.l2, Rates<4>(options.w));
    }

    // Writes w0 back: it changes with every row, and the next row waits for it, so the steps keep it in a register.
    void store_w0() const {
        for (int s = 0; s < at.values(); ++s) at.w0()[s] = w0_[s];
    }

  private:
    template <class Rule, class Row>
    FASTFM_INLINE void step_on_weights(const Row& row, float g, float l2, const Rates<4>& rates) {
        int64_t j = 0;
        if constexpr (Rule::n_slots <= 1) {
            for (; j + 4 <= row.nnz(); j += 4) step_on_four<Rule, 4>(row, j, g, l2, rates);
            switch (row.nnz() - j) {
                case 1: return step_on_four<Rule, 1>(row, j, g, l2, rates);
                case 2: return step_on_four<Rule, 2>(row, j, g, l2, rates);
                case 3: return step_on_four<Rule, 3>(row, j, g, l2, rates);
            }
        } else {
            for (; j < row.nnz(); ++j) {
                float* w = at.w_of(row.i[j]);
                const float own_l2 = l2 * at.l2_scale_of(row.i[j]);
                update_one<Rule>(w, g * row.value(j) + own_l2 * w[0], rates);
            }
        }
    }

    // The linear step on n <= 4 nonzeros, from `first` on, where a weight is alone or makes a pair with its state: four
    // take as many operations as one.
    template <class Rule, int n, class Row>
    FASTFM_INLINE void step_on_four(const Row& row, int64_t first, float g, float l2, const Rates<4>& rates) {
        float nobody[2] = {0.0f, 1.0f};
        float* w[4] = {nobody, nobody, nobody, nobody};
        for (int j = 0; j < n; ++j) w[j] = at.w_of(row.i[first + j]);
        const auto x = [&](int j) { return j < n ? row.value(first + j) : 0.0f; };
        const auto l2_of = [&](int j) { return j < n ? l2 * at.l2_scale_of(row.i[first + j]) : 0.0f; };
        const Vec<4> gs = Vec<4>::fill(g), xs = Vec<4>::of(x(0), x(1), x(2), x(3));
        const Vec<4> own_l2 = at.has_l2_scale() ? Vec<4>::of(l2_of(0), l2_of(1), l2_of(2), l2_of(3)) : Vec<4>::fill(l2);
        Vec<4> record[1 + Rule::n_slots];
        if constexpr (Rule::n_slots)
            Vec<4>::load_pairs(w, record[0], record[1]);
        else
            record[0] = Vec<4>::of(*w[0], *w[1], *w[2], *w[3]);
        Rule::update(record, fma(own_l2, record[0], Row::ones ? gs : gs * xs), rates);
        if constexpr (Rule::n_slots) {
            Vec<4>::store_pairs(w, record[0], record[1]);
        } else {
            float stepped[4];
            record[0].store(stepped);
            for (int j = 0; j < n; ++j) *w[j] = stepped[j];
        }
    }

    float w0_[1 + max_slots];
};

}  // namespace fastfm::FASTFM_ISA
