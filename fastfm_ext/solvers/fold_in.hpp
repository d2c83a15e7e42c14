// The vector of ONE new user from the items of a history: steps on S_u alone, all items as they are.
//
//   S_u = K_u + z,     z <- z - AdaGrad( d/dz [ L(scores) + A l2/2 |z|^2 ] ),     score_t = own(t) + <S_u, S_t>
//
// or, for cosines (solvers/cosine.hpp), score_t = own(t) + <S_u, S_t> / (T |S_u|), where z begins at the history's mean S_t.
//
// K_u is what the user's known features add up to, and z stands for the factors of a feature that only this user has,
// which training would have learned. L is the loss of training (math/ranking_loss.hpp; BPR for a model trained with
// WARP) over the whole history against one set of drawn items, A the sum of the history's weights. L is convex in z, so
// that a few dozen steps come near its minimum. O(n_steps (n_history + n_drawn) k); only the users' vectors are written.
#pragma once

#include <math.h>
#include <string.h>

#include "math/dense.hpp"
#include "solvers/ranking.hpp"

namespace fastfm::FASTFM_ISA {

// A user's room in the workspace of n candidates.
struct FoldInRoom {
    int k, n;
    float* factors;                             // (n, k)
    float *own, *scores, *gradients, *weights;  // (n,)
    float *S_u, *facing, *gradient, *z, *acc;   // (k,); `facing` is what meets S_t: S_u, or S_u / (T |S_u|)

    FoldInRoom(float* workspace, int n_factors, int n_candidates)
        : k((n_factors + 15) / 16 * 16),
          n(n_candidates),
          factors(workspace),
          own(factors + int64_t{n} * k),
          scores(own + n),
          gradients(scores + n),
          weights(gradients + n),
          S_u(weights + n),
          facing(S_u + k),
          gradient(facing + k),
          z(gradient + k),
          acc(z + k) {}

    const float* factors_of(int j) const { return factors + int64_t{j} * k; }
};

// The number of the stream of random numbers that draws items for a history, whoever else is folded in.
inline int64_t stream_of(const int32_t* history, int m) {
    uint64_t number = 0;
    for (int j = 0; j < m; ++j) number = SplitMix64(number ^ static_cast<uint64_t>(history[j])).next();
    return static_cast<int64_t>(number);
}

// Gathers the vectors of the history and of as many drawn items as there is room for; returns the sum of the weights.
inline float gather(const FoldIn& task, const Negatives& negatives, int64_t user, const FoldInRoom& room) {
    const int64_t begin = task.histories.indptr[user];
    const int32_t* history = task.histories.indices + begin;
    const auto m = static_cast<int>(task.histories.indptr[user + 1] - begin);
    SplitMix64 random = SplitMix64::of(negatives.seed, stream_of(history, m));
    const bool corrects = corrects_scores(task.loss) && negatives.log_q;
    float total_weight = 0.0f;
    for (int j = 0; j < room.n; ++j) {
        const int32_t item = j < m ? history[j] : draw_other(random, negatives, task.n_items, history, m);
        const float* vector = task.item_vectors + int64_t{item} * (1 + task.n_factors);
        room.own[j] = vector[0] - (corrects ? negatives.log_q[item] : 0.0f) + (j < m ? 0.0f : task.log_share);
        float* row = room.factors + int64_t{j} * room.k;
        for (int f = 0; f < room.k; ++f) row[f] = f < task.n_factors ? vector[1 + f] : 0.0f;
        if (j >= m) continue;
        room.weights[j] = task.histories.data ? task.histories.data[begin + j] : 1.0f;
        total_weight += room.weights[j];
    }
    return total_weight;
}

constexpr float tiny_square = 1e-12f;  // keeps sums of nothing away from 0 / 0

// Fills in S_u and `facing`; returns 1 / |S_u|.
inline float face(const FoldIn& task, const float* known, const FoldInRoom& room) {
    for (int f = 0; f < room.k; ++f) room.S_u[f] = room.z[f] + (f < task.n_factors ? known[f] : 0.0f);
    const float norm = 1.0f / sqrtf(inner(room.S_u, room.S_u, room.k) + tiny_square);
    const float factor = task.scale > 0.0f ? task.scale * norm : 1.0f;
    for (int f = 0; f < room.k; ++f) room.facing[f] = factor * room.S_u[f];
    return norm;
}

// Cosines do not change with the length of S_u, so z may begin at any.
inline void begin_at_history(int m, const FoldInRoom& room) {
    for (int j = 0; j < m; ++j) add_row(room.weights[j], room.factors_of(j), room.k, room.z);
    const float norm = 1.0f / sqrtf(inner(room.z, room.z, room.k) + tiny_square);
    for (int f = 0; f < room.k; ++f) room.z[f] *= norm;
}

// From dL/d`facing` to dL/dS_u, in place: (C - S^ <S^, C>) / (T |S_u|).
inline void project(float scale, float norm, const FoldInRoom& room) {
    const float along = inner(room.S_u, room.gradient, room.k) * norm * norm;
    for (int f = 0; f < room.k; ++f) room.gradient[f] = (room.gradient[f] - along * room.S_u[f]) * (scale * norm);
}

inline void fold_in_step(const FoldIn& task, int m, float l2, float norm, const FoldInRoom& room) {
    evaluate(task.loss, room.scores, m, room.n - m, room.weights, room.gradients);
    for (int f = 0; f < room.k; f += max_lanes) Lanes::fill(0.0f).store(room.gradient + f);
    for (int j = 0; j < room.n; ++j) add_row(room.gradients[j], room.factors_of(j), room.k, room.gradient);
    if (task.scale > 0.0f) project(task.scale, norm, room);
    const Rates<max_lanes> rates(task.sizes);
    for (int f = 0; f < room.k; f += max_lanes) {
        Lanes record[2] = {Lanes::load(room.z + f), Lanes::load(room.acc + f)};
        AdaGrad::update(record, fma(Lanes::fill(l2), record[0], Lanes::load(room.gradient + f)), rates);
        record[0].store(room.z + f);
        record[1].store(room.acc + f);
    }
}

inline Status fold_in(const FoldIn& task, const Negatives& negatives, int64_t user) {
    constexpr float initial_acc = 1e-6f;
    const auto m = static_cast<int>(task.histories.indptr[user + 1] - task.histories.indptr[user]);
    const FoldInRoom room(task.workspace, task.n_factors, m + negatives.n);
    const float l2 = gather(task, negatives, user, room) * task.sizes.l2;
    const float* known = task.sum_known + user * task.n_factors;
    float* sum_user = task.sum_user + user * task.n_factors;
    for (int f = 0; f < room.k; ++f) {
        room.z[f] = 0.0f;
        room.acc[f] = initial_acc;
    }
    if (task.scale > 0.0f) begin_at_history(m, room);
    for (int step = 0; step <= task.n_steps; ++step) {
        const float norm = face(task, known, room);
        for (int j = 0; j < room.n; ++j) {
            room.scores[j] = room.own[j] + inner(room.factors_of(j), room.facing, room.k);
            if (!isfinite(room.scores[j])) return {StatusCode::non_finite, user};
        }
        if (step < task.n_steps) fold_in_step(task, m, l2, norm, room);
    }
    for (int f = 0; f < task.n_factors; ++f) sum_user[f] = room.S_u[f];
    return {StatusCode::ok, -1};
}

}  // namespace fastfm::FASTFM_ISA
