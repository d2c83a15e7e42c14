// Normal equations of the parameters (w, v) that some rows share, and their solution or a draw from their Gaussian.
//
// With z_r = q_r [h_r 1] and targets t_r (models/block_rows.hpp), the sums are G = sum z z' without its last row and
// column m and n, T = sum t z without its last value s, and tt = sum t^2. Given all other parameters (Rendle,
// Freudenthaler, Schmidt-Thieme 2011, for one coordinate; here for all of a feature's at once, w integrated out):
//
//   p = alpha n + lambda_w,   b = alpha s + lambda_w mu_w
//   A = alpha G + Lambda - alpha^2 m m' / p = U'U,   c = alpha T + Lambda mu - alpha m b / p
//   v = U^-1 (U^-T c + noise),   w ~ N((b - alpha m'v) / p, 1 / p)
//
// O(n_rows k^2 / 2 + k^3 / 6).
//
// Where columns depend on each other and the prior is weak, A is singular but for rounding, and a solution would be
// noise. Then the diagonal is raised, in proportion to itself (Marquardt 1963), until no pivot is that small.
#pragma once

#include "math/cholesky.hpp"
#include "math/normal.hpp"
#include "models/block_rows.hpp"
#include "types/sweep.hpp"

namespace fastfm::FASTFM_ISA {

// Views into sums_size(k) floats. Of G, only the tiles on and above the diagonal are filled in.
struct Sums {
    float *G, *m, *T;
    float* scalars;  // n, s, tt

