// The parameters of a model, with the optimizer's state.
#pragma once

#include <stdint.h>

namespace fastfm {

// The parameters, each with the optimizer's state right behind it, so that one step touches one place in memory.
// A parameter and its `n_slots` state values form a record: SGD has no slot, AdaGrad one (the sum of squared gradients).
struct Params {
    float* w0;        // (1 + n_slots,)
    float* w;         // (n_features, 1 + n_slots)
    float* V;         // (n_features, 1 + n_slots, k)
    int32_t k;        // factors with their padding: 0, 4, 8 or a multiple of 16; the padding stays zero
    int32_t n_slots;  // state values for each parameter

    // Where this thread keeps its own copies of hot features: feature number n_features + h is copy h. Null: no copies,
    // and every number is below n_features.
    int64_t n_features;
    float* copies_w;  // (n_copies, 1 + n_slots)
    float* copies_V;  // (n_copies, 1 + n_slots, k)
};

// Features that stand in so many rows that threads would wait for each other's writes to them. Where there are any, the
// rows name feature features[h] by the number n_features + h.
struct HotFeatures {
    int64_t n;
    const int32_t* features;
};

}  // namespace fastfm
