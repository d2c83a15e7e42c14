// The kernels of one instruction set as a table of function pointers, and the choice between the tables.
#pragma once

#include <stdint.h>

#include "types/contributions.hpp"
#include "types/gradient.hpp"
#include "types/matrix.hpp"
#include "types/multinomial.hpp"
#include "types/parameters.hpp"
#include "types/ranking.hpp"
#include "types/replicas.hpp"
#include "types/search.hpp"
#include "types/status.hpp"
#include "types/sweep.hpp"
#include "types/tile.hpp"
#include "types/whole_data.hpp"

namespace fastfm {

// What an optimizer says of itself, for code that is not compiled for an instruction set; see math/optimizer.hpp.
struct OptimizerTraits {
    const char* name;
    int32_t n_slots;
    bool normalises;
    Merge merge;
    bool adds_few;  // whether what threads have changed in few visits adds up; see math/merging.hpp
    void (*begin)(const Table&, const InitialSizes&);  // fills in the first state of parameters that are set
};

// What a model says of itself; see models/registry.hpp.
struct ModelTraits {
    const char* name;
    bool has_replicas;
    int64_t (*room)(int32_t k, int32_t n_fields, int64_t most_nnz);
};

struct Kernels {
    const char* isa;
    const ModelTraits* models;          // by number, ended by one without a name
    const OptimizerTraits* optimizers;  // by Optimizer, ended by one without a name

    MatrixTraits (*inspect)(const Csr&, int64_t nnz, int64_t n_features);
    Status (*sgd_epoch)(const Csr&, const Targets&, const RowOrder&, const Params&, const Options&, double* loss_sum);
    void (*merge_replicas)(const Replicas&, const Options&, const MergedRecords&);
    Status (*multinomial_epoch)(const Csr&, const Targets&, const RowOrder&, const Machines&, const Options&,
                                double* loss_sum);
    void (*predict)(const Csr&, const Params&, int64_t first, int64_t last, float* p);
    void (*pool)(const Csr&, const Params&, int64_t first, int64_t last, float* own, float* sum_vx);
    void (*feature_contributions)(const Csr&, const Params&, int64_t first, int64_t last, const FeatureContributions&);
    void (*group_contributions)(const Csr&, const Params&, int64_t first, int64_t last, const GroupContributions&);
    void (*collect_candidates)(const PackedItems&, int64_t first, int64_t last, const UserGroup&);
    void (*keep_best)(Candidates&, int32_t n, double margin);
    void (*rank_candidates)(Candidates&, int32_t* rank);
    void (*score_exactly)(const double* user, const PackedItems&, const int32_t* positions, int32_t n, double* scores);

    Status (*ranking_epoch)(const RankingData&, const Params&, const RankingOptions&, const RankingWorkspace&,
                            double* loss_sum);
    Status (*cosine_step)(const Csr& users, const Csr& items, const Tile&, const Params&, const TileOptions&,
                          float* floats, double* loss);
    Status (*fold_in)(const FoldIn&, const Negatives&, int64_t user);

    int64_t (*draw_room)(int64_t k);  // floats of room that each of the next needs
    void (*sum_rows)(const BlockedRows&, const RowsByBlock&, int64_t first, int64_t last, bool of_errors, float* room,
                     float* sums);
    void (*draw_from_sums)(const BlockDraw&, int64_t block_row, float* sums, float* room);
    void (*draw_block_rows)(const BlockDraw&, int64_t first, int64_t last, int64_t most, float* room);
    void (*draw_features)(const FeatureDraw&, float* room);
    void (*draw_means)(const MeanDraw&, float* room);
    void (*residuals)(const BlockedRows&, int64_t first, int64_t last, float* room, float* out);

    void (*whole_gradient)(const OtherSide&, const Vectors& at, int64_t first, int64_t last, const Vectors& gradient,
                           const Vectors& diagonal, double* losses);
    void (*whole_product)(const OtherSide&, const Vectors& direction, int64_t first, int64_t last,
                          const Vectors& product);
    void (*whole_solve)(const OtherSide&, const RowPenalties&, int n_steps, int64_t first, int64_t last,
                        const Vectors& at, float* room, double* losses);
    void (*combine)(const Csr&, const Vectors& from, int32_t k, int64_t first, int64_t last, const Vectors& to);
    void (*rotate)(const float* from, const float* rotation, int64_t first, int64_t last, int32_t k, float* to);
    void (*add_moments)(const Vectors&, int64_t first, int64_t last, int32_t k, float* room, double* sums);
};

// The tables that this build holds, fastest first, ended by null; and whether this CPU and its system can run one.
const Kernels* const* compiled_kernels() noexcept;
bool is_supported(const Kernels& kernels) noexcept;

// Name and version of the compiler that built this.
const char* compiler() noexcept;

}  // namespace fastfm
