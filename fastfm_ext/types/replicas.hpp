// Replicas of a model's parameters, one for each thread, and what merging them has to know.
#pragma once

#include <stdint.h>

#include "types/parameters.hpp"

namespace fastfm {

// What merging has to know of the rows that were visited; see math/merging.hpp.
struct VisitedRows {
    float mean_weight;
    float mean_squared_weight;
    float mean_loss;    // over the weights
    float row_square;   // mean sum of x_i^2
    float row_norm;     // mean sum of the squares of a score's derivatives by all parameters
    float factor_norm;  // mean square of a score's derivative by a factor of one of the row's features
};

// Replicas that have each been trained on other rows since all were equal to `shared`.
struct Replicas {
    const Params* each;  // (n,): tables like those of `shared`, in memory of their own
    int32_t n;
    Params shared;
    const float* visit_rates;  // (n_features,): the mean of weight x_i^2 over visits
    float n_visits;            // since the features' last merge, by all replicas together
    VisitedRows rows;
};

// Whose records are merged: those of the features first <= i < last, or of features[i] where there is such a list; and
// whether the tables that belong to the whole model are.
struct MergedRecords {
    int64_t first;
    int64_t last;
    const int32_t* features;
    bool with_whole_model;
    bool are_hot;  // visited so often since their last merge that their changes may not just be added up
};

}  // namespace fastfm
