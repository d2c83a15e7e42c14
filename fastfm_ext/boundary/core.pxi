# What the boundary uses of C++: the structures of types/, and the functions that core.pyx calls.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t


cdef extern from "types/registry.hpp" namespace "fastfm" nogil:
    enum class Loss(int32_t):
        pass

    enum class Optimizer(int32_t):
        pass

    enum class RankingLoss(int32_t):
        pass

    const char* const* loss_names
    const char* const* ranking_loss_names


cdef extern from "types/matrix.hpp" namespace "fastfm" nogil:
    struct RowStarts:
        const int32_t* narrow
        const int64_t* wide

    struct Csr:
        int64_t n_rows
        RowStarts indptr
        const int32_t* indices
        const float* data

    struct CppMatrixTraits "fastfm::MatrixTraits":
        bint is_valid
        bint is_finite
        bint has_zeros
        bint is_all_ones


cdef extern from "types/parameters.hpp" namespace "fastfm" nogil:
    struct Table:
        float* records
        int64_t n_rows
        int32_t width
        bint per_feature

    const int max_tables

    struct Params:
        Table* tables
        int32_t n_tables
        int32_t n_slots
        int64_t n_features
        float** copies

    struct HotFeatures:
        int64_t n
        const int32_t* features


cdef extern from "types/gradient.hpp" namespace "fastfm" nogil:
    struct Targets:
        const float* y
        const float* sample_weight

    struct RowOrder:
        int64_t first
        int64_t last
        const int64_t* rows

    struct StepSizes:
        float learning_rate
        float beta
        float l1
        float l2

    struct InitialSizes:
        double learning_rate
        double beta
        double l1
        double l2
        double initial_acc

    struct LossOptions:
        float delta

    struct Options:
        Loss loss
        LossOptions loss_options
        Optimizer optimizer
        StepSizes w0
        StepSizes w
        StepSizes V
        float clip_gradient
        bint fit_intercept
        bint fit_linear


cdef extern from "types/multinomial.hpp" namespace "fastfm" nogil:
    struct Machines:
        const Params* params
        int32_t n_classes
        float* scores


cdef extern from "types/search.hpp" namespace "fastfm" nogil:
    const int panel_items

    struct PackedItems:
        int64_t n_items
        int64_t n_panels
        int32_t d
        const float* panels
        const int32_t* positions
        const double* norms
        double largest_norm
        const int64_t* list_panels
        const float* vectors

    struct ItemLists:
        const int64_t* indptr
        const int32_t* listed
        bint may_get


cdef extern from "types/ranking.hpp" namespace "fastfm" nogil:
    struct Interactions:
        Csr items
        const int32_t* users
        int32_t n_items

    struct Negatives:
        int32_t n
        const float* keep
        const int32_t* alias
        const float* log_q
        uint64_t seed

    struct RankingVisits:
        int64_t first
        int64_t last
        const int64_t* order
        const int64_t* begins
        int32_t most
        int32_t n_positives
        int32_t kth

    struct RankingData:
        Csr users
        Csr items
        Interactions interactions
        RankingVisits visits
        Negatives negatives

    struct RankingOptions:
        RankingLoss loss
        StepSizes w
        StepSizes V
        bint fit_linear

    struct FoldIn:
        const float* item_vectors
        int32_t n_items
        int32_t n_factors
        Csr histories
        const float* sum_known
        RankingLoss loss
        StepSizes sizes
        float scale
        float log_share
        int32_t n_steps
        float* workspace
        float* sum_user


cdef extern from "types/sweep.hpp" namespace "fastfm" nogil:
    struct BlockTable:
        float* S
        float* terms

    struct CppBlockedRows "fastfm::BlockedRows":
        int64_t n_rows
        int32_t n_blocks
        int32_t k
        const int32_t* ids
        const float* const* values
        bint has_values
        const BlockTable* tables
        const float* y
        const float* root_weight
        float w0

    struct CppRowsByBlock "fastfm::RowsByBlock":
        int32_t block
        int64_t n_block_rows
        const int64_t* starts
        const int32_t* order

    struct CppNormalPrior "fastfm::NormalPrior":
        const float* precision
        const float* mean_V
        const float* mean_w
        float precision_w
        bint has_own_means

    struct CppDrawOptions "fastfm::DrawOptions":
        float alpha
        int32_t n_factors
        bint fit_linear
        bint with_noise
        bint by_coordinate
        uint64_t seed

    struct BlockDraw:
        CppBlockedRows rows
        CppRowsByBlock by_block
        int64_t n_drawn
        CppNormalPrior prior
        CppDrawOptions options
        BlockTable out
        double* errors

    struct FeatureDraw:
        CppBlockedRows rows
        CppRowsByBlock by_block
        Csr X
        const int64_t* starts
        const int32_t* block_rows
        const float* data
        int64_t n_features
        const int32_t* group_of
        const CppNormalPrior* priors
        CppDrawOptions options
        float* V
        float* w
        float* V_out
        float* w_out
        bint is_in_place
        float* sums

    struct MeanDraw:
        Csr X
        const int64_t* starts
        const int32_t* block_rows
        const float* data
        int64_t n_features
        int32_t k
        const int32_t* group_of
        const float* relative_precision
        const float* relative_precision_w
        const float* precision
        float precision_w
        int32_t n_factors
        bint fit_linear
        uint64_t seed
        float* residual_V
        float* residual_w
        float* theta
        float* theta_w

    int64_t cpp_sums_size "fastfm::sums_size"(int32_t) noexcept


cdef extern from "types/tile.hpp" namespace "fastfm" nogil:
    struct TileOptions:
        StepSizes w
        StepSizes V
        bint fit_linear
        float scale


