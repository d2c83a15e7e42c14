// Learning to rank over several threads, and the vectors of new users. Baseline flags only.
#pragma once

#include "dispatch.hpp"

namespace fastfm {

// One epoch, the visits split evenly between the threads, which update shared parameters without locks (Hogwild: Niu,
// Recht, Re, Wright 2011). One thread: exact and reproducible. More: each visit draws the same items, but what it finds
// in the parameters depends on timing.
Status ranking_epoch(const Kernels& kernels, const RankingData& data, const Params& params,
                     const RankingOptions& options, int n_threads, double* loss_sum) noexcept;

// How the visits of an epoch become the tiles of solvers/cosine.hpp.
struct Tiling {
    int32_t visits;   // of a tile
    int32_t history;  // where users are represented by what they chose: item t is feature history + t there; else -1
};

// One epoch of learning to rank by cosines: a step for each tile, split between the threads as above.
Status cosine_epoch(const Kernels& kernels, const RankingData& data, const Params& params, const TileOptions& options,
                    const Tiling& tiling, int n_threads, double* loss_sum) noexcept;

// How the interactions of a user are cut into pieces: into those of up to `most`, and into at least `fewest` pieces, as
// far as there are so many interactions.
struct Pieces {
    int32_t most;
    int32_t fewest;
};

// Fills `order` (n,) with the interactions interactions[0 .. n), whose users ascend, in random order inside each user, cut
// into pieces, the pieces in random order; by SplitMix64 from `seed` on. `begins` (n + 1,): where the pieces begin, and n;
// `n_pieces`: how many they are.
//
// What a user's visits share, its parameters and what it chose, is then in the cache for all of a piece but the first.
Status order_of_visits(const int64_t* interactions, const int32_t* users, int64_t n, const Pieces& sizes, uint64_t seed,
                       int64_t* order, int64_t* begins, int64_t* n_pieces) noexcept;

// Fills task.sum_user; task.workspace need not be set.
Status fold_in(const Kernels& kernels, const FoldIn& task, const Negatives& negatives) noexcept;

}  // namespace fastfm
