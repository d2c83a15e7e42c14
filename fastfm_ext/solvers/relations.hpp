// Parameters of features that stand together in block rows (Rendle 2013, "Scaling factorization machines to relational
// data"): each feature's (w_j, v_j) jointly, given all others. Rows are looked at once for each block row; what they add up
// to serves all features of it.
//
// With z_r = h_r + S_b, row r of block row b depends on (w_j, v_j) by x_bj [z_r - x_bj v_j, 1]. So what a feature needs are
// sums of x^2 G_b, with G_b = sum_r z_r z_r', and corrections that are made once a feature. O(k^2) for each entry of the
// block rows, and O(k^3 / 6) for each feature.
#pragma once

#include "solvers/gibbs.hpp"

namespace fastfm::FASTFM_ISA {

// Floats of room for drawing features.
constexpr int64_t feature_room(int64_t k) {
    return 2 * sums_size(static_cast<int32_t>(k)) + DrawRoom::size(k) + panel_rows * k + 3 * k;
}

// S and terms of a block row from its features' parameters.
inline void add_up(const FeatureDraw& task, int64_t b) {
    const int k = task.rows.k;
    const BlockTable& table = task.rows.tables[task.by_block.block];
    float* S = table.S + b * k;
    for (int f = 0; f < k; f += max_lanes) Lanes::fill(0.0f).store(S + f);
    float linear = 0.0f, squares = 0.0f;
    for (int64_t at = task.X.indptr[b]; at < task.X.indptr[b + 1]; ++at) {
        const int64_t j = task.X.indices[at];
        const float x = task.X.data ? task.X.data[at] : 1.0f;
        const float* v = task.V + j * k;
        const Lanes times = Lanes::fill(x);
        for (int f = 0; f < k; f += max_lanes) fma(times, Lanes::load(v + f), Lanes::load(S + f)).store(S + f);
        linear += x * task.w[j];
        squares += x * x * inner(v, v, k);
    }
    const float half = 0.5f * inner(S, S, k);
    table.terms[2 * b] = linear + half - 0.5f * squares;
    table.terms[2 * b + 1] = half;
}

// Turns the sums of the rows of block row b into sums about it: of z = h + S in place of h, and of the errors e = y - p in
// place of t. `product` is (k,).
inline void center_on(const BlockTable& table, int64_t b, int k, const Sums& sums, float* product) {
    const float* S = table.S + b * k;
    const float own = table.terms[2 * b], n = sums.n();
    multiply(sums.G, S, k, product);
    const float error = sums.s() - own * n - inner(sums.m, S, k);
    for (int i = 0; i < k; ++i) {
        float* row = sums.G + i * k;
        const Lanes by_S = Lanes::fill(sums.m[i] + n * S[i]), by_m = Lanes::fill(S[i]);
        for (int f = first_column(i); f < k; f += max_lanes) {
            const Lanes rest = fma(by_S, Lanes::load(S + f), Lanes::load(row + f));
            fma(by_m, Lanes::load(sums.m + f), rest).store(row + f);
        }
    }
    for (int f = 0; f < k; ++f) {
        sums.T[f] += error * S[f] - own * sums.m[f] - product[f];
        sums.m[f] += n * S[f];
    }
    sums.s() = error;
}

// Lets block row b, and the sums about it, follow a feature of value x from (w, v) to (w + change_w, v + change).
inline void follow(const BlockTable& table, int64_t b, float x, const float* v, float change_w, const float* change,
                   int k, const Sums* about, float* d) {
    float* S = table.S + b * k;
    float* terms = table.terms + 2 * b;
    const Lanes X = Lanes::fill(x);
    for (int f = 0; f < k; f += max_lanes) (X * Lanes::load(change + f)).store(d + f);
    const float v_d = inner(v, d, k), d_d = inner(d, d, k), S_d = inner(S, d, k);
    // own = linear + (|S|^2 - sum x^2 |v|^2) / 2
    terms[0] += x * change_w + S_d - x * v_d;
    terms[1] += S_d + 0.5f * d_d;
    for (int f = 0; f < k; f += max_lanes) (Lanes::load(S + f) + Lanes::load(d + f)).store(S + f);
    if (!about) return;

    const float n = about->n(), constant = x * (change_w - v_d);
    about->s() -= constant * n + inner(about->m, d, k);
    // T = sum e z: the errors lose constant + d'z, and every z gains d.
    const Lanes minus = Lanes::fill(-constant), errors = Lanes::fill(about->s());
    for (int f = 0; f < k; f += max_lanes) {
        const Lanes T = fma(minus, Lanes::load(about->m + f), Lanes::load(about->T + f));
        fma(errors, Lanes::load(d + f), T).store(about->T + f);
    }
    for (int i = 0; rows_above(i) < k; ++i)
        about->T[i] -= inner(about->G + i * k + rows_above(i), d + rows_above(i), k - rows_above(i));
    for (int f = 0; f < k; f += max_lanes) {
        const Lanes m = Lanes::load(about->m + f), d_f = Lanes::load(d + f);
        Lanes T = Lanes::load(about->T + f);
        for (int i = 0; i < rows_above(f); ++i) {
            float* at = about->G + i * k + f;
            const Lanes G = Lanes::load(at), d_i = Lanes::fill(d[i]);
            T = fnma(d_i, G, T);
            fma(d_i, m, fma(Lanes::fill(about->m[i] + n * d[i]), d_f, G)).store(at);
        }
        T.store(about->T + f);
    }
    const Lanes count = Lanes::fill(n);
    for (int f = 0; f < k; f += max_lanes)
        fma(count, Lanes::load(d + f), Lanes::load(about->m + f)).store(about->m + f);
}

// What the sums about the block rows of a feature add up to, before the feature itself is taken out of them.
struct FeatureSums {
    Sums sums;            // of x^2 G, x^2 m, x T, x^2 n, x s
    float* cubes;         // (k,): of x^3 m
    float n_3, n_4, s_2;  // of x^3 n, x^4 n, x^2 s
};

inline void add_block_row(const Sums& about, float x, int k, FeatureSums& total) {
    const float xx = x * x;
    const Lanes X = Lanes::fill(x), XX = Lanes::fill(xx), XXX = Lanes::fill(xx * x);
    for (int i = 0; i < k; ++i) {
        const float* G = about.G + i * k;
        float* out = total.sums.G + i * k;
        for (int f = first_column(i); f < k; f += max_lanes)
            fma(XX, Lanes::load(G + f), Lanes::load(out + f)).store(out + f);
    }
    for (int f = 0; f < k; f += max_lanes) {
        const Lanes m = Lanes::load(about.m + f);
        fma(XX, m, Lanes::load(total.sums.m + f)).store(total.sums.m + f);
        fma(XXX, m, Lanes::load(total.cubes + f)).store(total.cubes + f);
        fma(X, Lanes::load(about.T + f), Lanes::load(total.sums.T + f)).store(total.sums.T + f);
    }
    total.sums.n() += xx * about.n();
    total.sums.s() += x * about.s();
    total.n_3 += xx * x * about.n();
    total.n_4 += xx * xx * about.n();
    total.s_2 += xx * about.s();
}

// Takes a feature with the parameters (w, v) out of its sums: what is left are its normal equations. `product` is (k,).
inline void take_out(const FeatureSums& total, float w, const float* v, int k, float* product) {
    const Sums& sums = total.sums;
    for (int i = 0; i < k; ++i) {
        float* row = sums.G + i * k;
        const Lanes by_v = Lanes::fill(total.n_4 * v[i] - total.cubes[i]), by_cubes = Lanes::fill(v[i]);
        for (int f = first_column(i); f < k; f += max_lanes) {
            const Lanes rest = fma(by_v, Lanes::load(v + f), Lanes::load(row + f));
            fnma(by_cubes, Lanes::load(total.cubes + f), rest).store(row + f);
        }
    }
    for (int f = 0; f < k; ++f) {
        sums.m[f] -= total.n_3 * v[f];
        sums.T[f] -= total.s_2 * v[f];
    }
    // So far the targets are less the feature's own part, too.
    multiply(sums.G, v, k, product);
    sums.s() += sums.n() * w + inner(sums.m, v, k);
    for (int f = 0; f < k; ++f) sums.T[f] += product[f] + w * sums.m[f];
}

// Asks for the sums of the block row of an entry, which may lie anywhere, some entries before it is its turn.
inline void prefetch_sums(const FeatureDraw& task, int64_t at, int64_t end) {
    constexpr int entries_ahead = 2, floats_per_line = 16;
    if (!task.sums || at + entries_ahead >= end) return;
    const int64_t size = sums_size(task.rows.k);
    const float* sums = task.sums + task.block_rows[at + entries_ahead] * size;
    for (int64_t f = 0; f < size; f += floats_per_line) prefetch_line(sums + f);
}

// Draws all features of the block, one after the other. task.sums holds the sums of all block rows, or is null: then they
// are made anew for each entry, which takes no memory.
inline void draw_features(const FeatureDraw& task, float* room) {
    const int k = task.rows.k;
    const BlockTable& table = task.rows.tables[task.by_block.block];
    float* floats = room + 2 * sums_size(k);
    const DrawRoom draw(floats, k);
    float *panel_room = floats + DrawRoom::size(k), *cubes = panel_room + panel_rows * k, *product = cubes + k;
    FeatureSums total{Sums(room, k), cubes, 0.0f, 0.0f, 0.0f};
    const Sums made(room + sums_size(k), k);
    for (int64_t b = 0; b < task.X.n_rows; ++b) {
        add_up(task, b);
        if (task.sums) center_on(table, b, k, Sums(task.sums + b * sums_size(k), k), product);
    }
    for (int64_t j = 0; j < task.n_features; ++j) {
        float *v = task.V + j * k, *w = task.w + j;
        clear(total.sums, k);
        for (int f = 0; f < k; ++f) cubes[f] = 0.0f;
        total.n_3 = total.n_4 = total.s_2 = 0.0f;
        for (int64_t at = task.starts[j]; at < task.starts[j + 1]; ++at) {
            const int64_t b = task.block_rows[at];
            const float x = task.data ? task.data[at] : 1.0f;
            if (task.sums) {
                prefetch_sums(task, at, task.starts[j + 1]);
                add_block_row(Sums(task.sums + b * sums_size(k), k), x, k, total);
            } else {
                sum_rows(task.rows, task.by_block, task.by_block.starts[b], task.by_block.starts[b + 1], false,
                         panel_room, made);
                center_on(table, b, k, made, product);
                add_block_row(made, x, k, total);
            }
        }
        take_out(total, *w, v, k, product);

        SplitMix64 random = SplitMix64::of(task.options.seed, j);
        const NormalPrior& prior = task.priors[task.group_of[j]];
        const float new_w = draw_jointly(total.sums, prior, mean_of(prior, 0, k), task.options, k, random, draw);
        if (task.is_in_place) {
            for (int f = 0; f < k; ++f) draw.c[f] = draw.v[f] - v[f];
            for (int64_t at = task.starts[j]; at < task.starts[j + 1]; ++at) {
                const int64_t b = task.block_rows[at];
                const Sums about(task.sums ? task.sums + b * sums_size(k) : room, k);
                follow(table, b, task.data ? task.data[at] : 1.0f, v, new_w - *w, draw.c, k,
                       task.sums ? &about : nullptr, product);
            }
        }
        for (int f = 0; f < k; f += max_lanes) Lanes::load(draw.v + f).store(task.V_out + j * k + f);
        task.w_out[j] = new_w;
    }
}

// Draws the features that prior means of block rows are sums of (Adams, Dahl, Murray 2010; Simm et al. 2017, "Macau"),
// each given all others:
//
//   theta_j ~ N( (sum_b x_bj (d_b + x_bj theta_j)) / c, (c Lambda)^-1 ),   c = sum_b x_bj^2 + tau,   d = Q - mu - X theta
//
// No row of the data takes part: O(nnz k).
inline void draw_means(const MeanDraw& task, float* room) {
    const int k = task.k;
    const DrawRoom draw(room, k);
    for (int64_t i = 0; i < int64_t{k} * k; i += max_lanes) Lanes::load(task.precision + i).store(draw.A + i);
    for (int f = 0; f < k; ++f) draw.c[f] = draw.least[f] = 0.0f;
    factorize(draw.A, k, draw.least, draw.c, draw.y, draw.inverse);
    mirror(draw.A, k);
    for (int64_t j = 0; j < task.n_features; ++j) {
        const int32_t group = task.group_of[j];
        float* theta = task.theta + j * k;
        float squares = 0.0f, errors_w = 0.0f;
        for (int f = 0; f < k; ++f) draw.c[f] = 0.0f;
        for (int64_t at = task.starts[j]; at < task.starts[j + 1]; ++at) {
            const int64_t b = task.block_rows[at];
            const float x = task.data ? task.data[at] : 1.0f;
            squares += x * x;
            errors_w += x * task.residual_w[b];
            const Lanes X = Lanes::fill(x);
            const float* d = task.residual_V + b * k;
            for (int f = 0; f < k; f += max_lanes)
                fma(X, Lanes::load(d + f), Lanes::load(draw.c + f)).store(draw.c + f);
        }
        SplitMix64 random = SplitMix64::of(task.seed, j);
        for (int f = 0; f < k + normals_at_once; f += normals_at_once) draw_normals(random, draw.noise + f);
        const float noise_w = draw.noise[k];
        for (int f = 0; f < k; ++f) draw.y[f] = f < task.n_factors ? draw.noise[f] : 0.0f;
        solve_upper(draw.A, k, draw.inverse, draw.y, draw.v);
        const float c = squares + task.relative_precision[group], root = 1.0f / sqrtf(c);
        // The change of theta, in draw.v.
        for (int f = 0; f < k; ++f) {
            const float to = (draw.c[f] + squares * theta[f]) / c + root * draw.v[f];
            draw.v[f] = to - theta[f];
            theta[f] = to;
        }
        float change_w = 0.0f;
        if (task.fit_linear) {
            const float c_w = squares + task.relative_precision_w[group], w = task.theta_w[j];
            const float to = (errors_w + squares * w) / c_w + noise_w / sqrtf(c_w * task.precision_w);
            change_w = to - w;
            task.theta_w[j] = to;
        }
        for (int64_t at = task.starts[j]; at < task.starts[j + 1]; ++at) {
            const int64_t b = task.block_rows[at];
            const float x = task.data ? task.data[at] : 1.0f;
            subtract_multiple(task.residual_V + b * k, x, draw.v, 0, k);
            task.residual_w[b] -= x * change_w;
        }
    }
}

}  // namespace fastfm::FASTFM_ISA
