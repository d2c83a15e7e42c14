// Least squares over ALL pairs of users and items, a pair that was not chosen with the small weight a0:
//
//   L = sum_{(u,t) chosen} c_ut (p_ut - 1)^2 + a0 sum_{u,t} p_ut^2 + L2,     p_ut = own(u) + own(t) + <S_u, S_t>
//
// (Hu, Koren, Volinsky 2008; for factorization machines Bayer, He, Kanagal, Rendle 2017, whose sums over all pairs are
// sums over rows). What is here looks at one side's rows u, the other side's vectors z_t = [S_t, 1] being given. With
// x_u = [S_u, own(u)], half the gradient in x_u is
//
//   g_u = sum_{t chosen} c_ut (p_ut - 1) z_t + a0 sum_t p_ut z_t,
//
// and half of the second derivatives, times a direction d, is  sum_{t chosen} c_ut <z_t, d> z_t + a0 sum_t <z_t, d> z_t.
// The factors are turned so that sum_t S_t S_t^T is diagonal: a sum over all t then costs O(k) a row, and what is chosen
// O(k) an interaction. A row's sums are made in the order of its items, whichever thread makes them.
#pragma once

#include <string.h>

#include "math/dense.hpp"
#include "types/whole_data.hpp"

namespace fastfm::FASTFM_ISA {

// Terms whose rows are read together, so that the sums are read and written once for all of them.
constexpr int terms_at_once = 4;

// What a row has chosen.
struct ChosenOf {
    const int32_t* items;
    const float* weights;  // or null
    int64_t n;

    ChosenOf(const Csr& chosen, int64_t row)
        : items(chosen.indices + chosen.indptr[row]),
          weights(chosen.data ? chosen.data + chosen.indptr[row] : nullptr),
          n(chosen.indptr[row + 1] - chosen.indptr[row]) {}

