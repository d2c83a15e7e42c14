# distutils: language = c++
"""The boundary: unpacks arrays, releases the GIL, calls C++, turns its status into an exception. No arithmetic.

Python has checked shapes, types and index ranges by now (`_validation/`) and owns all memory.
Shapes and units are those of types/.
"""

from collections import namedtuple

include "core.pxi"


class NonFiniteScoreError(ArithmeticError):
    """The score of a row was NaN or infinite; `row` is its number."""

    def __init__(self, row):
        super().__init__(f"the score of row {row} is not finite")
        self.row = row


cdef int check(Status status) except -1:
    if status.code == StatusCode.non_finite:
        raise NonFiniteScoreError(status.row)
    if status.code == StatusCode.out_of_memory:
        raise MemoryError
    return 0


cdef const Kernels* kernels_in_use = NULL


def supported_isas():
    """Names of the instruction sets that this build holds and this machine runs, fastest first."""
    cdef const Kernels* const* tables = compiled_kernels()
    names = []
    cdef int i = 0
    while tables[i] != NULL:
        if is_supported(tables[i][0]):
            names.append(tables[i].isa.decode())
        i += 1
    return names


def use_isa(str name):
    """Call the kernels of this instruction set from now on."""
    global kernels_in_use
    cdef const Kernels* const* tables = compiled_kernels()
    cdef int i = 0
    while tables[i] != NULL:
        if tables[i].isa.decode() == name and is_supported(tables[i][0]):
            kernels_in_use = tables[i]
            return
        i += 1
    raise ValueError(f"instruction set {name!r} is not available; choose from {supported_isas()}")


def isa_in_use():
    return kernels_in_use.isa.decode()


def compiler():
    return cpp_compiler().decode()


use_isa(supported_isas()[0])


cdef dict numbers_of(const char* const* names):
    numbers = {}
    while names[len(numbers)] != NULL:
        numbers[names[len(numbers)].decode()] = len(numbers)
    return numbers


def losses():
    """Numbers of the losses by name."""
    return numbers_of(loss_names)


def ranking_losses():
    """Numbers of the ranking losses by name."""
    return numbers_of(ranking_loss_names)


OptimizerTraits = namedtuple("OptimizerTraits", ["number", "n_slots", "normalises"])


def optimizers():
    """What the optimizers say of themselves, by name; see math/optimizer.hpp."""
    cdef const CppOptimizerTraits* traits = kernels_in_use.optimizers
    found = {}
    while traits.name != NULL:
        found[traits.name.decode()] = OptimizerTraits(len(found), traits.n_slots, traits.normalises)
        traits += 1
    return found


cdef Table table_view(const float[:, :, ::1] records, bint per_feature):
    cdef Table table
    table.records = <float*>&records[0, 0, 0] if records.shape[0] and records.shape[2] else NULL
    table.n_rows = records.shape[0]
    table.width = <int32_t>records.shape[2]
    table.per_feature = per_feature
    return table


def begin(float[:, :, ::1] records, int32_t optimizer, sizes):
    """Fills in the optimizer's first state behind the parameters in records (n_rows, 1 + n_slots, width)."""
    cdef InitialSizes initial
    initial.learning_rate = sizes.learning_rate
    initial.beta = sizes.beta
    initial.l1 = sizes.l1
    initial.l2 = sizes.l2
    initial.initial_acc = sizes.initial_acc
    kernels_in_use.optimizers[optimizer].begin(table_view(records, False), initial)


# `indptr` is an array of int32 or of int64.
cdef Csr csr_view(indptr, const int32_t[::1] indices, const float[::1] data) except *:
    cdef Csr X
    cdef const int32_t[::1] narrow
    cdef const int64_t[::1] wide
    X.n_rows = len(indptr) - 1
    X.indptr.narrow = NULL
    X.indptr.wide = NULL
    if indptr.itemsize == 4:
        narrow = indptr
        X.indptr.narrow = &narrow[0]
    else:
        wide = indptr
        X.indptr.wide = &wide[0]
    X.indices = &indices[0] if indices.shape[0] else NULL
    X.data = &data[0] if data is not None and data.shape[0] else NULL
    return X


