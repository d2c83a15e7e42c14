// Products of small matrices in the caches: blocks of the result stay in registers. Rows have k floats, a multiple of 16.
#pragma once

#include "math/vec.hpp"
#include "types/tile.hpp"

namespace fastfm::FASTFM_ISA {

using Lanes = Vec<max_lanes>;

// As many rows at once as there are registers for.
constexpr int product_rows = max_lanes == 16 ? 4 : 2;

// panels[p, f, l] = rows[p * tile_panel + l, f], for n rows, a multiple of tile_panel.
inline void to_panels(const float* rows, int n, int k, float* panels) {
    for (int first = 0; first < n; first += tile_panel, panels += tile_panel * k)
        for (int f = 0; f < k; ++f)
            for (int l = 0; l < tile_panel; ++l) panels[f * tile_panel + l] = rows[int64_t{first + l} * k + f];
}

// out[u, j] = sum_f users[u, f] panels[j / tile_panel, f, j % tile_panel], for tile_group users and n items.
inline void multiply_panels(const float* users, const float* panels, int n, int k, float* out) {
    constexpr int n_vecs = 2, width = n_vecs * max_lanes, at_once = max_lanes == 16 ? tile_group : tile_group / 2;
    for (int first = 0; first < n; first += width) {
        const float* panel = panels + int64_t{first / tile_panel * tile_panel} * k + first % tile_panel;
        for (int u = 0; u < tile_group; u += at_once) {
            Lanes sums[at_once][n_vecs];
            for (int m = 0; m < at_once; ++m)
                for (int b = 0; b < n_vecs; ++b) sums[m][b] = Lanes::fill(0.0f);
            for (int f = 0; f < k; ++f) {
                Lanes items[n_vecs];
                for (int b = 0; b < n_vecs; ++b) items[b] = Lanes::load(panel + f * tile_panel + b * max_lanes);
                for (int m = 0; m < at_once; ++m) {
                    const Lanes user = Lanes::fill(users[(u + m) * k + f]);
                    for (int b = 0; b < n_vecs; ++b) sums[m][b] = fma(user, items[b], sums[m][b]);
                }
            }
            for (int m = 0; m < at_once; ++m)
                for (int b = 0; b < n_vecs; ++b) sums[m][b].store(out + int64_t{u + m} * n + first + b * max_lanes);
        }
    }
}

template <int n_vecs>
inline void add_block(const float* weights, int64_t row_stride, int64_t out_stride, const float* rows, int n, int k,
                      float* out) {
    Lanes sums[product_rows][n_vecs];
    for (int m = 0; m < product_rows; ++m)
        for (int b = 0; b < n_vecs; ++b) sums[m][b] = Lanes::load(out + int64_t{m} * k + b * max_lanes);
    for (int r = 0; r < n; ++r, weights += row_stride, rows += k) {
        Lanes row[n_vecs];
        for (int b = 0; b < n_vecs; ++b) row[b] = Lanes::load(rows + b * max_lanes);
        for (int m = 0; m < product_rows; ++m) {
            const Lanes weight = Lanes::fill(weights[m * out_stride]);
            for (int b = 0; b < n_vecs; ++b) sums[m][b] = fma(weight, row[b], sums[m][b]);
        }
    }
    for (int m = 0; m < product_rows; ++m)
        for (int b = 0; b < n_vecs; ++b) sums[m][b].store(out + int64_t{m} * k + b * max_lanes);
}

// out[m, f] += sum_r weights[r * row_stride + m * out_stride] rows[r, f], for n rows and n_out, a multiple of 4.
inline void add_weighted_rows(const float* weights, int64_t row_stride, int64_t out_stride, const float* rows, int n,
                              int k, float* out, int n_out) {
    constexpr int wide = 4;
    for (int m = 0; m < n_out; m += product_rows) {
        const float* w = weights + m * out_stride;
        float* sums = out + int64_t{m} * k;
        int f = 0;
        for (; f + wide * max_lanes <= k; f += wide * max_lanes)
            add_block<wide>(w, row_stride, out_stride, rows + f, n, k, sums + f);
        for (; f < k; f += max_lanes) add_block<1>(w, row_stride, out_stride, rows + f, n, k, sums + f);
    }
}

inline float inner(const float* a, const float* b, int k) {
    Lanes products = Lanes::fill(0.0f);
    for (int f = 0; f < k; f += max_lanes) products = fma(Lanes::load(a + f), Lanes::load(b + f), products);
    return sum(products);
}

// out += weight row.
inline void add_row(float weight, const float* row, int k, float* out) {
    const Lanes w = Lanes::fill(weight);
    for (int f = 0; f < k; f += max_lanes) fma(w, Lanes::load(row + f), Lanes::load(out + f)).store(out + f);
}

}  // namespace fastfm::FASTFM_ISA
