# distutils: language = c++
"""The boundary: unpacks arrays, releases the GIL, calls C++, turns its status into an exception. No arithmetic.

Python has checked shapes, types and index ranges by now (`_validation/`) and owns all memory. Kernels take objects of
`_engine/`, of which views.pxi makes the structures of types/; shapes and units are theirs.
"""

from collections import namedtuple

from libcpp.vector cimport vector

include "core.pxi"
include "pointers.pxi"


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
    return {name.replace("_", "-"): number for name, number in numbers_of(ranking_loss_names).items()}


OptimizerTraits = namedtuple("OptimizerTraits", ["number", "n_slots", "normalises"])


def optimizers():
    """What the optimizers say of themselves, by name; see math/optimizer.hpp."""
    cdef const CppOptimizerTraits* traits = kernels_in_use.optimizers
    found = {}
    while traits.name != NULL:
        found[traits.name.decode()] = OptimizerTraits(len(found), traits.n_slots, traits.normalises)
        traits += 1
    return found


ModelTraits = namedtuple("ModelTraits", ["number", "has_replicas"])


def models():
    """What the models say of themselves, by name; see models/registry.hpp."""
    cdef const CppModelTraits* traits = kernels_in_use.models
    found = {}
    while traits.name != NULL:
        found[traits.name.decode()] = ModelTraits(len(found), traits.has_replicas)
        traits += 1
    return found


cdef dict LOSSES = losses(), RANKING_LOSSES = ranking_losses(), OPTIMIZERS = optimizers()

include "views.pxi"


def begin(float[:, :, ::1] records, str optimizer, sizes):
    """Fills in the optimizer's first state behind the parameters in records (n_rows, 1 + n_slots, width)."""
    cdef InitialSizes initial
    initial.learning_rate = sizes.learning_rate
    initial.beta = sizes.beta
    initial.l1 = sizes.l1
    initial.l2 = sizes.l2
    initial.initial_acc = sizes.initial_acc
    kernels_in_use.optimizers[<int32_t>OPTIMIZERS[optimizer].number].begin(table_view(records, False), initial)


def usable_cpus():
    """Returns how many CPUs this process may use now."""
    return cpp_usable_cpus()


def has_replicas(int32_t model, int64_t n_bytes):
    """Returns whether each thread has parameters of its own, where those of the features take so many bytes."""
    return cpp_has_replicas(kernels_in_use.models[model], n_bytes)


cdef const float* l2_scale_view(const float[::1] l2_scale, int64_t n_features) except? NULL:
    if l2_scale is not None and l2_scale.shape[0] != n_features:
        raise ValueError(f"L2 of {l2_scale.shape[0]} features, of {n_features}")
    return pointer_f32(l2_scale)


def sgd_epoch(
    X, targets, visits, params, hot_features, options, int n_threads, l2_scale=None, uint64_t seed=0
):
    """Makes the visits first <= v < last of one epoch; changes params in place; returns the weighted sum of the loss.

    l2_scale (n_features,) multiplies the features' L2. The seed is that of rounding to halves.
    """
    cdef Csr rows = csr_view(X)
    cdef Targets wanted = targets_view(targets, rows.n_rows)
    cdef RowOrder order = order_view(visits)
    cdef Params tables = params_view(params, True, options.solver == "adagrad")
    tables.l2_scale = l2_scale_view(l2_scale, tables.n_features)
    tables.seed = seed
    cdef HotFeatures hot
    hot.n = len(hot_features.features)
    hot.features = pointer_i32(hot_features.features)
    hot.indices = pointer_i32(hot_features.indices)
    if hot.n and len(hot_features.indices) != len(X.indices):
        raise ValueError(f"{len(hot_features.indices)} renamed nonzeros, of {len(X.indices)}")
    cdef Options opts = options_view(options)
    cdef double loss_sum = 0.0
    cdef Status status
    with nogil:
        status = cpp_sgd_epoch(kernels_in_use[0], rows, wanted, order, tables, hot, opts, n_threads, &loss_sum)
    check(status)
    return loss_sum


