// The parameters of a model, with the optimizer's state.
#pragma once

#include <stdint.h>

namespace fastfm {

// How values lie in memory; see math/storage.hpp.
enum class Storage : int32_t { float32, half };

inline int64_t bytes_of_value(Storage storage) { return storage == Storage::half ? 2 : 4; }

// One kind of parameters. Each has the optimizer's state right behind it, so that one step touches one place in memory:
// a parameter and its `n_slots` state values form a record. SGD has no slot, AdaGrad one (the sum of squared gradients).
struct Table {
    union {
        float* records;    // (n_rows, 1 + n_slots, width)
        uint16_t* halves;  // the same, where `storage` is half
    };
    int64_t n_rows;
    int32_t width;
    bool per_feature;  // a row for each feature; else the rows belong to the whole model
    Storage storage;
};

// Of a row of a table, with its state.
inline int64_t bytes_of_record(const Table& table, int32_t n_slots) {
    return int64_t{1 + n_slots} * table.width * bytes_of_value(table.storage);
}

// The tables of a model: w0 is 1 x 1, w n_features x 1, V n_features x its width; R, which some models have, belongs to
// pairs of fields. Of a factorization machine, V is n_features x k. k is the number of factors with their padding: 0, 4, 8
// or a multiple of 16; the padding stays zero.
enum ModelTable : int32_t { w0_table, w_table, V_table, R_table };

constexpr int max_tables = 4;

// Which field each feature belongs to. Models that do not ask have none: n is 0, of_feature null.
struct Fields {
    int32_t n;
    const int32_t* of_feature;  // (n_features,), and behind them those of copies
};

struct Params {
    int32_t model;  // a number of models/registry.hpp
    int32_t k;
    Fields fields;
    float* room;            // a thread's own, on a cache line: as many floats as the model asks for; or null
    int64_t most_nnz;       // of a row, where there is room
    const float* l2_scale;  // (n_features,), and behind them those of copies: what L2 is multiplied by; or null, for 1
    uint64_t seed;          // of rounding to halves

    Table tables[max_tables];
    int32_t n_tables;
    int32_t n_slots;  // state values for each parameter
    int64_t n_features;

    // Where this thread keeps its own copies of hot features' records, by table: feature number n_features + h is copy h.
    // Null: no copies, and every number is below n_features.
    void* copies[max_tables];  // (n_copies, 1 + n_slots, width)

    // Whether what is asked for to write goes to the first cache, however far it comes from.
    bool far_to_first_cache = false;
};

// Features that stand in so many rows that threads would wait for each other's writes to them, and the rows' nonzeros for
// threads with copies of their own: feature features[h] by the number n_features + h.
struct HotFeatures {
    int64_t n;
    const int32_t* features;
    const int32_t* indices;  // (nnz,)
};

}  // namespace fastfm
