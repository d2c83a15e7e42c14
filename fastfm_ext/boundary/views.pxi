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
    table.storage = Storage.float32
    return table


cdef Table half_table_view(const uint16_t[:, :, ::1] records, bint per_feature):
    cdef Table table
    table.halves = <uint16_t*>&records[0, 0, 0] if records.shape[0] and records.shape[2] else NULL
    table.n_rows = records.shape[0]
    table.width = <int32_t>records.shape[2]
    table.per_feature = per_feature
    table.storage = Storage.half
    return table


cdef bint is_number_of_slots(int64_t n) noexcept:
    cdef const CppOptimizerTraits* traits = kernels_in_use.optimizers
    while traits.name != NULL and traits.n_slots != n:
        traits += 1
    return traits.name != NULL


# Prediction reads parameters that may lie in read-only memory; training, which writes, asks for memory that it may
# write to. Kernels that know halves say so.
cdef Params params_view(source, bint to_write=False, bint with_halves=False) except *:
    cdef Params params
    cdef int t
    if len(source.specs) > max_tables:
        raise ValueError(f"{len(source.specs)} tables of parameters; at most {max_tables} are possible")
    params.model = source.model.number
    params.k = source.k
    params.fields.n = source.fields.n
    params.fields.of_feature = pointer_i32(source.fields.of_feature)
    params.room = NULL
    params.l2_scale = NULL
    params.seed = 0
    params.n_tables = len(source.specs)
    params.n_features = 0
    for t, spec in enumerate(source.specs):
        records = source.tables[spec.name]
        if to_write and not records.flags.writeable:
            raise ValueError(f"{spec.name} lies in memory that cannot be written to")
        if not is_number_of_slots(records.shape[1] - 1):
            raise ValueError(f"no optimizer has {records.shape[1] - 1} state values for a parameter")
        if with_halves and records.dtype == "uint16":
            params.tables[t] = half_table_view(records, spec.per_feature)
        else:
            params.tables[t] = table_view(records, spec.per_feature)
        params.n_slots = <int32_t>(records.shape[1] - 1)
        params.copies[t] = NULL
        if spec.per_feature:
            params.n_features = records.shape[0]
    if params.fields.of_feature != NULL and len(source.fields.of_feature) != params.n_features:
        raise ValueError(f"fields of {len(source.fields.of_feature)} features, of {params.n_features}")
    return params


cdef StepSizes step_sizes(source):
    cdef StepSizes sizes
    sizes.learning_rate = source.learning_rate
    sizes.beta = source.beta
    sizes.l1 = source.l1
    sizes.l2 = source.l2
    return sizes


cdef Targets targets_view(source, int64_t n_rows) except *:
    cdef Targets targets
    for name in ("y", "sample_weight", "scores"):
        values = getattr(source, name)
        if values is not None and len(values) != n_rows:
            raise ValueError(f"{name} of {len(values)} rows, of {n_rows}")
    targets.y = pointer_f32(source.y)
    targets.sample_weight = pointer_f32(source.sample_weight)
    targets.scores = room_f32(source.scores)
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
    options.R = step_sizes(source.R)
    options.clip_gradient = source.clip_gradient
    options.fit_intercept = source.fit_intercept
    options.fit_linear = source.fit_linear
    return options
