# Least squares over all pairs of users and items: see types/whole_data.hpp and threads/whole_data.hpp.

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


# Factors (n, k) and own scores (n,).
cdef Vectors vectors_view(source) except *:
    cdef Vectors vectors
    cdef float[:, ::1] factors = source.factors
    vectors.factors = &factors[0, 0] if factors.shape[0] and factors.shape[1] else NULL
    vectors.own = room_f32(source.own)
    return vectors


cdef OtherSide other_side_view(source) except *:
    cdef OtherSide side
    side.chosen = csr_view(source.chosen)
    side.others = vectors_view(source.others)
    side.k = source.others.factors.shape[1]
    side.squares = pointer_f32(source.squares)
    side.sums = pointer_f32(source.sums)
    side.owns = pointer_f32(source.owns)
    side.count = source.count
    side.own = source.own
    side.fit_own = source.fit_own
    return side


def whole_gradient(side, at, int n_threads, gradient, diagonal, double[::1] losses):
    """Fills gradient, diagonal and losses of the rows; see solvers/whole_data.hpp."""
    cdef OtherSide given = other_side_view(side)
    cdef Vectors x = vectors_view(at), g = vectors_view(gradient), d = vectors_view(diagonal)
    cdef Status status
    with nogil:
        status = cpp_whole_gradient(kernels_in_use[0], given, x, n_threads, g, d, &losses[0])
    check(status)


def whole_product(side, direction, int n_threads, product):
    """Fills product with half of the second derivatives times direction."""
    cdef OtherSide given = other_side_view(side)
    cdef Vectors d = vectors_view(direction), q = vectors_view(product)
    cdef Status status
    with nogil:
        status = cpp_whole_product(kernels_in_use[0], given, d, n_threads, q)
    check(status)


def whole_solve(
    side, const float[::1] l2_factors, const float[::1] l2_own, int n_steps, int n_threads, at, double[::1] losses,
):
    """Moves the vectors of the rows, `at`, to the minimum of each row's own quadratic; fills losses, of before."""
    cdef OtherSide given = other_side_view(side)
    cdef RowPenalties l2
    l2.factors = pointer_f32(l2_factors)
    l2.own = pointer_f32(l2_own)
    cdef Vectors x = vectors_view(at)
    cdef Status status
    with nogil:
        status = cpp_whole_solve(kernels_in_use[0], given, l2, n_steps, n_threads, x, &losses[0])
    check(status)


def combine(A, source, int n_threads, target):
    """Fills the vectors of target with A times those of source."""
    cdef Csr rows = csr_view(A)
    cdef Vectors given = vectors_view(source), wanted = vectors_view(target)
    cdef int32_t k = source.factors.shape[1]
    cdef Status status
    with nogil:
        status = cpp_combine(kernels_in_use[0], rows, given, k, n_threads, wanted)
    check(status)


def rotate(const float[:, ::1] source, const float[:, ::1] rotation, int n_threads, float[:, ::1] target):
    """Fills target (n, k) with source (n, k) times rotation (k, k)."""
    cdef int64_t n = source.shape[0]
    cdef int32_t k = <int32_t>source.shape[1]
    cdef Status status
    with nogil:
        status = cpp_rotate(kernels_in_use[0], &source[0, 0], &rotation[0, 0], n, k, n_threads, &target[0, 0])
    check(status)


def moments(rows, int n_threads, double[:, ::1] sums):
    """Fills sums (k + 2, k) with sum S S^T, sum S and sum own S over the rows."""
    cdef Vectors given = vectors_view(rows)
    cdef int64_t n = rows.factors.shape[0]
    cdef int32_t k = rows.factors.shape[1]
    cdef Status status
    with nogil:
        status = cpp_moments(kernels_in_use[0], given, n, k, n_threads, &sums[0, 0])
    check(status)
