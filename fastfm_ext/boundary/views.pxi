# Views: C++ structures that point into the arrays of an object of `_engine/`, which has fields of the same names. The
# object keeps the arrays alive.

# `indptr` is an array of int32 or of int64.
cdef Csr csr_of(indptr, const int32_t[::1] indices, const float[::1] data) except *:
    cdef Csr X
    X.n_rows = len(indptr) - 1
    X.indptr.narrow = pointer_i32(indptr) if indptr.itemsize == 4 else NULL
    X.indptr.wide = pointer_i64(indptr) if indptr.itemsize != 4 else NULL
    X.indices = pointer_i32(indices)
    X.data = pointer_f32(data)
    return X


cdef Csr csr_view(X) except *:
    return csr_of(X.indptr, X.indices, X.data)


cdef Table table_view(const float[:, :, ::1] records, bint per_feature):
    cdef Table table
    table.records = <float*>&records[0, 0, 0] if records.shape[0] and records.shape[2] else NULL
    table.n_rows = records.shape[0]
    table.width = <int32_t>records.shape[2]
    table.per_feature = per_feature
    return table


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


cdef Targets targets_view(source) except *:
    cdef Targets targets
    targets.y = pointer_f32(source.y)
    targets.sample_weight = pointer_f32(source.sample_weight)
    return targets


cdef RowOrder order_view(source) except *:
    cdef RowOrder order
    order.first = source.first
    order.last = source.last
    order.rows = pointer_i64(source.rows)
    return order


cdef Options options_view(source) except *:
    cdef Options options
    options.loss = <Loss><int32_t>LOSSES[source.loss]
    options.loss_options.delta = source.delta
    options.optimizer = <Optimizer><int32_t>OPTIMIZERS[source.solver].number
    options.w0 = step_sizes(source.w0)
    options.w = step_sizes(source.w)
    options.V = step_sizes(source.V)
    options.clip_gradient = source.clip_gradient
    options.fit_intercept = source.fit_intercept
    options.fit_linear = source.fit_linear
    return options


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


cdef PackedItems items_view(source) except *:
    cdef PackedItems items
    cdef const float[:, :, ::1] panels = source.panels
    cdef const float[:, ::1] vectors = source.vectors
    items.n_items = vectors.shape[0]
    items.n_panels = panels.shape[0]
    items.d = <int32_t>vectors.shape[1]
    items.panels = &panels[0, 0, 0]
    items.positions = pointer_i32(source.positions)
    items.norms = pointer_f64(source.norms)
    items.largest_norm = source.largest_norm
    items.list_panels = pointer_i64(source.list_panels)
    items.vectors = &vectors[0, 0]
    return items


cdef ItemLists lists_view(source) except *:
    cdef ItemLists lists
    lists.indptr = pointer_i64(source.indptr) if source is not None else NULL
    lists.listed = pointer_i32(source.listed) if source is not None else NULL
    lists.may_get = source.may_get if source is not None else False
    return lists


cdef TopNQuery query_view(source, int64_t n) except *:
    cdef TopNQuery query
    cdef const float[:, ::1] users = source.users
    cdef const int32_t[:, ::1] probes = source.probes
    query.n_users = users.shape[0]
    query.users = &users[0, 0]
    query.user_norms = pointer_f64(source.norms)
    query.lists = lists_view(source.lists)
    query.allowed = pointer_u8(source.allowed)
    query.n = n
    query.probes = &probes[0, 0] if probes is not None else NULL
    query.n_probes = probes.shape[1] if probes is not None else 0
    return query


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