def multinomial_epoch(X, targets, visits, machines, float[::1] scores, options, l2_scale=None):
    """Makes the visits first <= v < last of an epoch; changes all machines in place; returns the weighted loss, summed.

    X has values, and targets.y is (n_classes, n_rows). scores (n_classes,) is room. l2_scale as in `sgd_epoch`.
    """
    cdef Csr rows = csr_view(X)
    cdef const float[:, ::1] y = targets.y
    cdef Targets wanted
    wanted.y = &y[0, 0]
    wanted.sample_weight = pointer_f32(targets.sample_weight)
    wanted.scores = NULL
    cdef RowOrder order = order_view(visits)
    cdef vector[Params] tables
    cdef Params each
    for params in machines:
        each = params_view(params, to_write=True)
        each.l2_scale = l2_scale_view(l2_scale, each.n_features)
        tables.push_back(each)
    cdef Machines all_classes
    all_classes.params = tables.data()
    all_classes.n_classes = <int32_t>tables.size()
    all_classes.scores = &scores[0]
    cdef Options opts = options_view(options)
    cdef double loss_sum = 0.0
    cdef Status status
    with nogil:
        status = cpp_multinomial_epoch(kernels_in_use[0], rows, wanted, order, all_classes, opts, &loss_sum)
    check(status)
    return loss_sum


def predict(X, params, int n_threads, float[::1] out):
    """Fills out (n_rows,) with the score of every row, before the link."""
    cdef Csr rows = csr_view(X)
    cdef Params tables = params_view(params, False, True)
    cdef float* p = &out[0]
    cdef Status status
    with nogil:
        status = cpp_predict(kernels_in_use[0], rows, tables, n_threads, p)
    check(status)


def pool(X, params, int n_threads, float[::1] own, float[:, ::1] sum_vx):
    """Fills own (n_rows,) with each row's linear and pair terms, and sum_vx (n_rows, k) with its sums S_f."""
    cdef Csr rows = csr_view(X)
    cdef Params tables = params_view(params, False, True)
    cdef float* own_ptr = &own[0]
    cdef float* sum_ptr = &sum_vx[0, 0] if sum_vx.shape[1] else NULL
    cdef Status status
    with nogil:
        status = cpp_pool(kernels_in_use[0], rows, tables, n_threads, own_ptr, sum_ptr)
    check(status)


MatrixTraits = namedtuple("MatrixTraits", ["is_valid", "is_finite", "has_zeros", "is_all_ones"])


def inspect(indptr, const int32_t[::1] indices, const float[::1] data, int64_t n_features):
    """Returns what can be said of the matrix of these arrays; see types/matrix.hpp."""
    cdef Csr X = csr_of(indptr, indices, data)
    cdef int64_t nnz = indices.shape[0]
    cdef CppMatrixTraits traits
    with nogil:
        traits = kernels_in_use.inspect(X, nnz, n_features)
    return MatrixTraits(traits.is_valid, traits.is_finite, traits.has_zeros, traits.is_all_ones)


def nnz_of_rows(X, const int64_t[::1] rows):
    """Returns how many nonzeros the given rows of X have."""
    cdef Csr source = csr_view(X)
    cdef const int64_t* rows_ptr = &rows[0]
    cdef int64_t n_rows = rows.shape[0], nnz
    with nogil:
        nnz = cpp_nnz_of_rows(source, rows_ptr, n_rows)
    return nnz


def take_rows(X, const int64_t[::1] rows, out):
    """Fills out, a matrix with room for just as many values, with the given rows of X."""
    cdef Csr source = csr_view(X)
    cdef CsrRoom room
    room.narrow_indptr = room_i32(out.indptr) if out.indptr.itemsize == 4 else NULL
    room.wide_indptr = room_i64(out.indptr) if out.indptr.itemsize != 4 else NULL
    room.indices = room_i32(out.indices)
    room.data = room_f32(out.data)
    room.nnz = len(out.indices)
    cdef const int64_t* rows_ptr = &rows[0]
    cdef int64_t n_rows = rows.shape[0]
    with nogil:
        cpp_take_rows(source, rows_ptr, n_rows, room)


def block_order(const int64_t[::1] blocks, int64_t block_rows, int64_t n_rows, uint64_t seed, int64_t[::1] out):
    """Fills out with the rows of these blocks of n_rows rows, in random order inside each block."""
    cdef const int64_t* blocks_ptr = &blocks[0]
    cdef int64_t* order = &out[0]
    cdef int64_t n_blocks = blocks.shape[0]
    with nogil:
        cpp_block_order(blocks_ptr, n_blocks, block_rows, n_rows, seed, order)


include "contributions.pxi"
include "ranking.pxi"
include "search.pxi"
include "sweep.pxi"
include "whole_data.pxi"
