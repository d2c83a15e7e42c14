// Draws of a block's parameters over several threads. The same bits with any number of threads.
#pragma once

#include "dispatch.hpp"
#include "types/status.hpp"
#include "types/sweep.hpp"

namespace fastfm {

Status draw_blocks(const Kernels& kernels, const BlockDraw& task, int n_threads) noexcept;
Status draw_features(const Kernels& kernels, const FeatureDraw& task, int n_threads) noexcept;
Status draw_means(const Kernels& kernels, const MeanDraw& task) noexcept;
Status residuals(const Kernels& kernels, const BlockedRows& rows, int n_threads, float* out) noexcept;

}  // namespace fastfm
