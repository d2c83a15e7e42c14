// Parameters of features that stand together in block rows (Rendle 2013, "Scaling factorization machines to relational
// data"): each feature's (w_j, v_j) jointly, given all others. Rows are looked at once for each block row; what they add up
// to serves all features of it.
//
// With a_b = S_b - x_bj v_j, the rows of block row b depend on (w_j, v_j) by x_bj [h_r + a_b, 1]. O(k^2) for each entry of
// the block rows, and O(k^3 / 6) for each feature.
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
        squares += x * x * dot_of(v, v, k);
    }
    const float half = 0.5f * dot_of(S, S, k);
    table.terms[2 * b] = linear + half - 0.5f * squares;
    table.terms[2 * b + 1] = half;
}

// Adds what block row b, of which x is the value of a feature with the factors v, tells about that feature; `a` and
// `product` are (k,).
inline void add_block_row(const Sums& rows, const BlockTable& table, int64_t b, float x, const float* v, int k,
                          const Sums& sums, float* a, float* product) {
    const float* S = table.S + b * k;
    const float own = table.terms[2 * b], xx = x * x;
    multiply(rows.G, S, k, product);
    const float error = rows.s() - own * rows.n() - dot_of(rows.m, S, k);
    const Lanes X = Lanes::fill(x), XX = Lanes::fill(xx), minus_x = Lanes::fill(-x), n = Lanes::fill(rows.n());
    const Lanes minus_own = Lanes::fill(-own), errors = Lanes::fill(error);
    for (int f = 0; f < k; f += max_lanes) {
        const Lanes rest = fma(minus_x, Lanes::load(v + f), Lanes::load(S + f)), m = Lanes::load(rows.m + f);
        rest.store(a + f);
        fma(XX, fma(n, rest, m), Lanes::load(sums.m + f)).store(sums.m + f);
        const Lanes tau = fma(minus_own, m, Lanes::load(rows.T + f)) - Lanes::load(product + f);
        fma(X, fma(errors, rest, tau), Lanes::load(sums.T + f)).store(sums.T + f);
    }
    sums.n() += xx * rows.n();
    sums.s() += x * error;
    for (int i = 0; i < k; ++i) {
        const float *G = rows.G + i * k, *m = rows.m;
        float* out = sums.G + i * k;
        const Lanes by_m = Lanes::fill(xx * a[i]), by_a = Lanes::fill(xx * (m[i] + rows.n() * a[i]));
        for (int f = first_column(i); f < k; f += max_lanes) {
            Lanes total = fma(XX, Lanes::load(G + f), Lanes::load(out + f));
            total = fma(by_m, Lanes::load(m + f), total);
            fma(by_a, Lanes::load(a + f), total).store(out + f);
        }
    }
}

// Lets block row b follow a feature of value x from (w, v) to (new_w, new_v).
inline void follow(const BlockTable& table, int64_t b, float x, float w, const float* v, float new_w,
                   const float* new_v, int k) {
    float* S = table.S + b * k;
    float* terms = table.terms + 2 * b;
    const Lanes X = Lanes::fill(x);
    for (int f = 0; f < k; f += max_lanes)
        fma(X, Lanes::load(new_v + f) - Lanes::load(v + f), Lanes::load(S + f)).store(S + f);
    const float half = 0.5f * dot_of(S, S, k), squares = dot_of(new_v, new_v, k) - dot_of(v, v, k);
    terms[0] += x * (new_w - w) + half - terms[1] - 0.5f * x * x * squares;
    terms[1] = half;
}

// Draws all features of the block, one after the other. task.sums holds the sums of all block rows, or is null: then they
// are made anew for each entry, which takes no memory.
inline void draw_features(const FeatureDraw& task, float* room) {
    const int k = task.rows.k;
    const BlockTable& table = task.rows.tables[task.by_block.block];
    const Sums sums(room, k), made(room + sums_size(k), k);
    float* floats = room + 2 * sums_size(k);
    const DrawRoom draw(floats, k);
    float *panel_room = floats + DrawRoom::size(k), *a = panel_room + panel_rows * k, *product = a + k;
    for (int64_t b = 0; b < task.X.n_rows; ++b) add_up(task, b);
    for (int64_t j = 0; j < task.n_features; ++j) {
        float *v = task.V + j * k, w = task.w[j];
        clear(sums, k);
        for (int64_t at = task.starts[j]; at < task.starts[j + 1]; ++at) {
            const int64_t b = task.block_rows[at];
            const int64_t begin = task.by_block.starts[b], end = task.by_block.starts[b + 1];
            if (begin == end) continue;
            if (!task.sums) sum_rows(task.rows, task.by_block, begin, end, panel_room, made);
            const Sums of_row = task.sums ? Sums(task.sums + b * sums_size(k), k) : made;
            add_block_row(of_row, table, b, task.data ? task.data[at] : 1.0f, v, k, sums, a, product);
        }
        // So far the targets are less all that is there, the feature's own part, too.
        multiply(sums.G, v, k, product);
        sums.s() += sums.n() * w + dot_of(sums.m, v, k);
        for (int f = 0; f < k; ++f) sums.T[f] += product[f] + w * sums.m[f];

        SplitMix64 random = SplitMix64::of(task.options.seed, j);
        const NormalPrior& prior = task.priors[task.group_of[j]];
        const float new_w = draw_jointly(sums, prior, mean_of(prior, 0, k), task.options, k, random, draw);
        if (task.is_in_place) {
            for (int64_t at = task.starts[j]; at < task.starts[j + 1]; ++at)
                follow(table, task.block_rows[at], task.data ? task.data[at] : 1.0f, w, v, new_w, draw.v, k);
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
    for (int f = 0; f < k; ++f) draw.c[f] = 0.0f;
    factorize(draw.A, k, draw.c, draw.y, draw.inverse);
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
