// The kernels over several threads. Built with baseline flags only: what is fast lies behind the table.
#pragma once

#include "dispatch.hpp"

namespace fastfm {

// One epoch, the visits split evenly between the threads. With one thread the result is exact and reproducible; with
// more they update shared parameters without locks (Hogwild: Niu, Recht, Re, Wright 2011), and it is not.
Status sgd_epoch(const Kernels& kernels, const Csr& X, const Targets& targets, const RowOrder& order,
                 const Params& params, const Options& options, int n_threads, double* loss_sum) noexcept;

// Rows are independent: the same result with any number of threads.
Status predict(const Kernels& kernels, const Csr& X, const Params& params, int n_threads, float* p) noexcept;
Status pool(const Kernels& kernels, const Csr& X, const Params& params, int n_threads, float* own,
            float* sum_vx) noexcept;

}  // namespace fastfm
