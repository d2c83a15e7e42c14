// What learning to rank reads: choices, drawn negatives, visits, new users.
#pragma once

#include <stdint.h>

#include "types/gradient.hpp"
#include "types/matrix.hpp"
#include "types/registry.hpp"

namespace fastfm {

// Who has chosen what: row u of the matrix holds the items of user u, in ascending order, and with them the weights of
// these choices, or null: every weight is 1. Interaction e is value e of the matrix.
struct Interactions {
    Csr items;
    const int32_t* users;  // (nnz,): the row of each interaction
    int32_t n_items;
};

// Which items stand against the chosen ones: drawn from all that the user has not chosen, with probability q_t in
// proportion to a weight of the item (an alias table: Walker 1977, Vose 1991), or evenly where `keep` is null.
struct Negatives {
    int32_t n;             // for each visit; for WARP the most that are tried
    const float* keep;     // (n_items,)
    const int32_t* alias;  // (n_items,)
    const float* log_q;    // (n_items,): log(n_items q_t); null where `keep` is
    uint64_t seed;
};

// The visits first <= v < last of an epoch: visit v goes to the interactions order[begins[v]] .. order[begins[v + 1] - 1],
// which are of one user, or to order[v] alone where `begins` is null.
struct RankingVisits {
    int64_t first;
    int64_t last;
    const int64_t* order;
    const int64_t* begins;
    int32_t most;  // interactions in a visit
    // The loss of the k-order statistic: of the visit's choice and others drawn with it from the user's, n_positives in
    // all, the one that is `kth` by falling score is learned. With 1 and 1 it is the visit's choice.
    int32_t n_positives;
    int32_t kth;
};

constexpr int32_t most_positives = 64;

// What an epoch of learning to rank reads. Either both matrices have values or neither has.
struct RankingData {
    Csr users;  // (n_users, n_features)
    Csr items;  // (n_items, n_features)
    Interactions interactions;
    RankingVisits visits;
    Negatives negatives;
};

struct RankingOptions {
    RankingLoss loss;
    StepSizes w;
    StepSizes V;
    bool fit_linear;
};

// Room for what a visit computes, so that nothing is allocated for each. `candidates` is visits.most + negatives.n.
struct RankingWorkspace {
    float* sum_user;   // (k,): S_u
    float* gradient;   // (k,): dL/dS_u
    int32_t* drawn;    // (ranking_ahead + 1, negatives.n)
    int32_t* items;    // (candidates,)
    float* scores;     // (candidates,)
    float* gradients;  // (candidates,): dL/dscore
    float* weights;    // (visits.most,)
};

// New users, whose vectors S_u are learned from their histories while all items stay as they are.
struct FoldIn {
    const float* item_vectors;  // (n_items, 1 + n_factors): own(t), then S_t
    int32_t n_items;
    int32_t n_factors;
    Csr histories;           // (n_users, n_items): items in ascending order, with weights or null
    const float* sum_known;  // (n_users, n_factors): what a user's known features add up to
    RankingLoss loss;
    StepSizes sizes;
    float scale;      // of cosines: 1 / temperature, and S_t of length 1; 0 for the inner product
    float log_share;  // the logarithm of how many items a drawn one stands for
    int32_t n_steps;
    float* workspace;  // (fold_in_floats(the longest history + negatives.n, n_factors),)
    float* sum_user;   // (n_users, n_factors): S_u, filled in
};

// How many visits ahead negatives are drawn, and the parameters asked for.
constexpr int64_t ranking_ahead = 7;

}  // namespace fastfm