cdef bint is_number_of_slots(int64_t n) noexcept:
    cdef const CppOptimizerTraits* traits = kernels_in_use.optimizers
    while traits.name != NULL and traits.n_slots != n:
        traits += 1
    return traits.name != NULL


# Prediction reads parameters that may lie in read-only memory; training, which writes, asks for memory that it may
# write to.
cdef Params params_view(source, bint to_write=False) except *:
    cdef Params params
    cdef const float[:, :, ::1] records
    cdef float[:, :, ::1] writable
    cdef int t
    if len(source.specs) > max_tables:
        raise ValueError(f"{len(source.specs)} tables of parameters; at most {max_tables} are possible")
    params.n_tables = len(source.specs)
    params.n_features = 0
    for t, spec in enumerate(source.specs):
        if to_write:
            records = writable = source.tables[spec.name]
        else:
            records = source.tables[spec.name]
        if not is_number_of_slots(records.shape[1] - 1):
            raise ValueError(f"no optimizer has {records.shape[1] - 1} state values for a parameter")
        params.tables[t] = table_view(records, spec.per_feature)
        params.n_slots = <int32_t>(records.shape[1] - 1)
        params.copies[t] = NULL
        if spec.per_feature:
            params.n_features = records.shape[0]
    return params


cdef StepSizes step_sizes(source):
    cdef StepSizes sizes
    sizes.learning_rate = source.learning_rate
    sizes.beta = source.beta
    sizes.l1 = source.l1
    sizes.l2 = source.l2
    return sizes


def sgd_epoch(
    indptr, const int32_t[::1] indices, const float[::1] data,
    const float[::1] y, const float[::1] sample_weight, const int64_t[::1] order, int64_t first, int64_t last,
    params, const int32_t[::1] hot_features,
    int32_t loss, int32_t optimizer, options, int n_threads,
):
    """Visits first <= v < last of one epoch; changes params in place; returns the weighted sum of the loss.

    `indices` names feature hot_features[h] by the number n_features + h.
    """
    cdef Csr X = csr_view(indptr, indices, data)
    cdef Params tables = params_view(params, to_write=True)
    cdef Targets targets
    targets.y = &y[0]
    targets.sample_weight = &sample_weight[0] if sample_weight is not None else NULL
    cdef RowOrder visits
    visits.first = first
    visits.last = last
    visits.rows = &order[0] if order is not None else NULL
    cdef Options opts
    opts.loss = <Loss>loss
    opts.loss_options.delta = options.delta
    opts.optimizer = <Optimizer>optimizer
    opts.w0 = step_sizes(options.w0)
    opts.w = step_sizes(options.w)
    opts.V = step_sizes(options.V)
    opts.clip_gradient = options.clip_gradient
    opts.fit_intercept = options.fit_intercept
    opts.fit_linear = options.fit_linear
    cdef HotFeatures hot
    hot.n = hot_features.shape[0]
    hot.features = &hot_features[0] if hot.n else NULL
    cdef double loss_sum = 0.0
    cdef Status status
    with nogil:
        status = cpp_sgd_epoch(kernels_in_use[0], X, targets, visits, tables, hot, opts, n_threads, &loss_sum)
    check(status)
    return loss_sum


def predict(
    indptr, const int32_t[::1] indices, const float[::1] data,
    params, int n_threads, float[::1] out,
):
    """Fills out (n_rows,) with the score of every row, before the link."""
    cdef Csr X = csr_view(indptr, indices, data)
    cdef Params tables = params_view(params)
    cdef float* p = &out[0]
    cdef Status status
    with nogil:
        status = cpp_predict(kernels_in_use[0], X, tables, n_threads, p)
    check(status)


def pool(
    indptr, const int32_t[::1] indices, const float[::1] data,
    params, int n_threads,
    float[::1] own, float[:, ::1] sum_vx,
):
    """Fills own (n_rows,) with each row's linear and pair terms, and sum_vx (n_rows, k) with its sums S_f."""
    cdef Csr X = csr_view(indptr, indices, data)
    cdef Params tables = params_view(params)
    cdef float* own_ptr = &own[0]
    cdef float* sum_ptr = &sum_vx[0, 0] if sum_vx.shape[1] else NULL
    cdef Status status
    with nogil:
        status = cpp_pool(kernels_in_use[0], X, tables, n_threads, own_ptr, sum_ptr)
    check(status)


