// The kernels over several threads. Built with baseline flags only: what is fast lies behind the table.
#pragma once

#include "dispatch.hpp"

namespace fastfm {

// One epoch, the visits split evenly between the threads.
//
// One thread: exact and reproducible. More: where parameters are few, each thread has its own, and the result is that of
// any other run with so many threads; see replicas.hpp. Else they update shared parameters without locks (Hogwild: Niu,
// Recht, Re, Wright 2011), and the result depends on timing. That works where rows seldom meet. Where they meet in
// every row, in w0 and in `hot` features, each thread has copies of its own, and every few thousand visits it adds what
// it has learned to the shared values, under a lock, and takes up what the others have learned. AdaGrad adds whole
// changes, its sums of squares too, and so slows down as it should; SGD, whose steps do not shrink, adds the mean over
// the threads, and FTRL, whose state belongs to its weight, a share between the two, the sum over the root of their
// number. The state of a rule that averages moves towards that of each thread (`Merge`).
Status sgd_epoch(const Kernels& kernels, const Csr& X, const Targets& targets, const RowOrder& order,
                 const Params& params, const HotFeatures& hot, const Options& options, int n_threads,
                 double* loss_sum) noexcept;

// The softmax of one machine a class, by one thread.
Status multinomial_epoch(const Kernels& kernels, const Csr& X, const Targets& targets, const RowOrder& order,
                         const Machines& machines, const Options& options, double* loss_sum) noexcept;

// Rows are independent: the same result with any number of threads.
Status predict(const Kernels& kernels, const Csr& X, const Params& params, int n_threads, float* p) noexcept;
Status pool(const Kernels& kernels, const Csr& X, const Params& params, int n_threads, float* own,
            float* sum_vx) noexcept;
Status feature_contributions(const Kernels& kernels, const Csr& X, const Params& params, int n_threads,
                             const FeatureContributions& out) noexcept;
Status group_contributions(const Kernels& kernels, const Csr& X, const Params& params, int n_threads,
                           const GroupContributions& out) noexcept;

}  // namespace fastfm
