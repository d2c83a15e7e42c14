// Products of rows with many others that stand in panels: a panel's values of one factor side by side.
#pragma once

#include "math/lanes.hpp"
#include "types/tile.hpp"

namespace fastfm::FASTFM_ISA {

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

}  // namespace fastfm::FASTFM_ISA
