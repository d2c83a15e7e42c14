// Exact top-N by inner product: the kernel proposes, float64 decides. Built with baseline flags only.
#pragma once

#include "dispatch.hpp"

namespace fastfm {

// The users of one call, and what each of them may get.
struct TopNQuery {
    int64_t n_users;
    const float* users;        // (n_users, d)
    const double* user_norms;  // (n_users,): their Euclidean lengths
    ItemLists lists;
    const uint8_t* allowed;  // (n_items,): 0 for what nobody may get; or null
    int64_t n;               // items wanted for each user, at least 1
    const int32_t* probes;   // (n_users, n_probes): which lists of items to search; or null: everything
    int64_t n_probes;
};

struct Best {
    int64_t* positions;  // (n_users, n)
    float* scores;       // (n_users, n)
};

// For each user the n items of largest <user, item>, by decreasing score and then by ascending position;
// where nothing remains, position -1 and score -infinity.
//
// The order is that of the inner products in float64, which are then rounded to float32. The kernel's float32 scores
// only propose: an inner product in float32 is off by at most d 2^-24 |u| |t| (Higham 2002, "Accuracy and Stability of
// Numerical Algorithms", eq. 3.5; the bound in use is twice as large), and an item is dropped only when n others are
// better by twice that. Users whose n best lie so close together that too many items remain have theirs scored in
// float64 as they come. So the result is the same for any number of threads, any instruction set, and alone or in a
// batch.
//
// With probes, the same of the items in those lists alone.
//
// Items come longest first, and |u| |t| bounds the score (Teflioudi, Gemulla, Mykytiuk 2015, "LEMP"): a group of users is
// done when not even that reaches their limits. At worst O(n_users n_items d). Allocates for each thread what a few
// hundred users' candidates need.
Status top_n(const Kernels& kernels, const PackedItems& items, const TopNQuery& query, int n_threads,
             const Best& best) noexcept;

}  // namespace fastfm
