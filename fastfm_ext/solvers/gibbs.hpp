// Parameters of block rows given all other blocks, by Gibbs sampling; without noise, by alternating least squares.
//
// Block rows are independent of each other, and each has random numbers of its own: any thread may take any of them. Two
// ways: jointly (models/normal_equations.hpp), O(n k^2 / 2 + k^3 / 6) for a block row with n rows; or coordinate by
// coordinate, O(n k) once the rows have been turned, which mixes a little more slowly.
#pragma once

#include "models/normal_equations.hpp"

namespace fastfm::FASTFM_ISA {

// Most rows of a block row that are drawn by coordinates: they have to stay in a cache.
constexpr int64_t coordinate_rows = 2048;

// Floats of room for drawing block rows.
constexpr int64_t draw_room(int64_t k) {
    return sums_size(static_cast<int32_t>(k)) + DrawRoom::size(k) + panel_rows * k + (k + 2) * coordinate_rows + 3 * k;
}

inline void keep(const BlockTable& out, int64_t b, float w, const float* v, int k) {
    float* S = out.S + b * k;
    for (int f = 0; f < k; f += max_lanes) Lanes::load(v + f).store(S + f);
    out.terms[2 * b] = w;
    out.terms[2 * b + 1] = 0.5f * inner(v, v, k);
}

// A value far from 0 makes the rest of its row large, too, and sums of large targets lose what the other rows say to
// rounding. Errors are small in all rows: among values, what is drawn is the change that they ask for.
inline bool draws_changes(const BlockedRows& rows) { return rows.has_values; }

// Draws block row b from the sums over its rows.
inline void draw_from_sums(const BlockDraw& task, int64_t b, const Sums& sums, float* floats) {
    const int k = task.rows.k;
    const DrawRoom room(floats, k);
    SplitMix64 random = SplitMix64::of(task.options.seed, b);
    PriorMean mean = mean_of(task.prior, b, k);
    if (!draws_changes(task.rows)) {
        const float w = draw_jointly(sums, task.prior, mean, task.options, k, random, room);
        keep(task.out, b, w, room.v, k);
        if (task.errors) errors_of(sums, w, room.v, k, room.y, task.errors + 2 * b);
        return;
    }
    const BlockTable& before = task.rows.tables[task.by_block.block];
    const float* V = before.S + b * k;
    const float w = before.terms[2 * b];
    float* of_change = floats + DrawRoom::size(k);
    for (int f = 0; f < k; ++f) of_change[f] = mean.V[f] - V[f];
    mean = {of_change, mean.w - w};
    const float change = draw_jointly(sums, task.prior, mean, task.options, k, random, room);
    if (task.errors) errors_of(sums, change, room.v, k, room.y, task.errors + 2 * b);
    for (int f = 0; f < k; ++f) room.v[f] += V[f];
    keep(task.out, b, w + change, room.v, k);
}

// The errors of rows without parameters in this block.
inline void sum_errors(const BlockDraw& task, int64_t b, float* panel_room) {
    Panel panel;
    double* errors = task.errors + 2 * b;
    errors[0] = errors[1] = 0.0;
    const int64_t end = task.by_block.starts[b + 1];
    for (int64_t first = task.by_block.starts[b]; first < end; first += panel_rows) {
        const int n = static_cast<int>(end - first < panel_rows ? end - first : panel_rows);
        gather_panel(task.rows, task.by_block, first, n, panel_room, panel);
        for (int i = 0; i < n; ++i) {
            errors[0] += double{panel.q[i]} * panel.t[i];
            errors[1] += double{panel.t[i]} * panel.t[i];
        }
    }
}

// --- by coordinates ----------------------------------------------------------------------------------------------------

// The rows of a block row by columns, padded with zeros to a multiple of 16.
struct TurnedRows {
    int64_t n;
    float* H;  // (k, n): z
    float* q;  // (n,)
    float* e;  // (n,): t - w q - v'z
};

inline TurnedRows turn_rows(const BlockDraw& task, int64_t b, float w, const float* v, float* panel_room,
                            float* floats) {
    const int k = task.rows.k;
    const int64_t begin = task.by_block.starts[b], end = task.by_block.starts[b + 1];
    float* zeros = floats;
    for (int f = 0; f < k; ++f) zeros[f] = 0.0f;
    TurnedRows turned{(end - begin + 15) / 16 * 16, floats + k, nullptr, nullptr};
    turned.q = turned.H + turned.n * k;
    turned.e = turned.q + turned.n;
    Panel panel;
    for (int64_t first = begin; first < end; first += panel_rows) {
        const int n = static_cast<int>(end - first < panel_rows ? end - first : panel_rows),
                  padded = (n + 15) / 16 * 16;
        gather_panel(task.rows, task.by_block, first, n, panel_room, panel);
        prefetch_panel(task.rows, task.by_block, first + n);
        for (int i = n; i < padded; ++i) {
            panel.z[i] = zeros;
            panel.q[i] = panel.t[i] = 0.0f;
        }
        const int64_t at = first - begin;
        for (int i = 0; i < padded; i += tile_side) {
            for (int f = 0; f < k; f += tile_side)
                transpose_tile(panel.z + i, f, turned.H + f * turned.n + at + i, turned.n);
        }
        for (int i = 0; i < padded; ++i) {
            turned.q[at + i] = panel.q[i];
            turned.e[at + i] = panel.t[i] - w * panel.q[i] - inner(v, panel.z[i], k);
        }
    }
    return turned;
}

// e -= change * before, then <column, column> and <column, e>.
struct Products {
    float squares, errors;
};

inline Products step_and_multiply(const TurnedRows& turned, float change, const float* before, const float* column) {
    const Lanes times = Lanes::fill(change);
    Lanes squares = Lanes::fill(0.0f), errors = squares;
    for (int64_t r = 0; r < turned.n; r += max_lanes) {
        const Lanes e = fnma(times, Lanes::load(before + r), Lanes::load(turned.e + r)), x = Lanes::load(column + r);
        e.store(turned.e + r);
        squares = fma(x, x, squares);
        errors = fma(x, e, errors);
    }
    return {sum(squares), sum(errors)};
}

// Draws block row b parameter by parameter, w first, each given all others.
inline void draw_by_coordinates(const BlockDraw& task, int64_t b, float* floats) {
    const int k = task.rows.k;
    const DrawOptions& options = task.options;
    const BlockTable& own = task.rows.tables[task.by_block.block];
    float *v = floats, *deviation = v + k, *noise = deviation + k, *panel_room = noise + k + normals_at_once;
    float w = own.terms[2 * b];
    for (int f = 0; f < k; ++f) v[f] = own.S[b * k + f];
    const TurnedRows turned = turn_rows(task, b, w, v, panel_room, panel_room + panel_rows * k);
    const PriorMean mean = mean_of(task.prior, b, k);
    for (int f = 0; f < k; ++f) deviation[f] = v[f] - mean.V[f];
    for (int f = 0; f < k + normals_at_once; ++f) noise[f] = 0.0f;
    if (options.with_noise) {
        SplitMix64 random = SplitMix64::of(options.seed, b);
        for (int f = 0; f < k + normals_at_once; f += normals_at_once) draw_normals(random, noise + f);
    }

    const float alpha = options.alpha;
    const float* before = turned.q;
    float change = 0.0f;
    if (options.fit_linear) {
        const Products products = step_and_multiply(turned, 0.0f, before, turned.q);
        const float p = alpha * products.squares + task.prior.precision_w;
        // Without rows and prior, nothing tells another value.
        if (p > 0.0f) {
            const float to = (alpha * (products.errors + products.squares * w) + task.prior.precision_w * mean.w) / p;
            change = to + noise[k] / sqrtf(p) - w;
            w += change;
        }
    }
    for (int f = 0; f < options.n_factors; ++f) {
        const float* column = turned.H + f * turned.n;
        const Products products = step_and_multiply(turned, change, before, column);
        const float* precision = task.prior.precision + f * k;
        const float p = alpha * products.squares + precision[f];
        // The slope of the log density at v_f, over its curvature.
        change = 0.0f;
        if (p > 0.0f) change = (alpha * products.errors - inner(precision, deviation, k)) / p + noise[f] / sqrtf(p);
        v[f] += change;
        deviation[f] += change;
        before = column;
    }
    if (task.errors) {
        const Products last = step_and_multiply(turned, change, before, turned.q);
        task.errors[2 * b] = last.errors;
        task.errors[2 * b + 1] = inner(turned.e, turned.e, static_cast<int>(turned.n));
    }
    keep(task.out, b, w, v, k);
}

// --- all block rows ----------------------------------------------------------------------------------------------------

// Draws the block rows first <= b < last that have at most `most` rows; the others are for draw_from_sums.
inline void draw_block_rows(const BlockDraw& task, int64_t first, int64_t last, int64_t most, float* room) {
    const int k = task.rows.k;
    const Sums sums(room, k);
    float* rest = room + sums_size(k);
    float* panel_room = rest + DrawRoom::size(k);
    for (int64_t b = first; b < last; ++b) {
        const int64_t begin = task.by_block.starts[b], end = task.by_block.starts[b + 1];
        if (b >= task.n_drawn) {
            if (task.errors) sum_errors(task, b, panel_room);
        } else if (task.options.by_coordinate && end - begin <= coordinate_rows) {
            draw_by_coordinates(task, b, rest);
        } else if (end - begin <= most) {
            sum_rows(task.rows, task.by_block, begin, end, draws_changes(task.rows), panel_room, sums);
            draw_from_sums(task, b, sums, rest);
        }
    }
}

// What is left of the targets of rows first <= r < last: y - p; `room` is (k,).
inline void residuals(const BlockedRows& rows, int64_t first, int64_t last, float* room, float* out) {
    for (int64_t r = first; r < last; ++r) out[r] = gather_row(rows, -1, r, room);
}

}  // namespace fastfm::FASTFM_ISA
