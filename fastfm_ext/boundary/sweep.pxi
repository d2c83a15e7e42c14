# Sweeps over the parameters of blocks: Gibbs sampling, and alternating least squares.

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


cdef extern from "threads/sweep.hpp" namespace "fastfm" nogil:
    Status cpp_draw_blocks "fastfm::draw_blocks"(const Kernels&, const BlockDraw&, int) noexcept
    Status cpp_draw_features "fastfm::draw_features"(const Kernels&, const FeatureDraw&, int) noexcept
    Status cpp_draw_means "fastfm::draw_means"(const Kernels&, const MeanDraw&) noexcept
    Status cpp_residuals "fastfm::residuals"(const Kernels&, const CppBlockedRows&, int, float*) noexcept


# The structure of `_engine.sweep.BlockedRows`, with the arrays of pointers that it points into.
cdef class RowsView:
    cdef CppBlockedRows rows
    cdef vector[const float*] values
    cdef vector[BlockTable] tables

    def __cinit__(self, source):
        cdef const int32_t[:, ::1] ids = source.ids
        self.rows.has_values = False
        for values in source.values:
            self.rows.has_values = self.rows.has_values or values is not None
            self.values.push_back(pointer_f32(values))
        for table in source.tables:
            self.tables.push_back(block_table(table))
        self.rows.n_rows = ids.shape[0]
        self.rows.n_blocks = <int32_t>ids.shape[1]
        self.rows.k = source.k
        self.rows.ids = &ids[0, 0]
        self.rows.values = self.values.data()
        self.rows.tables = self.tables.data()
        self.rows.y = pointer_f32(source.y)
        self.rows.root_weight = pointer_f32(source.root_weight)
        self.rows.w0 = source.w0


cdef BlockTable block_table(source) except *:
    cdef BlockTable table
    cdef float[:, ::1] S = source.S
    cdef float[:, ::1] terms = source.terms
    table.S = &S[0, 0] if S.shape[0] and S.shape[1] else NULL
    table.terms = &terms[0, 0] if terms.shape[0] else NULL
    return table


cdef CppRowsByBlock by_block_view(source) except *:
    cdef CppRowsByBlock by_block
    by_block.block = source.block
    by_block.starts = pointer_i64(source.starts)
    by_block.n_block_rows = len(source.starts) - 1
    by_block.order = pointer_i32(source.order)
    return by_block


cdef CppNormalPrior prior_view(source) except *:
    cdef CppNormalPrior prior
    cdef const float[:, ::1] precision = source.precision
    cdef const float[:, ::1] mean_V = source.mean_V
    prior.precision = &precision[0, 0] if precision.shape[0] else NULL
    prior.mean_V = &mean_V[0, 0] if mean_V.shape[1] else NULL
    prior.mean_w = pointer_f32(source.mean_w)
    prior.precision_w = source.precision_w
    prior.has_own_means = len(source.mean_w) > 1
    return prior


cdef CppDrawOptions draw_options_view(source) except *:
    cdef CppDrawOptions options
    options.alpha = source.alpha
    options.n_factors = source.n_factors
    options.fit_linear = source.fit_linear
    options.with_noise = source.with_noise
    options.by_coordinate = source.by_coordinate
    options.seed = source.seed
    return options


def draw_blocks(rows, by_block, int64_t n_drawn, prior, options, out, double[:, ::1] errors, int n_threads):
    """Draws the parameters of the block rows b < n_drawn into the table `out`, given all other blocks.

    errors (n_block_rows, 2), or None, is filled with the weighted sums of y - p and of its square.
    """
    cdef RowsView view = RowsView(rows)
    cdef BlockDraw task
    task.rows = view.rows
    task.by_block = by_block_view(by_block)
    task.n_drawn = n_drawn
    task.prior = prior_view(prior)
    task.options = draw_options_view(options)
    task.out = block_table(out)
    task.errors = &errors[0, 0] if errors is not None else NULL
    cdef Status status
    with nogil:
        status = cpp_draw_blocks(kernels_in_use[0], task, n_threads)
    check(status)


def draw_features(rows, by_block, relation, priors, options, parameters, out, float[:, ::1] sums, int n_threads):
    """Draws the parameters (V, w) of a relation's features into `out`, given all other blocks.

    Where `out` is not `parameters`, the block rows stay as they are. sums (n_block_rows, sums_size), or None, is room.
    """
    cdef RowsView view = RowsView(rows)
    cdef vector[CppNormalPrior] prior_views
    for prior in priors:
        prior_views.push_back(prior_view(prior))
    cdef float[:, ::1] V = parameters.V
    cdef float[:, ::1] V_out = out.V
    cdef FeatureDraw task
    task.rows = view.rows
    task.by_block = by_block_view(by_block)
    task.X = csr_view(relation.X)
    task.starts = pointer_i64(relation.starts)
    task.block_rows = pointer_i32(relation.block_rows)
    task.data = pointer_f32(relation.data)
    task.n_features = V.shape[0]
    task.group_of = pointer_i32(relation.group_of)
    task.priors = prior_views.data()
    task.options = draw_options_view(options)
    task.V = &V[0, 0] if V.shape[1] else NULL
    task.w = room_f32(parameters.w)
    task.V_out = &V_out[0, 0] if V.shape[1] else NULL
    task.w_out = room_f32(out.w)
    task.is_in_place = out is parameters
    task.sums = &sums[0, 0] if sums is not None else NULL
    cdef Status status
    with nogil:
        status = cpp_draw_features(kernels_in_use[0], task, n_threads)
    check(status)


def draw_means(relation, prior, relative_precision, options, parameters, residuals):
    """Draws the parameters (V, w) of features that block rows' prior means are sums of; keeps `residuals` up to date.

    Both are objects with V and w; relative_precision has a precision of each group in units of the prior's.
    """
    cdef const float[:, ::1] precision = prior.precision
    cdef float[:, ::1] theta = parameters.V
    cdef float[:, ::1] residual_V = residuals.V
    cdef MeanDraw task
    task.X = csr_view(relation.X)
    task.starts = pointer_i64(relation.starts)
    task.block_rows = pointer_i32(relation.block_rows)
    task.data = pointer_f32(relation.data)
    task.n_features = theta.shape[0]
    task.k = <int32_t>theta.shape[1]
    task.group_of = pointer_i32(relation.group_of)
    task.relative_precision = pointer_f32(relative_precision.V)
    task.relative_precision_w = pointer_f32(relative_precision.w)
    task.precision = &precision[0, 0] if precision.shape[0] else NULL
    task.precision_w = prior.precision_w
    task.n_factors = options.n_factors
    task.fit_linear = options.fit_linear
    task.seed = options.seed
    task.residual_V = &residual_V[0, 0] if residual_V.shape[1] else NULL
    task.residual_w = room_f32(residuals.w)
    task.theta = &theta[0, 0] if theta.shape[1] else NULL
    task.theta_w = room_f32(parameters.w)
    cdef Status status
    with nogil:
        status = cpp_draw_means(kernels_in_use[0], task)
    check(status)


def residuals(rows, int n_threads, float[::1] out):
    """Fills out (n_rows,) with what is left of the targets: y - p."""
    cdef RowsView view = RowsView(rows)
    cdef float* left = &out[0]
    cdef Status status
    with nogil:
        status = cpp_residuals(kernels_in_use[0], view.rows, n_threads, left)
    check(status)


def sums_size(int32_t k):
    """Floats that the sums of a block row take."""
    return cpp_sums_size(k)