    float weight(int64_t j) const { return weights ? weights[j] : 1.0f; }
};

// Adds sum_t c_ut r_t [S_t, 1] to (total, total_own); r_t = <z_t, x_u> for a direction, and p_ut - 1 for a residual.
// Returns sum_t c_ut r_t^2. O(n k).
template <bool is_residual>
double add_chosen(const OtherSide& side, const ChosenOf& chosen, const float* x, float own, float* total,
                  float* total_own) {
    const int32_t k = side.k;
    double squares = 0.0;
    float owns = 0.0f;
    for (int64_t first = 0; first < chosen.n; first += terms_at_once) {
        const int m = static_cast<int>(chosen.n - first < terms_at_once ? chosen.n - first : terms_at_once);
        const float* rows[terms_at_once];
        Lanes dots[terms_at_once], steps[terms_at_once];
        for (int j = 0; j < terms_at_once; ++j) {
            // Where there are fewer terms, the first stands for those that are missing, with a weight of 0.
            rows[j] = side.others.factors + int64_t{chosen.items[first + (j < m ? j : 0)]} * k;
            dots[j] = Lanes::fill(0.0f);
        }
        if (is_residual)
            for (int j = 0; j < terms_at_once && first + terms_at_once + j < chosen.n; ++j) {
                const float* later = side.others.factors + int64_t{chosen.items[first + terms_at_once + j]} * k;
                for (int32_t f = 0; f < k; f += 16) prefetch_line(later + f);
            }
        for (int32_t f = 0; f < k; f += max_lanes) {
            const Lanes of_row = Lanes::load(x + f);
            for (int j = 0; j < terms_at_once; ++j) dots[j] = fma(Lanes::load(rows[j] + f), of_row, dots[j]);
        }
        for (int j = 0; j < terms_at_once; ++j) {
            float step = 0.0f;
            if (j < m) {
                float r = sum(dots[j]) + own;
                if (is_residual) r += side.others.own[chosen.items[first + j]] - 1.0f;
                step = chosen.weight(first + j) * r;
                squares += double{step} * r;
            }
            owns += step;
            steps[j] = Lanes::fill(step);
        }
        for (int32_t f = 0; f < k; f += max_lanes) {
            Lanes s = Lanes::load(total + f);
            for (int j = 0; j < terms_at_once; ++j) s = fma(steps[j], Lanes::load(rows[j] + f), s);
            s.store(total + f);
        }
    }
    *total_own += owns;
    return squares;
}

// Writes a0 sum_t r_t [S_t, 1] over all t, r_t = <z_t, x_u>, and for a residual <z_t, x_u> + own(t). O(k).
template <bool is_residual>
void write_all(const OtherSide& side, const float* x, float own, float* total, float* total_own) {
    Lanes products = Lanes::fill(0.0f);
    const Lanes of_own = Lanes::fill(own);
    for (int32_t f = 0; f < side.k; f += max_lanes) {
        const Lanes at = Lanes::load(x + f), sums = Lanes::load(side.sums + f);
        products = fma(at, sums, products);
        Lanes s = fma(of_own, sums, Lanes::load(side.squares + f) * at);
        if (is_residual) s = s + Lanes::load(side.owns + f);
        s.store(total + f);
    }
    *total_own = sum(products) + side.count * own + (is_residual ? side.own : 0.0f);
}

// Writes the diagonal of the second derivatives: a0 sum_t z_t^2 + sum_{t chosen} c_ut z_t^2. O(n k).
inline void write_diagonal(const OtherSide& side, const ChosenOf& chosen, float* diagonal, float* diagonal_own) {
    memcpy(diagonal, side.squares, sizeof(float) * side.k);
    float owns = side.count;
    for (int64_t j = 0; j < chosen.n; ++j) {
        const float* row = side.others.factors + int64_t{chosen.items[j]} * side.k;
        const Lanes weight = Lanes::fill(chosen.weight(j));
        owns += chosen.weight(j);
        for (int32_t f = 0; f < side.k; f += max_lanes) {
            const Lanes z = Lanes::load(row + f);
            fma(weight * z, z, Lanes::load(diagonal + f)).store(diagonal + f);
        }
    }
    *diagonal_own = owns;
}

// gradient[u] = g_u, diagonal[u] that of the second derivatives, losses[u] = sum c_ut (p_ut - 1)^2, for these rows.
inline void whole_gradient(const OtherSide& side, const Vectors& at, int64_t first, int64_t last,
                           const Vectors& gradient, const Vectors& diagonal, double* losses) {
    for (int64_t u = first; u < last; ++u) {
        const ChosenOf chosen(side.chosen, u);
        const float* x = at.factors + u * side.k;
        float* g = gradient.factors + u * side.k;
        write_all<true>(side, x, at.own[u], g, gradient.own + u);
        losses[u] = add_chosen<true>(side, chosen, x, at.own[u], g, gradient.own + u);
        write_diagonal(side, chosen, diagonal.factors + u * side.k, diagonal.own + u);
    }
}

// product[u] = half of the second derivatives times direction[u], for these rows.
inline void whole_product(const OtherSide& side, const Vectors& direction, int64_t first, int64_t last,
                          const Vectors& product) {
    for (int64_t u = first; u < last; ++u) {
        const float* d = direction.factors + u * side.k;
        float* q = product.factors + u * side.k;
        write_all<false>(side, d, direction.own[u], q, product.own + u);
        add_chosen<false>(side, ChosenOf(side.chosen, u), d, direction.own[u], q, product.own + u);
    }
}

// The vectors of one row's conjugate gradients; the last value of each is that of own(u).
struct RowSystem {
    int32_t k;
    float *residual, *direction, *product, *inverse, *step;  // (k + 16,)

    RowSystem(float* room, int32_t n_factors)
        : k(n_factors),
          residual(room),
          direction(residual + k + 16),
          product(direction + k + 16),
          inverse(product + k + 16),
          step(inverse + k + 16) {}

    // sum of a b c over the k + 1 values; where c is null, of a b.
    double dot(const float* a, const float* b, const float* c) const {
        Lanes products = Lanes::fill(0.0f);
        for (int32_t f = 0; f < k; f += max_lanes) {
            const Lanes ab = Lanes::load(a + f) * Lanes::load(b + f);
            products = c ? fma(ab, Lanes::load(c + f), products) : products + ab;
        }
        return double{sum(products)} + double{a[k]} * b[k] * (c ? c[k] : 1.0f);
    }