cdef Negatives negatives_view(source, const float[::1] keep, const int32_t[::1] alias, const float[::1] log_q) except *:
    cdef Negatives negatives
    negatives.n = source.n
    negatives.keep = &keep[0] if keep is not None else NULL
    negatives.alias = &alias[0] if alias is not None else NULL
    negatives.log_q = &log_q[0] if log_q is not None else NULL
    negatives.seed = source.seed
    return negatives


def ranking_epoch(
    users, items, interactions, const int32_t[::1] users_of_interactions,
    const int64_t[::1] order, const int64_t[::1] begins, int64_t first, int64_t last, int32_t most,
    negatives, params, int32_t loss, options, int n_threads,
):
    """Visits first <= v < last of one epoch; changes params in place; returns the weighted sum of the loss.

    `users`, `items` and `interactions` are `Csr`s of `_engine.py`, the first two both with or both without values.
    """
    cdef RankingData data
    data.users = csr_view(users.indptr, users.indices, users.data)
    data.items = csr_view(items.indptr, items.indices, items.data)
    data.interactions.items = csr_view(interactions.indptr, interactions.indices, interactions.data)
    data.interactions.users = &users_of_interactions[0]
    data.interactions.n_items = interactions.n_features
    data.visits.first = first
    data.visits.last = last
    data.visits.order = &order[0]
    data.visits.begins = &begins[0] if begins is not None else NULL
    data.visits.most = most
    data.negatives = negatives_view(negatives, negatives.keep, negatives.alias, negatives.log_q)
    cdef Params tables = params_view(params, to_write=True)
    cdef RankingOptions opts
    opts.loss = <RankingLoss>loss
    opts.w = step_sizes(options.w)
    opts.V = step_sizes(options.V)
    opts.fit_linear = options.fit_linear
    cdef double loss_sum = 0.0
    cdef Status status
    with nogil:
        status = cpp_ranking_epoch(kernels_in_use[0], data, tables, opts, n_threads, &loss_sum)
    check(status)
    return loss_sum


def order_of_visits(
    const int64_t[::1] interactions, const int32_t[::1] users, int32_t most, uint64_t seed,
    int64_t[::1] order, int64_t[::1] begins,
):
    """Fills order (n,) and begins (n + 1,) with interactions in pieces of one user; returns the number of pieces."""
    cdef const int64_t* interactions_ptr = &interactions[0]
    cdef const int32_t* users_ptr = &users[0]
    cdef int64_t* order_ptr = &order[0]
    cdef int64_t* begins_ptr = &begins[0]
    cdef int64_t n = interactions.shape[0], n_pieces = 0
    cdef Status status
    with nogil:
        status = cpp_order_of_visits(interactions_ptr, users_ptr, n, most, seed, order_ptr, begins_ptr, &n_pieces)
    check(status)
    return n_pieces


def fold_in(
    const float[:, ::1] item_vectors, histories, negatives, const float[:, ::1] sum_known,
    int32_t loss, sizes, int n_steps, float[:, ::1] sum_user,
):
    """Fills sum_user (n_users, n_factors) with the S_u of users who have chosen the items of `histories`, a `Csr`."""
    cdef FoldIn task
    task.item_vectors = &item_vectors[0, 0]
    task.n_items = <int32_t>item_vectors.shape[0]
    task.n_factors = <int32_t>(item_vectors.shape[1] - 1)
    task.histories = csr_view(histories.indptr, histories.indices, histories.data)
    task.sum_known = &sum_known[0, 0]
    task.loss = <RankingLoss>loss
    task.sizes = step_sizes(sizes)
    task.n_steps = n_steps
    task.workspace = NULL
    task.sum_user = &sum_user[0, 0]
    cdef Negatives drawn = negatives_view(negatives, negatives.keep, negatives.alias, negatives.log_q)
    cdef Status status
    with nogil:
        status = cpp_fold_in(kernels_in_use[0], task, drawn)
    check(status)


