// The plain structures that cross the boundary between Python, Cython and the kernels. No functions here, but to read
// RowStarts.
#pragma once

#include <stdint.h>

// For what runs once a row: a call would make the caller put its registers into memory and take them back. Copies would
// make gcov count the branches of each by themselves.
#if defined(_MSC_VER)
#define FASTFM_INLINE __forceinline
#define FASTFM_INLINE_LAMBDA
#elif defined(FASTFM_COVERAGE)
#define FASTFM_INLINE inline
#define FASTFM_INLINE_LAMBDA
#else
#define FASTFM_INLINE inline __attribute__((always_inline))
#define FASTFM_INLINE_LAMBDA __attribute__((always_inline))
#endif

namespace fastfm {

enum class Loss : int32_t { squared = 0, logistic = 1 };

enum class Solver : int32_t { sgd = 0, adagrad = 1, ftrl = 2 };
constexpr int max_slots = 2;  // most state values that a solver keeps for a parameter

// Where rows begin: 32-bit numbers if there are any, for half of the bytes, else 64-bit ones.
//
// Its functions are always inlined: one that the linker kept might be that of another instruction set.
struct RowStarts {
    const int32_t* narrow;
    const int64_t* wide;

    FASTFM_INLINE int64_t operator[](int64_t r) const { return narrow ? narrow[r] : wide[r]; }
    FASTFM_INLINE const void* address(int64_t r) const {
        return narrow ? static_cast<const void*>(narrow + r) : static_cast<const void*>(wide + r);
    }
};

// A sparse matrix by rows. Row r holds the features indices[indptr[r] .. indptr[r + 1]), each at most once.
struct Csr {
    int64_t n_rows;
    RowStarts indptr;        // (n_rows + 1,)
    const int32_t* indices;  // (nnz,)
    const float* data;       // (nnz,), or null: every stored value is 1
};

// What can be said of a matrix after one look at every value.
struct Traits {
    bool is_valid;   // indptr begins at 0, never falls and ends at nnz; the indices are features, ascending in each row
    bool is_finite;  // no NaN, no infinity
    bool has_zeros;  // an explicit zero
    bool is_all_ones;
};

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

// Item vectors for a search by inner product. They lie in panels of panel_items, longest vector first, so that one
// load reads a coordinate of several items. Where items are divided into lists, so are the panels, and the longest vector
// of a list is the first in it.
constexpr int panel_items = 32;

struct PackedItems {
    int64_t n_items;
    int64_t n_panels;
    int32_t d;
    const float* panels;       // (n_panels, d, panel_items); places without an item are zero
    const int32_t* positions;  // (n_panels * panel_items,): which row of `vectors` lies there, or -1 for none
    const double* norms;       // (n_panels,): Euclidean length of the longest vector in the panel
    double largest_norm;
    const int64_t* list_panels;  // (n_lists + 1,): list l has the panels from list_panels[l] on; or null: no lists
    const float* vectors;        // (n_items, d)
};

// For each user u, the ascending positions listed[indptr[u] .. indptr[u + 1]) of items, which are either what the user
// must not get or all that the user may get.
struct ItemLists {
    const int64_t* indptr;  // (n_users + 1,), or null: no lists
    const int32_t* listed;
    bool may_get;
};

// A user during a search: what can still be among the best of the items seen so far.
struct Candidates {
    float limit;      // no item with a lower float32 score can
    int32_t count;    // at most UserGroup::room where make_room has been asked
    float* scores;    // (room + panel_items,): in float32; on a cache line
    int32_t* places;  // (room + panel_items,): where the items lie among the packed ones
};

// Users whose scores are computed together.
constexpr int group_users = 12;

struct UserGroup {
    int32_t n_users;                                    // 1, 4 or group_users
    const float* vectors;                               // (d, n_users)
    Candidates* candidates;                             // (n_users,)
    int32_t room;                                       // a multiple of 16
    void (*make_room)(void* search, Candidates& full);  // drops candidates, and raises the limit if it can
    void* search;
};

// --- ranking -----------------------------------------------------------------------------------------------------

enum class RankingLoss : int32_t { bpr = 0, warp = 1, softmax = 2 };

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
};

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
    int32_t n_steps;
    float* workspace;  // (fold_in_floats(the longest history + negatives.n, n_factors),)
    float* sum_user;   // (n_users, n_factors): S_u, filled in
};

// How many visits ahead negatives are drawn, and the parameters asked for.
constexpr int64_t ranking_ahead = 7;

enum class StatusCode : int32_t { ok = 0, non_finite = 1, out_of_memory = 2 };

struct Status {
    StatusCode code;
    int64_t row;  // where it happened, or -1
};

}  // namespace fastfm
