// What epochs.inc has for the table of kernels.inc.
#pragma once

#include "dispatch.hpp"

namespace fastfm::FASTFM_ISA {

Status sgd_epoch_entry(const Csr& X, const Targets& targets, const RowOrder& order, const Params& params,
                       const Options& options, double* loss_sum);

Status multinomial_epoch_entry(const Csr& X, const Targets& targets, const RowOrder& order, const Machines& machines,
                               const Options& options, double* loss_sum);

}  // namespace fastfm::FASTFM_ISA
