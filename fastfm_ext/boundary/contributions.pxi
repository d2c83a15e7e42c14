# Contributions of features and of groups of features to scores: see types/contributions.hpp and
# solvers/contributions.hpp.

cdef extern from "types/contributions.hpp" namespace "fastfm" nogil:
    struct FeatureContributions:
        const float* half_sum
        float* values
        float* sum_vx

    struct GroupContributions:
        const float* half_sum
        const float* half_sums
        int64_t half_sums_stride
        const float* of_zeros
        const int32_t* group_of
        int32_t n_groups
        float* values


cdef extern from "threads/gradient.hpp" namespace "fastfm" nogil:
    Status cpp_feature_contributions "fastfm::feature_contributions"(
        const Kernels&, const Csr&, const Params&, int, const FeatureContributions&) noexcept
    Status cpp_group_contributions "fastfm::group_contributions"(
        const Kernels&, const Csr&, const Params&, int, const GroupContributions&) noexcept


def feature_contributions(
    X, params, const float[::1] half_sum, int n_threads, float[::1] values, float[:, ::1] sum_vx,
):
    """Fills values (nnz,) with what each nonzero adds to its row's score, and sum_vx (n_rows, k) with S_f."""
    cdef Csr rows = csr_view(X)
    cdef Params tables = params_view(params)
    cdef FeatureContributions out
    out.half_sum = pointer_f32(half_sum)
    out.values = room_f32(values)
    out.sum_vx = &sum_vx[0, 0] if sum_vx is not None and sum_vx.shape[1] else NULL
    cdef Status status
    with nogil:
        status = cpp_feature_contributions(kernels_in_use[0], rows, tables, n_threads, out)
    check(status)


def group_contributions(X, params, groups, int n_threads, float[:, ::1] values):
    """Fills values (n_rows, n_groups) with what each group of features adds to the score of each row."""
    cdef Csr rows = csr_view(X)
    cdef Params tables = params_view(params)
    cdef const float[:, ::1] half_sums = groups.half_sums
    cdef GroupContributions out
    out.half_sum = pointer_f32(groups.half_sum)
    out.half_sums = &half_sums[0, 0] if half_sums is not None and half_sums.shape[0] else NULL
    out.half_sums_stride = half_sums.shape[1] if half_sums is not None else 0
    out.of_zeros = pointer_f32(groups.of_zeros)
    out.group_of = pointer_i32(groups.group_of)
    out.n_groups = <int32_t>values.shape[1]
    out.values = &values[0, 0]
    cdef Status status
    with nogil:
        status = cpp_group_contributions(kernels_in_use[0], rows, tables, n_threads, out)
    check(status)
