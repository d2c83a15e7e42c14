// Shapley values of the scores of a range of rows: what each feature, or each group of features, adds to the score
// against a background of rows b (_reference/contributions.py has the proof). For a feature i of row x
//
//   phi_i = x_i [ w_i + <v_i, 1/2 S_x + 1/2 E S_b> - 1/2 |v_i|^2 x_i ]  -  1/2 m_i <v_i, S_x>  -  E phi_i^0(b),
//
// S_x = sum_i v_i x_i and m = E b. The first term is there for the nonzeros of x, the others for those of the background;
// of a group, they are sums over its features. O(k nnz) a row, and O(k n_groups) where groups have a background.
// Nothing but the output changes.
#pragma once

#include "math/lanes.hpp"
#include "models/fm.hpp"
#include "types/contributions.hpp"

namespace fastfm::FASTFM_ISA {

// Asks for the parameters of rows to come, some nonzeros ahead of the one at hand.
template <int K>
struct Ahead {
    static constexpr int64_t rows = 4;

    const Fm<K>& fm;
    const int32_t* end;
    int64_t n;

    Ahead(const Fm<K>& fm, const Csr& X, int64_t first, int64_t last) : fm(fm), end(X.indices + X.indptr[last]), n(0) {
        if (first == last) return;  // not covered: every thread has rows; without any, the division below would fail
        n = rows * (X.indptr[last] - X.indptr[first]) / (last - first);
    }

    void ask(const int32_t* at) const {
        if (n < end - at) fm.prefetch_values(at[n]);
    }
};

template <int K, bool ones>
void feature_contributions(const Csr& X, const Params& params, int64_t first, int64_t last,
                           const FeatureContributions& out) {
    Fm<K> fm(params);
    const Ahead<K> ahead(fm, X, first, last);
    const int64_t k = params.tables[V_table].width;
    for (int64_t r = first; r < last; ++r) {
        const Row<ones> row(X, r);
        float* phi = out.values + X.indptr[r];
        fm.contributions(
            row, out.half_sum,
            [&](int64_t j, float value) FASTFM_INLINE_LAMBDA {
                phi[j] = value;
                ahead.ask(row.i + j);
            },
            [=](int64_t j, float value) FASTFM_INLINE_LAMBDA { phi[j] += value; },
            [&](int first_factor, const auto& block) FASTFM_INLINE_LAMBDA {
                if (out.sum_vx) block.store_sums(out.sum_vx + r * k + first_factor);
            });
    }
}

// phi[g] -= sum_f S_f m[f, g] for each group g: of many groups at once, where inner products of single groups would each
// have to add up the lanes of a register.
template <int n_factors>
void subtract_products(const float* S, const float* m, const GroupContributions& out, float* phi) {
    for (int32_t g = 0; g < out.n_groups; g += max_lanes) {
        // Additions wait for each other: four sums take turns.
        Lanes products[4] = {Lanes::fill(0.0f), Lanes::fill(0.0f), Lanes::fill(0.0f), Lanes::fill(0.0f)};
        for (int f = 0; f < n_factors; f += 4) {
            for (int s = 0; s < 4; ++s)
                products[s] =
                    fma(Lanes::fill(S[f + s]), Lanes::load(m + (f + s) * out.half_sums_stride + g), products[s]);
        }
        float of_group[max_lanes];
        ((products[0] + products[1]) + (products[2] + products[3])).store(of_group);
        const int32_t n = out.n_groups - g < max_lanes ? out.n_groups - g : max_lanes;
        for (int32_t j = 0; j < n; ++j) phi[g + j] -= of_group[j];
    }
}

template <int K, bool ones>
void group_contributions(const Csr& X, const Params& params, int64_t first, int64_t last,
                         const GroupContributions& out) {
    constexpr int size = Fm<K>::block_size;
    Fm<K> fm(params);
    const Ahead<K> ahead(fm, X, first, last);
    for (int64_t r = first; r < last; ++r) {
        const Row<ones> row(X, r);
        float* phi = out.values + r * out.n_groups;
        for (int32_t g = 0; g < out.n_groups; ++g) phi[g] = out.of_zeros ? -out.of_zeros[g] : 0.0f;
        fm.contributions(
            row, out.half_sum,
            [&](int64_t j, float value) FASTFM_INLINE_LAMBDA {
                phi[out.group_of[row.i[j]]] += value;
                ahead.ask(row.i + j);
            },
            [&](int64_t j, float value) FASTFM_INLINE_LAMBDA { phi[out.group_of[row.i[j]]] += value; },
            [&](int first_factor, const auto& block) FASTFM_INLINE_LAMBDA {
                if (!out.half_sums) return;
                float S[size];
                block.store_sums(S);
                subtract_products<size>(S, out.half_sums + first_factor * out.half_sums_stride, out, phi);
            });
    }
}

}  // namespace fastfm::FASTFM_ISA
