# What core.pyx itself uses of C++; the rooms that it includes declare what else they use.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t


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
    enum class Storage(int32_t):
        float32
        half

    struct Table:
        float* records
        uint16_t* halves
        int64_t n_rows
        int32_t width
        bint per_feature
        Storage storage

    const int max_tables

    struct Fields:
        int32_t n
        const int32_t* of_feature

    struct Params:
        int32_t model
        int32_t k
        Fields fields
        float* room
        const float* l2_scale
        uint64_t seed
        Table* tables
        int32_t n_tables
        int32_t n_slots
        int64_t n_features
        void** copies

    struct HotFeatures:
        int64_t n
        const int32_t* features
        const int32_t* indices


cdef extern from "types/gradient.hpp" namespace "fastfm" nogil:
    struct Targets:
        const float* y
        const float* sample_weight
        float* scores

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
        StepSizes R
        float clip_gradient
        bint fit_intercept
        bint fit_linear


cdef extern from "types/multinomial.hpp" namespace "fastfm" nogil:
    struct Machines:
        const Params* params
        int32_t n_classes
        float* scores


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

    struct CppModelTraits "fastfm::ModelTraits":
        const char* name
        bint has_replicas

    struct Kernels:
        const char* isa
        const CppModelTraits* models
        const CppOptimizerTraits* optimizers
        CppMatrixTraits (*inspect)(const Csr&, int64_t, int64_t) noexcept nogil

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


cdef extern from "threads/cpus.hpp" namespace "fastfm" nogil:
    int cpp_usable_cpus "fastfm::usable_cpus"() noexcept


cdef extern from "threads/replicas.hpp" namespace "fastfm" nogil:
    bint cpp_has_replicas "fastfm::has_replicas"(const CppModelTraits&, int64_t) noexcept


cdef extern from "threads/gradient.hpp" namespace "fastfm" nogil:
    Status cpp_sgd_epoch "fastfm::sgd_epoch"(
        const Kernels&, const Csr&, const Targets&, const RowOrder&, const Params&, const HotFeatures&, const Options&,
        int, double*
    ) noexcept
    Status cpp_multinomial_epoch "fastfm::multinomial_epoch"(
        const Kernels&, const Csr&, const Targets&, const RowOrder&, const Machines&, const Options&, double*) noexcept
    Status cpp_predict "fastfm::predict"(const Kernels&, const Csr&, const Params&, int, float*) noexcept
    Status cpp_pool "fastfm::pool"(const Kernels&, const Csr&, const Params&, int, float*, float*) noexcept
