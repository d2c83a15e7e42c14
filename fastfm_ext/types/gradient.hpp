// What an epoch of gradient descent reads: targets, the order of visits, loss, optimizer and step sizes.
#pragma once

#include <stdint.h>

#include "types/registry.hpp"

namespace fastfm {

struct Targets {
    const float* y;              // (n_rows,): any finite value for the squared loss, 0 or 1 for the logistic
    const float* sample_weight;  // (n_rows,), non-negative, or null: every weight is 1
    float* scores;               // (n_rows,), or null: takes each row's score before its step, of a single machine
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

// What an optimizer's first state follows from: the step sizes, not rounded yet.
struct InitialSizes {
    double learning_rate;
    double beta;
    double l1;
    double l2;
    double initial_acc;  // AdaGrad only
};

// How threads merge what each has learned in its copies of hot features' records.
enum class Merge : int32_t {
    whole_changes,  // add each thread's changes: sums, and steps that shrink with them
    mean_changes,   // add the mean of the threads' changes: steps of a constant size
    root_changes,   // add the changes over the root of the number of threads: between the mean and the sum
    mean_state,     // the same for parameters; the state, an average, moves towards each thread's by its share
};

// What a loss needs to know beside y and p.
struct LossOptions {
    float delta;  // the threshold of a loss that has one, in units of the target
};

struct Options {
    Loss loss;
    LossOptions loss_options;
    Optimizer optimizer;
    StepSizes w0;
    StepSizes w;
    StepSizes V;
    StepSizes R;
    float clip_gradient;  // |dL/dp| counts at most as much as this; infinity for no bound
    bool fit_intercept;
    bool fit_linear;
};

}  // namespace fastfm
