// What a step of the cosine softmax reads: a tile of visits that share the items drawn to stand against their choices.
#pragma once

#include <stdint.h>

#include "types/gradient.hpp"
#include "types/matrix.hpp"

namespace fastfm {

// Rows of a tile are numbered: its visits' users first, then its distinct items, of these the drawn ones first.
struct Tile {
    int32_t n_users;
    int32_t n_items;
    int32_t n_drawn;
    const int32_t* users;            // (n_users,): rows of the matrix of users
    const int32_t* items;            // (n_items,): rows of the matrix of items
    const float* log_shares;         // (n_drawn,): the logarithm of how many items a drawn one stands for
    const float* paid;               // (n_users + n_items,): the share of L2 that the features of each row pay
    const int32_t* begins;           // (n_users + 1,): where the choices of each visit begin
    const int32_t* chosen;           // (begins[n_users],): numbers of items among those of the tile
    const float* weights;            // (begins[n_users],)
    const int64_t* visited;          // (begins[n_users],): numbers of the interactions
    const int32_t* left_out_begins;  // (n_users + 1,)
    const int32_t* left_out;  // (left_out_begins[n_users],): drawn items that a visit leaves out, as numbers of items

    // The features of all rows, each once, with the rows that have it.
    int32_t n_features;
    const int32_t* features;  // (n_features,)
    const int32_t* places;    // (n_features + 1,): where the rows of each feature begin
    const int32_t* rows;      // (places[n_features],)
    const float* values;      // (places[n_features],), or null: every value is 1
};

struct TileOptions {
    StepSizes w;
    StepSizes V;
    bool fit_linear;
    float scale;  // 1 / temperature
};

// Factors of a row in a tile: those of the parameters, filled up with zeros to a multiple of the widest register.
constexpr int32_t tile_row(int32_t k) { return (k + 15) / 16 * 16; }

// Users whose scores are computed together, and items whose factors lie side by side.
constexpr int32_t tile_group = 8, tile_panel = 32;

constexpr int64_t rounded_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// Floats that a step on a tile needs for itself.
inline int64_t tile_floats(const Tile& tile, int32_t k) {
    const int64_t users = rounded_up(tile.n_users, tile_group), items = rounded_up(tile.n_items, tile_panel);
    const int64_t drawn = rounded_up(tile.n_drawn, tile_panel);
    return (2 * users + 2 * items + drawn) * tile_row(k) + users + 3 * items + (tile_group + 1) * drawn +
           tile.begins[tile.n_users];
}

}  // namespace fastfm
