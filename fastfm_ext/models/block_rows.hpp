// Rows that share a block row: what the rest of each is for the parameters of that block row, in panels.
//
//   h_r = sum_{B' other} x S_B',     t_r = y_r - w0 - sum_{B' other} own_B' - sum_{B'<B'' other} <x S_B', x S_B''>
//
// Nothing is kept between two sweeps: h and t are made anew from the block rows, O(n_blocks k) a row, so that no error of
// rounding grows.
#pragma once

#include "math/cholesky.hpp"
#include "types/sweep.hpp"

namespace fastfm::FASTFM_ISA {

constexpr int panel_rows = 64;

// Rows in the order of a block. With q = x sqrt(weight), row r adds q^2 [h 1]'[h 1] and q sqrt(weight) t [h 1].
struct Panel {
    const float* z[panel_rows];  // (k,): q h
    float q[panel_rows];
    float t[panel_rows];  // sqrt(weight) t
    bool ones;            // every q is 1
};

// Most blocks whose block rows of a row are looked up once, for all registers of factors.
constexpr int blocks_at_once = 64;

// The block rows of a row in other blocks than `block`: where their S_f lie, and what they are multiplied by.
struct OtherBlocks {
    int n;
    const float* S[blocks_at_once];
    float x[blocks_at_once];
};

// Looks up the blocks first <= B < last; returns what they take off t.
template <bool ones>
float look_up(const BlockedRows& rows, int block, int64_t r, int first, int last, OtherBlocks& others) {
    const int32_t* ids = rows.ids + r * rows.n_blocks;
    float taken = 0.0f;
    others.n = 0;
    for (int B = first; B < last; ++B) {
        if (B == block) continue;
        const BlockTable& table = rows.tables[B];
        const float* terms = table.terms + 2 * int64_t{ids[B]};
        const float x = ones || !rows.values[B] ? 1.0f : rows.values[B][r];
        taken += x * terms[0] - x * x * terms[1];
        others.S[others.n] = table.S + int64_t{ids[B]} * rows.k;
        if (!ones) others.x[others.n] = x;
        ++others.n;
    }
    return taken;
}

// Adds the S_f of these block rows to h, for the factors of R registers from f on; returns the squares of the sums.
template <bool ones, int R>
Lanes add_others(const OtherBlocks& others, int f, float* h) {
    Lanes total[R], squares = Lanes::fill(0.0f);
    for (int l = 0; l < R; ++l) total[l] = Lanes::load(h + f + l * max_lanes);
    for (int i = 0; i < others.n; ++i) {
        const float* S = others.S[i] + f;
        const Lanes x = Lanes::fill(ones ? 1.0f : others.x[i]);
        for (int l = 0; l < R; ++l) {
            const Lanes part = Lanes::load(S + l * max_lanes);
            total[l] = ones ? total[l] + part : fma(x, part, total[l]);
        }
    }
    for (int l = 0; l < R; ++l) {
        total[l].store(h + f + l * max_lanes);
        squares = fma(total[l], total[l], squares);
    }
    return squares;
}

// Sums of a row's other blocks into h (k,); returns t.
template <bool ones>
float gather_row_with(const BlockedRows& rows, int block, int64_t r, float* h) {
    const int k = rows.k;
    float t = rows.y[r] - rows.w0;
    Lanes squares = Lanes::fill(0.0f);
    for (int f = 0; f < k; f += max_lanes) squares.store(h + f);
    for (int first = 0; first < rows.n_blocks; first += blocks_at_once) {
        OtherBlocks others;
        const int last = first + blocks_at_once < rows.n_blocks ? first + blocks_at_once : rows.n_blocks;
        t -= look_up<ones>(rows, block, r, first, last, others);
        squares = Lanes::fill(0.0f);
        int f = 0;
        for (; f + 4 * max_lanes <= k; f += 4 * max_lanes) squares = squares + add_others<ones, 4>(others, f, h);
        for (; f + 2 * max_lanes <= k; f += 2 * max_lanes) squares = squares + add_others<ones, 2>(others, f, h);
        for (; f < k; f += max_lanes) squares = squares + add_others<ones, 1>(others, f, h);
    }
    return t - 0.5f * sum(squares);
}

inline float gather_row(const BlockedRows& rows, int block, int64_t r, float* h) {
    return rows.has_values ? gather_row_with<false>(rows, block, r, h) : gather_row_with<true>(rows, block, r, h);
}

// Fills in the panel of rows first <= i < first + n in the block's order; `room` is (panel_rows, k).
inline void gather_panel(const BlockedRows& rows, const RowsByBlock& by_block, int64_t first, int n, float* room,
                         Panel& panel) {
    const int k = rows.k, block = by_block.block;
    const float* values = rows.values[block];
    panel.ones = !values && !rows.root_weight;
    const bool in_place = rows.n_blocks == 2 && !rows.values[1 - block];
    for (int i = 0; i < n; ++i) {
        const int64_t r = by_block.order ? by_block.order[first + i] : first + i;
        float* own_room = room + i * k;
        if (in_place) {
            const BlockTable& table = rows.tables[1 - block];
            const int64_t id = rows.ids[2 * r + 1 - block];
            panel.z[i] = table.S + id * k;
            panel.t[i] = rows.y[r] - rows.w0 - table.terms[2 * id];
        } else {
            panel.z[i] = own_room;
            panel.t[i] = gather_row(rows, block, r, own_room);
        }
        panel.q[i] = 1.0f;
        if (panel.ones) continue;
        const float root = rows.root_weight ? rows.root_weight[r] : 1.0f;
        panel.q[i] = (values ? values[r] : 1.0f) * root;
        panel.t[i] *= root;
        const Lanes times = Lanes::fill(panel.q[i]);
        for (int f = 0; f < k; f += max_lanes) (times * Lanes::load(panel.z[i] + f)).store(own_room + f);
        panel.z[i] = own_room;
    }
}

// The block row of the row at this place in the block's order.
inline int64_t own_block_row(const BlockedRows& rows, const RowsByBlock& by_block, int64_t place) {
    const int64_t r = by_block.order ? by_block.order[place] : place;
    return rows.ids[r * rows.n_blocks + by_block.block];
}

// Takes off t what the block's own parameters (w, v) of these rows predict.
inline void take_off(float w, const float* v, int n, int k, Panel& panel) {
    for (int i = 0; i < n; ++i) panel.t[i] -= w * panel.q[i] + inner(v, panel.z[i], k);
}

// Asks for what the panel from place `first` on reads of the rows, which may lie anywhere.
inline void prefetch_panel(const BlockedRows& rows, const RowsByBlock& by_block, int64_t first) {
    if (!by_block.order) return;
    const int64_t last = first + panel_rows < rows.n_rows ? first + panel_rows : rows.n_rows;
    for (int64_t i = first; i < last; ++i) {
        const int64_t r = by_block.order[i];
        prefetch_line(rows.ids + r * rows.n_blocks);
        prefetch_line(rows.y + r);
    }
}

}  // namespace fastfm::FASTFM_ISA
