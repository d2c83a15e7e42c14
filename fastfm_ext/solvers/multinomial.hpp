// One epoch of per-sample gradient descent on the softmax of several machines, one a class: for every row in
// the given order, score it by all machines, and let each step on its derivative of the multinomial log loss.
//
//   theta_c <- theta_c - update( d/dtheta_c [ L(y_r, p_r) + l2/2 |theta_c|^2 ] )      dL/dp_c = q_c - y_c
//
// theta_c: the parameters of row r's features in the machine of class c; p_r (n_classes,) the scores of row r; y is
// (n_classes, n_rows), 1 where the row is of the class and else 0. O(n_classes k nnz) a row. Parameters and the
// optimizer's state change in place. A row with a score that is not finite ends the epoch before it can touch any.
//
// A machine is put together anew for each row, for only Python knows how many there are, and nothing is allocated here:
// where its sums S do not come with the step, they are worked out twice.
#pragma once

#include <math.h>

#include "math/loss.hpp"
#include "math/multinomial_loss.hpp"
#include "models/row.hpp"
#include "solvers/ahead.hpp"
#include "types/multinomial.hpp"

namespace fastfm::FASTFM_ISA {

template <class Rule, class Machine, class Row>
Status multinomial_epoch(const Csr& X, const Targets& targets, const RowOrder& order, const Machines& machines,
                         const Options& options, double* loss_sum) {
    double sum = 0.0;
    Status status{StatusCode::ok, -1};
    const int64_t ahead = rows_ahead(X, machines.params[0]);
    const auto row_of = [&](int64_t visit) { return order.rows ? order.rows[visit] : visit; };
    for (int64_t visit = order.first; visit < order.last; ++visit) {
        const int64_t r = row_of(visit);
        const float weight = targets.sample_weight ? targets.sample_weight[r] : 1.0f;
        if (weight == 0.0f) continue;
        const Row row(X, r);
        const Row later(X, row_of(visit + ahead < order.last ? visit + ahead : visit));
        bool finite = true;
        for (int32_t c = 0; c < machines.n_classes; ++c) {
            machines.scores[c] = Machine(machines.params[c]).score(row);
            finite = finite && isfinite(machines.scores[c]);
        }
        if (!finite) {
            status = {StatusCode::non_finite, r};
            break;
        }
        sum += double{weight} * multinomial(machines.scores, machines.n_classes, targets.y + r, X.n_rows);
        for (int32_t c = 0; c < machines.n_classes; ++c) {
            Machine machine(machines.params[c]);
            if (Machine::steps_on_sums) machine.score(row);
            const float gradient = clipped(machines.scores[c], options.clip_gradient);
            machine.template step<Rule>(row, gradient, weight, options, later);
            machine.store_w0();
        }
    }
    for (int32_t c = 0; c < machines.n_classes; ++c) Machine(machines.params[c]).put_back();
    *loss_sum = sum;
    return status;
}

}  // namespace fastfm::FASTFM_ISA
