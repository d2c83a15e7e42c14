// Learning to rank over several threads, and the vectors of new users. Baseline flags only.
#pragma once

#include "dispatch.hpp"

namespace fastfm {

// One epoch, the visits split evenly between the threads, which update shared parameters without locks (Hogwild: Niu,
// Recht, Re, Wright 2011). One thread: exact and reproducible. More: each visit draws the same items, but what it finds
// in the parameters depends on timing.
Status ranking_epoch(const Kernels& kernels, const RankingData& data, const Params& params,
                     const RankingOptions& options, int n_threads, double* loss_sum) noexcept;

// Fills task.sum_user; task.workspace need not be set.
Status fold_in(const Kernels& kernels, const FoldIn& task, const Negatives& negatives) noexcept;

}  // namespace fastfm
