// What an epoch of gradient descent reads: targets, the order of visits, loss, optimizer and step sizes.
#pragma once

#include <stdint.h>

namespace fastfm {

enum class Loss : int32_t { squared = 0, logistic = 1 };

enum class Solver : int32_t { sgd = 0, adagrad = 1, ftrl = 2 };
constexpr int max_slots = 2;  // most state values that a solver keeps for a parameter

struct Targets {
    const float* y;              // (n_rows,): any finite value for the squared loss, 0 or 1 for the logistic
    const float* sample_weight;  // (n_rows,), non-negative, or null: every weight is 1
};

// The visits first <= v < last of an epoch, in this order: visit v goes to row rows[v], or to row v where rows is null.
struct RowOrder {
    int64_t first;
    int64_t last;
    const int64_t* rows;
};

// What an optimizer needs to know of one kind of parameter; see math/optimizer.hpp.
struct StepSizes {
    float learning_rate;
    float beta;  // FTRL only
    float l1;    // FTRL only
    float l2;
};

struct Options {
    Loss loss;
    Solver solver;
    StepSizes w0;
    StepSizes w;
    StepSizes V;
    float clip_gradient;  // |dL/dp| counts at most as much as this; infinity for no bound
    bool fit_intercept;
    bool fit_linear;
};

}  // namespace fastfm
