// Cholesky factors of small matrices in float32, and triangular systems.
//
// Matrices are (k, k) with k a multiple of 16, by rows. Loops go over whole registers, so that what stands on the other
// side of the diagonal in the same register is computed with, and means nothing.
#pragma once

#include <float.h>
#include <math.h>

#include "math/lanes.hpp"
#include "math/transpose.hpp"

namespace fastfm::FASTFM_ISA {

// a -= c b from the register with place `first` on.
inline void subtract_multiple(float* a, float c, const float* b, int first, int k) {
    const Lanes times = Lanes::fill(c);
    for (int f = first / max_lanes * max_lanes; f < k; f += max_lanes)
        fnma(times, Lanes::load(b + f), Lanes::load(a + f)).store(a + f);
}

// A = U'U, in the upper triangle of A; `inverse` gets the reciprocals of the diagonal, and y the solution of U'y = c,
// where c is overwritten. Returns whether A is positive definite, with pivots above `least` (k,): smaller ones may be
// rounding. k^3 / 6 products, four pivots at a time.
inline bool factorize(float* A, int k, const float* least, float* c, float* y, float* inverse) {
    constexpr int pivots = 4;
    for (int first = 0; first < k; first += pivots) {
        const int last = first + pivots;
        for (int j = first; j < last; ++j) {
            float* row = A + j * k;
            if (!(row[j] > least[j] && row[j] <= FLT_MAX)) return false;
            inverse[j] = 1.0f / sqrtf(row[j]);
            const Lanes scale = Lanes::fill(inverse[j]);
            for (int f = j / max_lanes * max_lanes; f < k; f += max_lanes)
                (Lanes::load(row + f) * scale).store(row + f);
            y[j] = c[j] * inverse[j];
            subtract_multiple(c, y[j], row, j, k);
            for (int i = j + 1; i < last; ++i) subtract_multiple(A + i * k, row[i], row, i, k);
        }
        const float *p = A + first * k, *q = p + k, *r = q + k, *s = r + k;
        for (int i = last; i < k; ++i) {
            const Lanes a = Lanes::fill(p[i]), b = Lanes::fill(q[i]), d = Lanes::fill(r[i]), e = Lanes::fill(s[i]);
            float* row = A + i * k;
            for (int f = i / max_lanes * max_lanes; f < k; f += max_lanes) {
                Lanes rest = Lanes::load(row + f);
                rest = fnma(a, Lanes::load(p + f), rest);
                rest = fnma(b, Lanes::load(q + f), rest);
                rest = fnma(d, Lanes::load(r + f), rest);
                fnma(e, Lanes::load(s + f), rest).store(row + f);
            }
        }
    }
    return true;
}

// Puts the transpose of the upper triangle into the lower one, by tiles.
inline void mirror(float* A, int k) {
    const float* rows[tile_side];
    float turned[tile_side * tile_side];
    for (int i = 0; i < k; i += tile_side) {
        for (int r = 0; r < tile_side; ++r) rows[r] = A + (i + r) * k;
        transpose_tile(rows, i, turned, tile_side);
        for (int r = 1; r < tile_side; ++r) {
            for (int c = 0; c < r; ++c) A[(i + r) * k + i + c] = turned[r * tile_side + c];
        }
        for (int j = i + tile_side; j < k; j += tile_side) transpose_tile(rows, j, A + j * k + i, k);
    }
}

// Solves U v = y, where y is overwritten; A has U in its upper triangle and U' in its lower one.
inline void solve_upper(const float* A, int k, const float* inverse, float* y, float* v) {
    for (int j = k - 1; j >= 0; --j) {
        v[j] = y[j] * inverse[j];
        const Lanes times = Lanes::fill(v[j]);
        const float* column = A + j * k;
        for (int f = 0; f < j; f += max_lanes) fnma(times, Lanes::load(column + f), Lanes::load(y + f)).store(y + f);
    }
}

}  // namespace fastfm::FASTFM_ISA