cdef extern from "types/whole_data.hpp" namespace "fastfm" nogil:
    struct Vectors:
        float* factors
        float* own

    struct OtherSide:
        Csr chosen
        Vectors others
        int32_t k
        const float* squares
        const float* sums
        const float* owns
        float count
        float own
        bint fit_own

    struct RowPenalties:
        const float* factors
        const float* own


cdef extern from "types/status.hpp" namespace "fastfm" nogil:
    cpdef enum class StatusCode(int32_t):
        ok
        non_finite
        out_of_memory

    struct Status:
        StatusCode code
        int64_t row


cdef extern from "dispatch.hpp" namespace "fastfm" nogil:
    struct CppOptimizerTraits "fastfm::OptimizerTraits":
        const char* name
        int32_t n_slots
        bint normalises
        void (*begin)(const Table&, const InitialSizes&) noexcept nogil

    struct Kernels:
        const char* isa
        const CppOptimizerTraits* optimizers
        CppMatrixTraits (*inspect)(const Csr&, int64_t, int64_t) noexcept nogil
        Status (*multinomial_epoch)(
            const Csr&, const Targets&, const RowOrder&, const Machines&, const Options&, double*) noexcept nogil

    const Kernels* const* compiled_kernels() noexcept
    bint is_supported(const Kernels&) noexcept
    const char* cpp_compiler "fastfm::compiler"() noexcept


cdef extern from "threads/rows.hpp" namespace "fastfm" nogil:
    struct CsrRoom:
        int32_t* narrow_indptr
        int64_t* wide_indptr
        int32_t* indices
        float* data
        int64_t nnz

    int64_t cpp_nnz_of_rows "fastfm::nnz_of_rows"(const Csr&, const int64_t*, int64_t) noexcept
    void cpp_take_rows "fastfm::take_rows"(const Csr&, const int64_t*, int64_t, const CsrRoom&) noexcept
    void cpp_block_order "fastfm::block_order"(
        const int64_t*, int64_t, int64_t, int64_t, uint64_t, int64_t*) noexcept


cdef extern from "threads/replicas.hpp" namespace "fastfm" nogil:
    const int64_t most_replica_bytes


cdef extern from "threads/gradient.hpp" namespace "fastfm" nogil:
    Status cpp_sgd_epoch "fastfm::sgd_epoch"(
        const Kernels&, const Csr&, const Targets&, const RowOrder&, const Params&, const HotFeatures&, const Options&,
        int, double*
    ) noexcept
    Status cpp_predict "fastfm::predict"(const Kernels&, const Csr&, const Params&, int, float*) noexcept
    Status cpp_pool "fastfm::pool"(const Kernels&, const Csr&, const Params&, int, float*, float*) noexcept


cdef extern from "threads/search.hpp" namespace "fastfm" nogil:
    struct TopNQuery:
        int64_t n_users
        const float* users
        const double* user_norms
        ItemLists lists
        const uint8_t* allowed
        int64_t n
        const int32_t* probes
        int64_t n_probes

    struct Best:
        int64_t* positions
        float* scores

    Status cpp_top_n "fastfm::top_n"(const Kernels&, const PackedItems&, const TopNQuery&, int, const Best&) noexcept

cdef extern from "threads/ranking.hpp" namespace "fastfm" nogil:
    struct CppTiling "fastfm::Tiling":
        int32_t visits
        int32_t history

    struct CppPieces "fastfm::Pieces":
        int32_t most
        int32_t fewest

    Status cpp_ranking_epoch "fastfm::ranking_epoch"(
        const Kernels&, const RankingData&, const Params&, const RankingOptions&, int, double*) noexcept
    Status cpp_cosine_epoch "fastfm::cosine_epoch"(
        const Kernels&, const RankingData&, const Params&, const TileOptions&, const CppTiling&, int, double*) noexcept
    Status cpp_order_of_visits "fastfm::order_of_visits"(
        const int64_t*, const int32_t*, int64_t, const CppPieces&, uint64_t, int64_t*, int64_t*, int64_t*) noexcept
    Status cpp_fold_in "fastfm::fold_in"(const Kernels&, const FoldIn&, const Negatives&) noexcept


cdef extern from "threads/sweep.hpp" namespace "fastfm" nogil:
    Status cpp_draw_blocks "fastfm::draw_blocks"(const Kernels&, const BlockDraw&, int) noexcept
    Status cpp_draw_features "fastfm::draw_features"(const Kernels&, const FeatureDraw&, int) noexcept
    Status cpp_draw_means "fastfm::draw_means"(const Kernels&, const MeanDraw&) noexcept
    Status cpp_residuals "fastfm::residuals"(const Kernels&, const CppBlockedRows&, int, float*) noexcept


cdef extern from "threads/whole_data.hpp" namespace "fastfm" nogil:
    Status cpp_whole_gradient "fastfm::whole_gradient"(
        const Kernels&, const OtherSide&, const Vectors&, int, const Vectors&, const Vectors&, double*) noexcept
    Status cpp_whole_product "fastfm::whole_product"(
        const Kernels&, const OtherSide&, const Vectors&, int, const Vectors&) noexcept
    Status cpp_whole_solve "fastfm::whole_solve"(
        const Kernels&, const OtherSide&, const RowPenalties&, int, int, const Vectors&, double*) noexcept
    Status cpp_combine "fastfm::combine"(
        const Kernels&, const Csr&, const Vectors&, int32_t, int, const Vectors&) noexcept
    Status cpp_rotate "fastfm::rotate"(
        const Kernels&, const float*, const float*, int64_t, int32_t, int, float*) noexcept
    Status cpp_moments "fastfm::moments"(const Kernels&, const Vectors&, int64_t, int32_t, int, double*) noexcept
