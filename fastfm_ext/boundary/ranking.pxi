# Training of rankings, and vectors of new users: see types/ranking.hpp, types/tile.hpp and threads/ranking.hpp.

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


cdef extern from "types/tile.hpp" namespace "fastfm" nogil:
    struct TileOptions:
        StepSizes w
        StepSizes V
        bint fit_linear
        float scale


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


cdef Negatives negatives_view(source) except *:
    cdef Negatives negatives
    negatives.n = source.n
    negatives.keep = pointer_f32(source.keep)
    negatives.alias = pointer_i32(source.alias)
    negatives.log_q = pointer_f32(source.log_q)
    negatives.seed = source.seed
    return negatives


cdef RankingVisits visits_view(source) except *:
    cdef RankingVisits visits
    visits.first = source.first
    visits.last = source.last
    visits.order = pointer_i64(source.order)
    visits.begins = pointer_i64(source.begins)
    visits.most = source.most
    visits.n_positives = source.n_positives
    visits.kth = source.kth
    return visits


cdef RankingOptions ranking_options_view(source) except *:
    cdef RankingOptions options
    options.loss = <RankingLoss><int32_t>RANKING_LOSSES[source.loss]
    options.w = step_sizes(source.w)
    options.V = step_sizes(source.V)
    options.fit_linear = source.fit_linear
    return options


cdef TileOptions tile_options_view(source, float temperature) except *:
    cdef TileOptions options
    options.w = step_sizes(source.w)
    options.V = step_sizes(source.V)
    options.fit_linear = source.fit_linear
    options.scale = 1.0 / temperature
    return options


cdef RankingData ranking_view(choices, visits, negatives) except *:
    cdef RankingData data
    data.users = csr_view(choices.users)
    data.items = csr_view(choices.items)
    data.interactions.items = csr_view(choices.interactions)
    data.interactions.users = pointer_i32(choices.users_of_interactions)
    data.interactions.n_items = choices.interactions.n_features
    data.visits = visits_view(visits)
    data.negatives = negatives_view(negatives)
    return data


def ranking_epoch(choices, visits, negatives, params, options, int n_threads):
    """Makes the visits first <= v < last of one epoch; changes params in place; returns the weighted sum of the loss.

    choices.users and choices.items both have or both lack values.
    """
    cdef RankingData data = ranking_view(choices, visits, negatives)
    cdef Params tables = params_view(params, to_write=True)
    cdef RankingOptions opts = ranking_options_view(options)
    cdef double loss_sum = 0.0
    cdef Status status
    with nogil:
        status = cpp_ranking_epoch(kernels_in_use[0], data, tables, opts, n_threads, &loss_sum)
    check(status)
    return loss_sum


def cosine_epoch(
    choices, visits, negatives, params, options, tiling, int n_threads
):
    """Makes the tiles of the visits first <= v < last; changes params in place; returns the sum of the loss."""
    cdef RankingData data = ranking_view(choices, visits, negatives)
    cdef Params tables = params_view(params, to_write=True)
    cdef TileOptions opts = tile_options_view(options, tiling.temperature)
    cdef CppTiling tiles
    tiles.visits = tiling.visits
    tiles.history = -1 if choices.history is None else choices.history
    cdef double loss_sum = 0.0
    cdef Status status
    with nogil:
        status = cpp_cosine_epoch(kernels_in_use[0], data, tables, opts, tiles, n_threads, &loss_sum)
    check(status)
    return loss_sum


def order_of_visits(
    const int64_t[::1] interactions, const int32_t[::1] users, int32_t most, int32_t fewest, uint64_t seed,
    int64_t[::1] order, int64_t[::1] begins,
):
    """Fills order (n,) and begins (n + 1,) with interactions in pieces of one user; returns the number of pieces."""
    cdef const int64_t* interactions_ptr = &interactions[0]
    cdef const int32_t* users_ptr = &users[0]
    cdef int64_t* order_ptr = &order[0]
    cdef int64_t* begins_ptr = &begins[0]
    cdef int64_t n = interactions.shape[0], n_pieces = 0
    cdef CppPieces sizes
    sizes.most = most
    sizes.fewest = fewest
    cdef Status status
    with nogil:
        status = cpp_order_of_visits(interactions_ptr, users_ptr, n, sizes, seed, order_ptr, begins_ptr, &n_pieces)
    check(status)
    return n_pieces


def fold_in(
    const float[:, ::1] item_vectors, histories, negatives, const float[:, ::1] sum_known,
    str loss, sizes, float scale, float log_share, int n_steps, float[:, ::1] sum_user,
):
    """Fills sum_user (n_users, n_factors) with the S_u of users who have chosen the items of `histories`, a `Csr`."""
    cdef FoldIn task
    task.item_vectors = &item_vectors[0, 0]
    task.n_items = <int32_t>item_vectors.shape[0]
    task.n_factors = <int32_t>(item_vectors.shape[1] - 1)
    task.histories = csr_view(histories)
    task.sum_known = &sum_known[0, 0]
    task.loss = <RankingLoss><int32_t>RANKING_LOSSES[loss]
    task.sizes = step_sizes(sizes)
    task.scale = scale
    task.log_share = log_share
    task.n_steps = n_steps
    task.workspace = NULL
    task.sum_user = &sum_user[0, 0]
    cdef Negatives drawn = negatives_view(negatives)
    cdef Status status
    with nogil:
        status = cpp_fold_in(kernels_in_use[0], task, drawn)
    check(status)
