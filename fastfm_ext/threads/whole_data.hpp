// Least squares over all pairs, and what it needs of matrices, over several threads. Baseline flags only.
//
// A row's result depends on the row alone, and sums over rows are made in fixed chunks that are added in order: the same
// bits with any number of threads.
#pragma once

#include "dispatch.hpp"

namespace fastfm {

// Fills gradient and diagonal, (n_rows, k) and (n_rows,), and losses (n_rows,); see solvers/whole_data.hpp.
Status whole_gradient(const Kernels& kernels, const OtherSide& side, const Vectors& at, int n_threads,
                      const Vectors& gradient, const Vectors& diagonal, double* losses) noexcept;
Status whole_product(const Kernels& kernels, const OtherSide& side, const Vectors& direction, int n_threads,
                     const Vectors& product) noexcept;

// Moves each row's vector to the minimum of its own quadratic; fills losses (n_rows,) with those of before.
Status whole_solve(const Kernels& kernels, const OtherSide& side, const RowPenalties& l2, int n_steps, int n_threads,
                   const Vectors& at, double* losses) noexcept;

// to = A from: (n_rows, k) and (n_rows,).
Status combine(const Kernels& kernels, const Csr& A, const Vectors& from, int32_t k, int n_threads,
               const Vectors& to) noexcept;

// to (n, k) = from (n, k) times rotation (k, k).
Status rotate(const Kernels& kernels, const float* from, const float* rotation, int64_t n, int32_t k, int n_threads,
              float* to) noexcept;

// Fills sums (k + 2, k): the upper triangle of sum_u S_u S_u^T, then sum_u S_u, then sum_u own(u) S_u, over n rows.
Status moments(const Kernels& kernels, const Vectors& rows, int64_t n, int32_t k, int n_threads, double* sums) noexcept;

}  // namespace fastfm