def inspect(
    indptr, const int32_t[::1] indices, const float[::1] data, int64_t n_features,
):
    """Returns whether the matrix is valid and without duplicates, is finite, has explicit zeros, holds ones only."""
    cdef Csr X = csr_view(indptr, indices, data)
    cdef int64_t nnz = indices.shape[0]
    cdef MatrixTraits traits
    with nogil:
        traits = kernels_in_use.inspect(X, nnz, n_features)
    return traits.is_valid, traits.is_finite, traits.has_zeros, traits.is_all_ones


def nnz_of_rows(indptr, const int32_t[::1] indices, const int64_t[::1] rows):
    """Returns how many nonzeros the given rows have."""
    cdef Csr X = csr_view(indptr, indices, None)
    cdef const int64_t* rows_ptr = &rows[0]
    cdef int64_t n_rows = rows.shape[0], nnz
    with nogil:
        nnz = cpp_nnz_of_rows(X, rows_ptr, n_rows)
    return nnz


def take_rows(
    indptr, const int32_t[::1] indices, const float[::1] data, const int64_t[::1] rows,
    out_indptr, int32_t[::1] out_indices, float[::1] out_data,
):
    """Fills out_indptr, out_indices, and out_data unless it is None, with the given rows."""
    cdef Csr X = csr_view(indptr, indices, data), out = csr_view(out_indptr, out_indices, out_data)
    cdef CsrRoom room
    room.narrow_indptr = <int32_t*>out.indptr.narrow
    room.wide_indptr = <int64_t*>out.indptr.wide
    room.indices = <int32_t*>out.indices
    room.data = <float*>out.data
    room.nnz = out_indices.shape[0]
    cdef const int64_t* rows_ptr = &rows[0]
    cdef int64_t n_rows = rows.shape[0]
    with nogil:
        cpp_take_rows(X, rows_ptr, n_rows, room)


def block_order(const int64_t[::1] blocks, int64_t block_rows, int64_t n_rows, uint64_t seed, int64_t[::1] out):
    """Fills out with the rows of these blocks of n_rows rows, in random order inside each block."""
    cdef const int64_t* blocks_ptr = &blocks[0]
    cdef int64_t* order = &out[0]
    cdef int64_t n_blocks = blocks.shape[0]
    with nogil:
        cpp_block_order(blocks_ptr, n_blocks, block_rows, n_rows, seed, order)


PANEL_ITEMS = panel_items


def top_n(
    const float[:, ::1] users, const double[::1] user_norms,
    const float[:, :, ::1] panels, const int32_t[::1] item_positions, const double[::1] norms,
    const float[:, ::1] vectors, double largest_norm, const int64_t[::1] list_panels,
    const int64_t[::1] indptr, const int32_t[::1] listed, bint may_get, const uint8_t[::1] allowed,
    const int32_t[:, ::1] probes, int n_threads, int64_t[:, ::1] positions, float[:, ::1] scores,
):
    """Fills positions and scores (n_users, n) with each user's best items.

    `indptr` None: no lists. `allowed` None: every item. `probes` None: items without lists.
    """
    cdef PackedItems items
    items.n_items = vectors.shape[0]
    items.n_panels = panels.shape[0]
    items.d = <int32_t>vectors.shape[1]
    items.panels = &panels[0, 0, 0]
    items.positions = &item_positions[0]
    items.norms = &norms[0]
    items.vectors = &vectors[0, 0]
    items.largest_norm = largest_norm
    items.list_panels = &list_panels[0] if list_panels is not None else NULL
    cdef TopNQuery query
    query.n_users = users.shape[0]
    query.users = &users[0, 0]
    query.user_norms = &user_norms[0]
    query.lists.indptr = &indptr[0] if indptr is not None else NULL
    query.lists.listed = &listed[0] if listed is not None and listed.shape[0] else NULL
    query.lists.may_get = may_get
    query.allowed = &allowed[0] if allowed is not None else NULL
    query.n = positions.shape[1]
    query.probes = &probes[0, 0] if probes is not None else NULL
    query.n_probes = probes.shape[1] if probes is not None else 0
    cdef Best best
    best.positions = &positions[0, 0]
    best.scores = &scores[0, 0]
    cdef Status status
    with nogil:
        status = cpp_top_n(kernels_in_use[0], items, query, n_threads, best)
    check(status)
