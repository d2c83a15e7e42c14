// One epoch of per-sample gradient descent: for every row in the given order, score it and step on its gradient.
//
//   theta <- theta - update( d/dtheta [ L(y_r, p_r) + l2/2 |theta|^2 ] )       theta: the parameters of row r's features
//
// The parameters and the optimizer's state change in place. The loss is summed as the rows are visited, each with the
// parameters before its own step; so are the scores that are asked for. A row whose score is not finite ends the epoch before it can touch a parameter.
#pragma once

#include <math.h>

#include "math/loss.hpp"
#include "models/row.hpp"
#include "solvers/ahead.hpp"

namespace fastfm::FASTFM_ISA {

// Rows in random order are asked for in two steps, for where a row's nonzeros lie is itself in memory: first its target
// and its place in indptr, then its nonzeros, and only then (in the step on an earlier row) what these name.
template <bool ones>
FASTFM_INLINE void prefetch_rows(const Csr& X, const Targets& targets, const RowOrder& order, int64_t visit) {
    constexpr int64_t place_ahead = 48, nonzeros_ahead = 24;
    constexpr int values_per_line = 16;
    if (visit + place_ahead < order.last) {
        const int64_t r = order.rows[visit + place_ahead];
        prefetch_line(X.indptr.address(r));
        prefetch_line(targets.y + r);
    }
    if (visit + nonzeros_ahead < order.last) {
        const auto ask = [&](int64_t j) FASTFM_INLINE_LAMBDA {
            prefetch_line(X.indices + j);
            if (!ones && X.data) prefetch_line(X.data + j);
        };
        const int64_t r = order.rows[visit + nonzeros_ahead], first = X.indptr[r], last = X.indptr[r + 1] - 1;
        for (int64_t j = first; j <= last; j += values_per_line) ask(j);
        if (last > first + 1) ask(last);  // rows begin anywhere in a line: most go on in one more
    }
}

// Arguments come by value, for a step writes to floats that, for all the compiler knows, might be those behind references.
// `Machine` is that of a model of models/registry.hpp, `Row` how its rows are read.
template <class Rule, class Machine, class Row>
Status sgd_epoch(const Csr X, const Targets targets, const RowOrder order, const Params& params, const Options options,
                 double* loss_sum) {
    Machine machine(params);
    LossSum sum;
    Status status{StatusCode::ok, -1};
    // A step waits for the gradient: without this question, the bound takes 8 % of a short row's time though it is none.
    const bool clips = isfinite(options.clip_gradient);
    const auto row_of = [&](int64_t visit) { return order.rows ? order.rows[visit] : visit; };
    const int64_t ahead = rows_ahead(X, params);
    const auto later = [&](int64_t visit) {
        return Row(X, row_of(visit + ahead < order.last ? visit + ahead : visit));
    };
    // Scores the row of a visit and steps on it; returns whether the score was finite.
    const auto learn = [&](const auto& row, int64_t r, int64_t visit, float weight) FASTFM_INLINE_LAMBDA {
        const float p = machine.score(row);
        if (!isfinite(p)) return false;
        if (targets.scores) targets.scores[r] = p;
        const LossPoint point = evaluate(options.loss, targets.y[r], p, options.loss_options);
        sum.add(weight, point);
        float gradient = point.gradient;
        if (clips) gradient = clipped(gradient, options.clip_gradient);
        machine.template step<Rule>(row, gradient, weight, options, later(visit));
        return true;
    };
    for (int64_t visit = order.first; visit < order.last; ++visit) {
        if (order.rows) prefetch_rows<Row::ones>(X, targets, order, visit);
        const int64_t r = row_of(visit);
        const float weight = targets.sample_weight ? targets.sample_weight[r] : 1.0f;
        if (weight == 0.0f) continue;
        const Row row(X, r);
        bool is_finite;
        // A user and an item: without loops over them, a row takes 0.8 to 0.95 of the time.
        if constexpr (Row::is_specialised && Rule::is_specialised)
            is_finite =
                row.nnz() == 2 ? learn(typename Row::OfTwo(X, r), r, visit, weight) : learn(row, r, visit, weight);
        else
            is_finite = learn(row, r, visit, weight);
        if (!is_finite) {
            status = {StatusCode::non_finite, r};
            break;
        }
    }
    machine.store_w0();
    machine.put_back();
    *loss_sum = sum.value();
    return status;
}

}  // namespace fastfm::FASTFM_ISA