    // a = a + scale b, over the k + 1 values.
    void add(float* a, float scale, const float* b) const {
        const Lanes by = Lanes::fill(scale);
        for (int32_t f = 0; f < k; f += max_lanes) fma(by, Lanes::load(b + f), Lanes::load(a + f)).store(a + f);
        a[k] += scale * b[k];
    }
};

// Moves x_u to the minimum of the row's own quadratic, by conjugate gradients with the diagonal as preconditioner: for a
// side whose rows share no feature. Returns the sum of c_ut (p_ut - 1)^2 of before. O(n_steps n k).
inline double solve_row(const OtherSide& side, const RowPenalties& l2, int n_steps, int64_t u, const Vectors& at,
                        const RowSystem& system) {
    constexpr double small = 1e-10;  // of the squared residual that it began with
    const int32_t k = side.k;
    const ChosenOf chosen(side.chosen, u);
    float* x = at.factors + u * k;
    const float l2_factors = l2.factors[u], l2_own = l2.own[u];
    write_all<true>(side, x, at.own[u], system.residual, system.residual + k);
    const double loss = add_chosen<true>(side, chosen, x, at.own[u], system.residual, system.residual + k);
    write_diagonal(side, chosen, system.inverse, system.inverse + k);
    const Lanes penalty = Lanes::fill(l2_factors), one = Lanes::fill(1.0f);
    for (int32_t f = 0; f < k; f += max_lanes) {
        const Lanes minus = Lanes::fill(0.0f) - Lanes::load(system.residual + f);
        fnma(penalty, Lanes::load(x + f), minus).store(system.residual + f);
        // Factors beyond the user's have neither values nor L2 that differ from 0, and stay 0.
        const Lanes diagonal = max(Lanes::load(system.inverse + f) + penalty, Lanes::fill(1e-30f));
        (one / diagonal).store(system.inverse + f);
        Lanes::fill(0.0f).store(system.step + f);
    }
    system.residual[k] = side.fit_own ? -system.residual[k] - l2_own * at.own[u] : 0.0f;
    system.inverse[k] = 1.0f / (system.inverse[k] + l2_own);
    system.step[k] = 0.0f;
    for (int32_t f = 0; f < k; f += max_lanes)
        (Lanes::load(system.inverse + f) * Lanes::load(system.residual + f)).store(system.direction + f);
    system.direction[k] = system.inverse[k] * system.residual[k];

    double rho = system.dot(system.residual, system.residual, system.inverse);
    const double enough = small * rho;
    for (int step = 0; step < n_steps && rho > enough; ++step) {
        write_all<false>(side, system.direction, system.direction[k], system.product, system.product + k);
        add_chosen<false>(side, chosen, system.direction, system.direction[k], system.product, system.product + k);
        for (int32_t f = 0; f < k; f += max_lanes)
            fma(penalty, Lanes::load(system.direction + f), Lanes::load(system.product + f)).store(system.product + f);
        system.product[k] = side.fit_own ? system.product[k] + l2_own * system.direction[k] : 0.0f;
        const double curvature = system.dot(system.direction, system.product, nullptr);
        if (!(curvature > 0.0)) break;
        const auto length = static_cast<float>(rho / curvature);
        system.add(system.step, length, system.direction);
        system.add(system.residual, -length, system.product);
        const double next = system.dot(system.residual, system.residual, system.inverse);
        const Lanes ratio = Lanes::fill(static_cast<float>(next / rho));
        for (int32_t f = 0; f < k; f += max_lanes)
            fma(ratio, Lanes::load(system.direction + f),
                Lanes::load(system.inverse + f) * Lanes::load(system.residual + f))
                .store(system.direction + f);
        system.direction[k] =
            static_cast<float>(next / rho) * system.direction[k] + system.inverse[k] * system.residual[k];
        rho = next;
    }
    for (int32_t f = 0; f < k; f += max_lanes) (Lanes::load(x + f) + Lanes::load(system.step + f)).store(x + f);
    at.own[u] += system.step[k];
    return loss;
}

inline void whole_solve(const OtherSide& side, const RowPenalties& l2, int n_steps, int64_t first, int64_t last,
                        const Vectors& at, float* room, double* losses) {
    const RowSystem system(room, side.k);
    for (int64_t u = first; u < last; ++u) losses[u] = solve_row(side, l2, n_steps, u, at, system);
}

// to = A from, sparse times dense, for these rows of A. Long sums are made in runs, so that float32 loses little. O(nnz k).
template <int n_vecs>
void combine_columns(const Csr& A, const float* from, int64_t row, int32_t k, float* to) {
    constexpr int64_t run = 256;
    Lanes total[n_vecs];
    for (int v = 0; v < n_vecs; ++v) total[v] = Lanes::fill(0.0f);
    const int64_t end = A.indptr[row + 1];
    for (int64_t begin = A.indptr[row]; begin < end; begin += run) {
        Lanes sums[n_vecs];
        for (int v = 0; v < n_vecs; ++v) sums[v] = Lanes::fill(0.0f);
        const int64_t stop = end - begin < run ? end : begin + run;
        for (int64_t j = begin; j < stop; ++j) {
            const float* term = from + int64_t{A.indices[j]} * k;
            const Lanes a = Lanes::fill(A.data ? A.data[j] : 1.0f);
            for (int v = 0; v < n_vecs; ++v) sums[v] = fma(a, Lanes::load(term + v * max_lanes), sums[v]);
        }
        for (int v = 0; v < n_vecs; ++v) total[v] = total[v] + sums[v];
    }
    for (int v = 0; v < n_vecs; ++v) total[v].store(to + row * k + v * max_lanes);
}

inline void combine(const Csr& A, const Vectors& from, int32_t k, int64_t first, int64_t last, const Vectors& to) {
    constexpr int four = 4 * max_lanes;
    for (int64_t row = first; row < last; ++row) {
        int32_t f = 0;
        for (; f + four <= k; f += four) combine_columns<4>(A, from.factors + f, row, k, to.factors + f);
        for (; f < k; f += max_lanes) combine_columns<1>(A, from.factors + f, row, k, to.factors + f);
        double own = 0.0;
        for (int64_t j = A.indptr[row]; j < A.indptr[row + 1]; ++j)
            own += double{A.data ? A.data[j] : 1.0f} * from.own[A.indices[j]];
        to.own[row] = static_cast<float>(own);
    }
}

// to = from times the (k, k) rotation, for these rows.
inline void rotate(const float* from, const float* rotation, int64_t first, int64_t last, int32_t k, float* to) {
    constexpr int64_t rows_at_once = 64;  // columns of the rotation stay in the cache for so many rows
    memset(to + first * k, 0, sizeof(float) * (last - first) * k);
    for (int64_t u = first; u < last; u += rows_at_once) {
        const int64_t n = last - u < rows_at_once ? last - u : rows_at_once;
        add_product({from + u * k, k, 1}, rotation, n, k, k, to + u * k);
    }
}

// Adds sum_u S_u S_u^T (k, k; the upper triangle), sum_u S_u (k,) and sum_u own(u) S_u (k,), one behind the other, to `sums`, for these rows:
// in float32 over some rows, then in float64. `room` is as long as `sums`. O(n k^2).
inline void add_moments(const Vectors& rows, int64_t first, int64_t last, int32_t k, float* room, double* sums) {
    constexpr int64_t rows_at_once = 256;
    const int64_t length = (int64_t{k} + 2) * k;
    float *totals = room + int64_t{k} * k, *owns = totals + k;
    for (int64_t u = first; u < last; u += rows_at_once) {
        const int64_t n = last - u < rows_at_once ? last - u : rows_at_once;
        const float* S = rows.factors + u * k;
        memset(room, 0, sizeof(float) * length);
        add_gram(S, n, k, room);
        for (int64_t r = 0; r < n; ++r) {
            const Lanes own = Lanes::fill(rows.own[u + r]);
            for (int32_t f = 0; f < k; f += max_lanes) {
                const Lanes s = Lanes::load(S + r * k + f);
                (Lanes::load(totals + f) + s).store(totals + f);
                fma(own, s, Lanes::load(owns + f)).store(owns + f);
            }
        }
        for (int64_t j = 0; j < length; ++j) sums[j] += double{room[j]};
    }
}

}  // namespace fastfm::FASTFM_ISA
