// Items, users and candidates of a search by inner product.
#pragma once

#include <stdint.h>

#include "types/parameters.hpp"

namespace fastfm {

// Item vectors for a search by inner product. They lie in panels of panel_items, longest vector first, so that one
// load reads a coordinate of several items. Where items are divided into lists, so are the panels, and the longest vector
// of a list is the first in it.
constexpr int panel_items = 32;

struct PackedItems {
    int64_t n_items;
    int64_t n_panels;
    int32_t d;
    Storage storage;           // half: panels and vectors are float16
    const void* panels;        // (n_panels, d, panel_items); places without an item are zero
    const int32_t* positions;  // (n_panels * panel_items,): which row of `vectors` lies there, or -1 for none
    const double* norms;       // (n_panels,): Euclidean length of the longest vector in the panel
    double largest_norm;
    const int64_t* list_panels;  // (n_lists + 1,): list l has the panels from list_panels[l] on; or null: no lists
    const void* vectors;         // (n_items, d)
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

}  // namespace fastfm
