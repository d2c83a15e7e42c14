// An epoch over several threads, each with parameters of its own, which are merged at fixed visits.
//
// No thread writes to what another reads, so nothing depends on timing: the same number of threads gives the same bits,
// whatever the number of cores. That pays where the parameters fit a core's own cache, and where there are visits enough
// for each merge of all features. Frequent features are merged more often, because what several threads have learned
// apart adds up only as long as it is little; math/merging.hpp says how much of it counts.
#pragma once

#include <vector>

#include "dispatch.hpp"

namespace fastfm {

// Parameters up to this size are trained by replicas: about a second-level cache, which cores have of their own.
constexpr int64_t most_replica_bytes = int64_t{1} << 22;

// More threads than these learn worse between merges than fewer do: what rows have in common, each would learn whole.
constexpr int most_replicas = 4;

// Whether threads have replicas: of a model that can merge them, and so many bytes of parameters of its features.
inline bool has_replicas(const ModelTraits& model, int64_t n_bytes) {
    return model.has_replicas && n_bytes <= most_replica_bytes;
}

int64_t bytes_of_features(const Params& params);

// Whether there are visits enough for merging to cost less than threads gain.
bool pays_for_replicas(const Csr& X, const RowOrder& order, const Params& params);

// Makes the visits of one epoch. A row whose score is not finite ends it at the next merge; of several such rows, the
// status names that of the first thread. `params` are those of each thread: the same but for the room.
Status replicas_epoch(const Kernels& kernels, const Csr& X, const Targets& targets, const RowOrder& order,
                      const std::vector<Params>& params, const Options& options, double* loss_sum);

}  // namespace fastfm