    Sums(float* floats, int k) : G(floats), m(floats + k * k), T(m + k), scalars(T + k) {}
    float& n() const { return scalars[0]; }
    float& s() const { return scalars[1]; }
    float& tt() const { return scalars[2]; }
};

// A tile of G in registers: tile_rows broadcasts against tile_columns floats of each row.
constexpr int tile_rows = max_lanes == 16 ? 16 : 4;
constexpr int tile_registers = max_lanes == 16 ? 1 : 2;
constexpr int tile_columns = tile_registers * max_lanes;

inline int first_column(int row) { return row / tile_columns * tile_columns; }

// Adds a tile of G; with the first row of tiles, m and T of its columns, too.
template <bool is_first>
void add_tile(const Panel& panel, int n, int row, int column, const Sums& sums, int k) {
    float *G = sums.G + row * k + column, *m = sums.m + column, *T = sums.T + column;
    Lanes of_G[tile_rows][tile_registers], of_m[tile_registers], of_T[tile_registers];
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; ++i) {
#pragma GCC unroll 2
        for (int c = 0; c < tile_registers; ++c) of_G[i][c] = Lanes::load(G + i * k + c * max_lanes);
    }
#pragma GCC unroll 2
    for (int c = 0; is_first && c < tile_registers; ++c) {
        of_m[c] = Lanes::load(m + c * max_lanes);
        of_T[c] = Lanes::load(T + c * max_lanes);
    }
    for (int r = 0; r < n; ++r) {
        const float* z = panel.z[r];
        Lanes columns[tile_registers];
#pragma GCC unroll 2
        for (int c = 0; c < tile_registers; ++c) columns[c] = Lanes::load(z + column + c * max_lanes);
#pragma GCC unroll 16
        for (int i = 0; i < tile_rows; ++i) {
            const Lanes times = Lanes::fill(z[row + i]);
#pragma GCC unroll 2
            for (int c = 0; c < tile_registers; ++c) of_G[i][c] = fma(times, columns[c], of_G[i][c]);
        }
#pragma GCC unroll 2
        for (int c = 0; is_first && c < tile_registers; ++c) {
            of_m[c] = fma(Lanes::fill(panel.q[r]), columns[c], of_m[c]);
            of_T[c] = fma(Lanes::fill(panel.t[r]), columns[c], of_T[c]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < tile_rows; ++i) {
#pragma GCC unroll 2
        for (int c = 0; c < tile_registers; ++c) of_G[i][c].store(G + i * k + c * max_lanes);
    }
#pragma GCC unroll 2
    for (int c = 0; is_first && c < tile_registers; ++c) {
        of_m[c].store(m + c * max_lanes);
        of_T[c].store(T + c * max_lanes);
    }
}

// Adds the n rows of a panel, whose q and t may be padded with zeros.
inline void add_panel(Panel& panel, int n, const Sums& sums, int k) {
    for (int column = 0; column < k; column += tile_columns) add_tile<true>(panel, n, 0, column, sums, k);
    for (int row = tile_rows; row < k; row += tile_rows) {
        for (int column = first_column(row); column < k; column += tile_columns)
            add_tile<false>(panel, n, row, column, sums, k);
    }
    for (int r = n; r % max_lanes; ++r) panel.q[r] = panel.t[r] = 0.0f;
    Lanes squares = Lanes::fill(0.0f), s = squares, tt = squares;
    for (int r = 0; r < n; r += max_lanes) {
        const Lanes q = Lanes::load(panel.q + r), t = Lanes::load(panel.t + r);
        squares = fma(q, q, squares);
        s = fma(q, t, s);
        tt = fma(t, t, tt);
    }
    sums.n() += sum(squares);
    sums.s() += sum(s);
    sums.tt() += sum(tt);
}

inline void clear(const Sums& sums, int k) {
    const int64_t size = sums_size(k);
    for (int64_t i = 0; i < size; i += 4) Vec<4>::fill(0.0f).store(sums.G + i);
}

// Sums over the rows first <= i < last of one block row, in the block's order; `room` is (panel_rows, k). With
// `of_errors`, targets are what is left by the block row's parameters as they are.
inline void sum_rows(const BlockedRows& rows, const RowsByBlock& by_block, int64_t first, int64_t last, bool of_errors,
                     float* room, const Sums& sums) {
    Panel panel;
    clear(sums, rows.k);
    if (first == last) return;
    const int64_t b = own_block_row(rows, by_block, first);
    const BlockTable& own = rows.tables[by_block.block];
    for (int64_t i = first; i < last; i += panel_rows) {
        const int n = static_cast<int>(last - i < panel_rows ? last - i : panel_rows);
        gather_panel(rows, by_block, i, n, room, panel);
        prefetch_panel(rows, by_block, i + n);
        if (of_errors) take_off(own.terms[2 * b], own.S + b * rows.k, n, rows.k, panel);
        add_panel(panel, n, sums, rows.k);
    }
}

inline void add_sums(const Sums& part, const Sums& sums, int k) {
    const int64_t size = sums_size(k);
    for (int64_t i = 0; i < size; i += 4) (Vec<4>::load(sums.G + i) + Vec<4>::load(part.G + i)).store(sums.G + i);
}

// Rows of G of which the register with column f is filled in: those of its tile, and those above.
inline int rows_above(int f) { return f / tile_columns * tile_columns + tile_columns; }

// out = G v for symmetric G, of which the tiles below the diagonal are missing.
inline void multiply(const float* G, const float* v, int k, float* out) {
    for (int f = 0; f < k; f += max_lanes) {
        Lanes total = Lanes::fill(0.0f);
        for (int i = 0; i < rows_above(f); ++i) total = fma(Lanes::fill(v[i]), Lanes::load(G + i * k + f), total);
        total.store(out + f);
    }
    // What stands beyond the tile on the diagonal stands for what is missing below it, too.
    for (int i = 0; rows_above(i) < k; ++i)
        out[i] += inner(G + i * k + rows_above(i), v + rows_above(i), k - rows_above(i));
}

// Room for a draw, (k, k) and a few times (k,).
struct DrawRoom {
    float *A, *c, *y, *inverse, *noise, *v, *least;

    DrawRoom(float* floats, int k)
        : A(floats),
          c(A + k * k),
          y(c + k),
          inverse(y + k),
          noise(inverse + k),
          v(noise + k + normals_at_once),
          least(v + k) {}
    static constexpr int64_t size(int64_t k) { return k * k + 6 * k + normals_at_once; }
};

// Means of the prior for one feature or block row.
struct PriorMean {
    const float* V;
    float w;
};

inline PriorMean mean_of(const NormalPrior& prior, int64_t i, int k) {
    const int64_t at = prior.has_own_means ? i : 0;
    return {prior.mean_V + at * k, prior.mean_w[at]};
}

// A pivot below this part of its diagonal element may be all rounding.
constexpr float rounding_of_pivots = 2e-6f;

// The mean of w given that of v: (b - alpha m'v) / p.
struct LinearPart {
    float p, b;
    float shared;  // alpha / p; 0 without w

    LinearPart(const Sums& sums, const NormalPrior& prior, const PriorMean& mean, const DrawOptions& options)
        : p(options.alpha * sums.n() + prior.precision_w),
          b(options.alpha * sums.s() + prior.precision_w * mean.w),
          shared(options.fit_linear && p > 0.0f ? options.alpha / p : 0.0f) {}
};

// Fills in A, c and the least pivots; the diagonal is raised by `raise` times what it is with w given.
inline void set_up(const Sums& sums, const NormalPrior& prior, const PriorMean& mean, float alpha,
                   const LinearPart& linear, float raise, int k, const DrawRoom& room) {
    for (int i = 0; i < k; ++i) {
        const float* precision = prior.precision + i * k;
        const float* G = sums.G + i * k;
        float* A = room.A + i * k;
        const Lanes times = Lanes::fill(alpha), less = Lanes::fill(alpha * linear.shared * sums.m[i]);
        for (int f = first_column(i); f < k; f += max_lanes)
            fnma(less, Lanes::load(sums.m + f), fma(times, Lanes::load(G + f), Lanes::load(precision + f)))
                .store(A + f);
        room.c[i] = alpha * sums.T[i] + inner(precision, mean.V, k) - linear.shared * linear.b * sums.m[i];
        const float given_w = alpha * G[i] + precision[i];
        // Neither rows nor the prior tell anything about this one.
        if (given_w == 0.0f) A[i] = 1.0f;
        if (raise > 0.0f) A[i] += raise * given_w;
        room.least[i] = rounding_of_pivots * given_w;
    }
}

// Sets up the equations and factorizes A, with as high a diagonal as that takes; returns false if something in them is
// not finite.
inline bool eliminate(const Sums& sums, const NormalPrior& prior, const PriorMean& mean, float alpha,
                      const LinearPart& linear, int k, const DrawRoom& room) {
    for (float raise = 0.0f; raise <= 1.0f; raise = raise > 0.0f ? 4.0f * raise : 8.0f * rounding_of_pivots) {
        set_up(sums, prior, mean, alpha, linear, raise, k, room);
        if (factorize(room.A, k, room.least, room.c, room.y, room.inverse)) return true;
    }
    return false;
}

// Draws v (room.v) and returns w; `random` is where the noise comes from. All are NaN if something is not finite.
inline float draw_jointly(const Sums& sums, const NormalPrior& prior, const PriorMean& mean, const DrawOptions& options,
                          int k, SplitMix64& random, const DrawRoom& room) {
    const LinearPart linear(sums, prior, mean, options);
    if (!eliminate(sums, prior, mean, options.alpha, linear, k, room)) {
        for (int f = 0; f < k; ++f) room.v[f] = NAN;
        return NAN;
    }
    float noise_w = 0.0f;
    if (options.with_noise) {
        for (int f = 0; f < k + normals_at_once; f += normals_at_once) draw_normals(random, room.noise + f);
        for (int f = 0; f < options.n_factors; ++f) room.y[f] += room.noise[f];
        noise_w = room.noise[k];
    }
    mirror(room.A, k);
    solve_upper(room.A, k, room.inverse, room.y, room.v);
    if (!options.fit_linear) return 0.0f;
    if (!(linear.p > 0.0f)) return mean.w;
    return (linear.b - options.alpha * inner(sums.m, room.v, k)) / linear.p + noise_w / sqrtf(linear.p);
}

// Weighted sums of y - p and of its square, for rows that all have the linear and pair terms `own` and the factors v.
inline void errors_of(const Sums& sums, float own, const float* v, int k, float* room, double* errors) {
    multiply(sums.G, v, k, room);
    const double n = sums.n(), s = sums.s(), u = own, vm = inner(v, sums.m, k), vT = inner(v, sums.T, k);
    errors[0] = s - u * n - vm;
    errors[1] = sums.tt() - 2.0 * (u * s + vT) + u * u * n + 2.0 * u * vm + inner(v, room, k);
}

}  // namespace fastfm::FASTFM_ISA
